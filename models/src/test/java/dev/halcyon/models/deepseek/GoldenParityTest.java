package dev.halcyon.models.deepseek;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.hal.testing.Requirements;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.testing.GoldenResources;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every golden model on every device, in every manner of execution, against the official
 * implementations.
 */
final class GoldenParityTest {
  private static final List<String> MODELS =
      List.of(
          "dsv2lite-tiny/fp32",
          "dsv2lite-tiny/bf16",
          "dsv2-tiny/fp32",
          "dsv2-tiny/bf16",
          "dsv3-tiny/fp32",
          "dsv3-tiny/bf16",
          "dsv3-tiny-long/fp32",
          "dsv3-tiny-long/bf16",
          "dsv3-negbias-tiny/fp32",
          "dsv3-negbias-tiny/bf16",
          "moonlight-tiny/fp32",
          "moonlight-tiny/bf16",
          "dsv3-fp8-tiny/fp8",
          "odd-v3-tiny/bf16",
          "odd-v2lite-tiny/bf16",
          "odd-v2-tiny/bf16");
  private static final List<String> DEVICES = List.of("cpu://", "opencl://0");

  static Stream<Arguments> everyModelAndDevice() {
    return DEVICES.stream().flatMap(d -> MODELS.stream().map(m -> Arguments.of(d, m)));
  }

  static Stream<Arguments> oneModelPerArchitecture() {
    return DEVICES.stream()
        .flatMap(
            d ->
                Stream.of(
                        "dsv2-tiny/bf16",
                        "dsv3-tiny/bf16",
                        "moonlight-tiny/bf16",
                        "dsv3-fp8-tiny/fp8")
                    .map(m -> Arguments.of(d, m)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("everyModelAndDevice")
  void nativeOperatorsMatch(String uri, String variant) {
    PlacementReport report =
        check(uri, variant, PlacementPolicy.DEFAULT, List.of(ParityOptions.DEFAULT));
    assertFalse(report.decisions().isEmpty());
    assertEquals(0, report.count(Placement.HOST), report::toString);
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("everyModelAndDevice")
  void decompositionsMatch(String uri, String variant) {
    ParityOptions small = ParityOptions.DEFAULT.withPrefillChunk(16);
    PlacementReport report = check(uri, variant, PlacementPolicy.DECOMPOSED, List.of(small));
    assertTrue(report.count(Placement.DECOMPOSED) >= 10, report::toString);
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("everyModelAndDevice")
  void chunksAndFormsMatch(String uri, String variant) {
    ParityOptions d = ParityOptions.DEFAULT;
    check(
        uri,
        variant,
        PlacementPolicy.DEFAULT,
        List.of(
            d.withPrefillChunk(1).withDecode(SessionOptions.Decode.EAGER),
            d.withPrefillChunk(7).withForm(SessionOptions.Form.ABSORBED),
            d.withPrefillChunk(7).withForm(SessionOptions.Form.EXPANDED),
            d.withPrefillChunk(64).withForm(SessionOptions.Form.EXPANDED)));
  }

  static Stream<Arguments> everyTier() {
    return Stream.of("c", "vector", "scalar")
        .flatMap(
            t ->
                Stream.of("odd-v3-tiny/bf16", "odd-v2lite-tiny/bf16", "dsv3-fp8-tiny/fp8")
                    .map(m -> Arguments.of(t, m)));
  }

  @ParameterizedTest(name = "{1} on tier {0}")
  @MethodSource("everyTier")
  void kernelTiersMatch(String tier, String variant) {
    check(
        "cpu://",
        DeviceOptions.DEFAULT.with("tier", tier),
        variant,
        PlacementPolicy.DEFAULT,
        List.of(ParityOptions.DEFAULT, ParityOptions.DEFAULT.withPrefillChunk(7)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("oneModelPerArchitecture")
  void replayedDecompositionsMatch(String uri, String variant) {
    check(
        uri,
        variant,
        PlacementPolicy.DECOMPOSED,
        List.of(ParityOptions.DEFAULT.withPrefillChunk(7).withForm(SessionOptions.Form.EXPANDED)));
  }

  /** The asynchronous device: native graphs, few composites of its own, late commands. */
  @ParameterizedTest(name = "{0} on emulated://0")
  @ValueSource(
      strings = {
        "dsv2-tiny/bf16",
        "dsv3-tiny/fp32",
        "dsv3-tiny/bf16",
        "moonlight-tiny/bf16",
        "dsv3-fp8-tiny/fp8",
        "odd-v3-tiny/bf16"
      })
  void emulatedDeviceMatches(String variant) {
    PlacementReport report =
        check("emulated://0", variant, PlacementPolicy.DEFAULT, List.of(ParityOptions.DEFAULT));
    assertTrue(report.count(Placement.NATIVE) >= 5, report::toString);
    assertTrue(report.count(Placement.DECOMPOSED) >= 5, report::toString);
  }

  @ParameterizedTest(name = "seed {0}")
  @ValueSource(ints = {1, 2})
  void delaysChangeNothing(int seed) {
    check(
        "emulated://1",
        DeviceOptions.DEFAULT.with("seed", seed),
        "dsv3-tiny/bf16",
        PlacementPolicy.DECOMPOSED,
        List.of(ParityOptions.DEFAULT.withPrefillChunk(7)));
  }

  private static PlacementReport check(
      String uri, String variant, PlacementPolicy policy, List<ParityOptions> manners) {
    return check(uri, DeviceOptions.DEFAULT, variant, policy, manners);
  }

  private static PlacementReport check(
      String uri,
      DeviceOptions deviceOptions,
      String variant,
      PlacementPolicy policy,
      List<ParityOptions> manners) {
    Requirements.requireDevice(uri);
    Path model = GoldenResources.directory(variant);
    DeepSeekConfig config = ConfigReader.read(model);
    try (Device device = HalRegistry.discover().open(DeviceUri.parse(uri), deviceOptions);
        DeepSeekModel loaded =
            DeepSeekModel.load(
                device, config, Checkpoint.open(model), LoadOptions.DEFAULT.withPolicy(policy));
        GoldenFile golden = GoldenFile.read(model.resolveSibling("golden.json"))) {
      List<ParityResult> all = new ArrayList<>();
      for (ParityOptions o : manners) {
        all.addAll(ParityCheck.run(loaded, golden, o));
      }
      assertEquals((golden.prompts().size() + 2) * manners.size(), all.size());
      assertAll(all.stream().map(r -> () -> assertTrue(r.pass(), r::toString)));
      return loaded.placement();
    }
  }
}
