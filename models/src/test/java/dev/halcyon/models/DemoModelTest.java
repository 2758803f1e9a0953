package dev.halcyon.models;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.testing.Requirements;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.ParityCheck;
import dev.halcyon.models.deepseek.ParityOptions;
import dev.halcyon.models.deepseek.ParityResult;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.deepseek.WeightFormat;
import dev.halcyon.models.generate.TextModel;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.json.JsonReader;
import dev.halcyon.models.scoring.ScoreWindows;
import dev.halcyon.models.scoring.TextScorer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The packaged model against what transformers computes with the same weights: logits, greedy
 * continuations, and the perplexity of the first tokens of its held-out text.
 */
final class DemoModelTest {
  @TempDir static Path temp;
  private static Path demo;

  /** What {@code perplexity} of the golden file says. */
  private record Reference(int tokens, int context, double perplexity) {}

  @BeforeAll
  static void extract() {
    demo =
        new ModelLocator(Map.of("HALCYON_CACHE", temp.resolve("cache").toString()), temp)
            .locate(ModelLocator.DEMO);
  }

  private static Reference reference() {
    var node =
        JsonReader.readObject(
                demo.resolve("golden.json"), 1 << 20, HalErrorCode.GOLDEN_INVALID, "restore it")
            .get("perplexity");
    assertEquals(node.get("context").intValue(), node.get("stride").intValue());
    return new Reference(
        node.get("tokens").intValue(),
        node.get("context").intValue(),
        node.get("perplexity").doubleValue());
  }

  private static double perplexity(Path folder, String uri, LoadOptions options, DType cache) {
    Reference r = reference();
    try (Device device = HalRegistry.discover().open(uri);
        TextModel model = TextModel.open(folder, device, options)) {
      String text = Files.readString(folder.resolve("heldout.txt"));
      return TextScorer.of(model.folder(), text, ScoreWindows.disjoint(r.context()), r.tokens())
          .score(model, SessionOptions.of(r.context()).withCacheDtype(cache), () -> {})
          .perplexity();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static double perplexity(String uri, WeightFormat format) {
    return perplexity(demo, uri, LoadOptions.DEFAULT.withFormat(format), DType.F16);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0"})
  void matchesTransformers(String uri) {
    Requirements.requireDevice(uri);
    try (Device device = HalRegistry.discover().open(uri);
        DeepSeekModel model =
            DeepSeekModel.load(
                device, ConfigReader.read(demo), Checkpoint.open(demo), LoadOptions.DEFAULT);
        GoldenFile golden = GoldenFile.read(demo.resolve("golden.json"))) {
      List<ParityResult> results = ParityCheck.run(model, golden, ParityOptions.DEFAULT);
      assertEquals(golden.prompts().size() + 2, results.size());
      assertAll(results.stream().map(r -> () -> assertTrue(r.pass(), r::toString)));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0"})
  void perplexityIsThatOfTransformers(String uri) {
    Requirements.requireDevice(uri);
    double expected = reference().perplexity();
    assertEquals(expected, perplexity(uri, WeightFormat.NATIVE), 1e-3 * expected);
  }

  @Test
  void decompositionsHaveTheSamePerplexity() {
    double expected = reference().perplexity();
    LoadOptions options = LoadOptions.DEFAULT.withPolicy(PlacementPolicy.DECOMPOSED);
    assertEquals(expected, perplexity(demo, "cpu://", options, DType.F32), 1e-4 * expected);
  }

  @ParameterizedTest
  @CsvSource({
    "cpu://, FP8, 0.01",
    "cpu://, INT8, 0.01",
    "cpu://, INT4, 0.05",
    "opencl://0, FP8, 0.01",
    "opencl://0, INT8, 0.01",
    "opencl://0, INT4, 0.05"
  })
  void quantisedWeightsCostLittle(String uri, WeightFormat format, double limit) {
    Requirements.requireDevice(uri);
    double expected = reference().perplexity();
    double actual = perplexity(uri, format);
    assertEquals(expected, actual, limit * expected);
    assertTrue(
        Math.abs(actual - expected) > 1e-6 * expected, "the weights were not quantised: " + actual);
  }

  /** What a faulty operator does to the numbers, by a configuration that makes it do that. */
  static Stream<List<String>> faults() {
    return Stream.of(
        List.of("RoPE of another base", "\"rope_theta\": 10000", "\"rope_theta\": 200"),
        List.of("RoPE without YaRN", "\"factor\": 4,", "\"factor\": 1.0,"),
        List.of(
            "experts not scaled",
            "\"routed_scaling_factor\": 2.5",
            "\"routed_scaling_factor\": 1.0"),
        List.of("too few groups kept", "\"topk_group\": 2", "\"topk_group\": 1"));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void faultyOperatorsShow(List<String> fault) throws IOException {
    Path broken = Files.createTempDirectory(temp, "broken");
    try (Stream<Path> files = Files.list(demo)) {
      for (Path f : files.toList()) {
        Files.copy(f, broken.resolve(f.getFileName().toString()));
      }
    }
    String config = Files.readString(demo.resolve("config.json"));
    String changed = config.replace(fault.get(1), fault.get(2));
    assertTrue(!changed.equals(config), "not in config.json: " + fault.get(1));
    Files.writeString(broken.resolve("config.json"), changed);
    double worse = perplexity(broken, "cpu://", LoadOptions.DEFAULT, DType.F16);
    // thirty times what devices may differ by
    assertTrue(worse > 1.03 * reference().perplexity(), fault.get(0) + ": perplexity " + worse);
  }
}
