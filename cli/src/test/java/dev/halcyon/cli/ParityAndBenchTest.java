package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class ParityAndBenchTest {
  private static Command.Result parity(String... more) {
    String[] args = {
      "parity",
      "--model",
      Command.GOLDEN.resolve("dsv3-tiny/bf16").toString(),
      "--golden",
      Command.GOLDEN.resolve("dsv3-tiny/golden.json").toString()
    };
    return Command.PLAIN.run(
        Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new));
  }

  @Test
  void everyPromptOfTheGoldenFilePasses() {
    JsonNode all = parity("--json").assertOk().json();
    assertTrue(all.isArray() && all.size() >= 7, all.toString());
    for (JsonNode o : all) {
      assertTrue(
          o.propertyNames()
              .containsAll(
                  Set.of(
                      "device", "prompt", "maxAbsDiff", "argmaxAgreement", "greedyMatch", "pass")));
      assertEquals("cpu://", o.get("device").stringValue());
      assertTrue(o.get("pass").booleanValue(), o.toString());
      assertTrue(o.get("maxAbsDiff").doubleValue() < 5e-4);
    }
    String table = parity("--chunk", "7", "--eager").assertOk().out();
    assertTrue(table.contains("ragged2") && table.contains("pass"), table);
  }

  @Test
  void exitCodeTellsThatItIsNotMet() {
    Command.Result r = parity("--tolerance", "1e-12", "--json");
    assertEquals(ExitCode.DISAGREEMENT, r.code(), r.err());
    assertTrue(r.out().contains("false"), r.out());
    assertEquals(ExitCode.DISAGREEMENT, parity("--dtype", "int4").code());
  }

  @Test
  void vectorsOfAnotherModelAreRefused(@TempDir Path other) throws IOException {
    String config = Files.readString(Command.GOLDEN.resolve("dsv3-tiny/bf16/config.json"));
    Files.writeString(
        other.resolve("config.json"),
        config.replaceAll("\"vocab_size\": *512", "\"vocab_size\": 640"));
    Command.PLAIN
        .run(
            "parity",
            "--model",
            other.toString(),
            "--golden",
            Command.GOLDEN.resolve("dsv3-tiny/golden.json").toString())
        .assertBadInput(HalErrorCode.GOLDEN_INVALID, "512", "640", "golden.json");
  }

  @Test
  void benchMeasuresTheDemoModel() {
    Command.Result r =
        Command.PLAIN
            .run(
                "bench", "--model", "demo", "-p", "16", "-n", "4", "-r", "2", "--depth", "5",
                "--json")
            .assertOk();
    JsonNode o = r.json();
    assertEquals("cpu://", o.get("device").stringValue());
    assertEquals("native", o.get("dtype").stringValue());
    assertTrue(o.get("prefillTokensPerSecond").doubleValue() > 0);
    assertTrue(o.get("decodeTokensPerSecond").doubleValue() > 0);
    assertTrue(o.get("activeBytesPerToken").longValue() > 0);
    assertEquals(
        o.get("decodeTokensPerSecond").doubleValue() * o.get("activeBytesPerToken").longValue(),
        o.get("achievedBytesPerSecond").doubleValue(),
        1);
    assertTrue(
        new TreeSet<>(o.propertyNames())
            .containsAll(Set.of("readBandwidthBytesPerSecond", "bandwidthFraction")));
    assertEquals(2, o.get("samples").get("decodeTokensPerSecond").size());
  }

  @Test
  void benchOfRandomWeightsGoesBeyondTheTrainedContext(@TempDir Path dir) throws IOException {
    String config =
        Files.readString(Command.GOLDEN.resolve("dsv2lite-tiny/bf16/config.json"))
            .replaceAll("\"max_position_embeddings\": *2560", "\"max_position_embeddings\": 64");
    Path file = Files.writeString(dir.resolve("config.json"), config);
    String[] common = {
      "--random-weights", "-p", "8", "-n", "4", "-r", "1", "--depth", "64", "--json"
    };
    List<String> arguments = new ArrayList<>(List.of("bench", "--config", file.toString()));
    arguments.addAll(List.of(common));
    JsonNode o = Command.PLAIN.run(arguments.toArray(String[]::new)).assertOk().json();
    assertEquals(64, o.get("depth").intValue());
    assertTrue(o.get("decodeTokensPerSecond").doubleValue() > 0);
  }

  @Test
  void benchOfRandomWeightsNeedsNoFile() {
    String config = Command.GOLDEN.resolve("dsv2lite-tiny/bf16/config.json").toString();
    for (String dtype : new String[] {"native", "f32", "fp8", "int8", "int4"}) {
      JsonNode o =
          Command.PLAIN
              .run(
                  "bench",
                  "--config",
                  config,
                  "--random-weights",
                  "--dtype",
                  dtype,
                  "-p",
                  "8",
                  "-n",
                  "3",
                  "-r",
                  "1",
                  "--threads",
                  "1",
                  "--json")
              .assertOk()
              .json();
      assertEquals(dtype.equals("native") ? "bf16" : dtype, o.get("dtype").stringValue());
      assertEquals(1, o.get("threads").intValue());
      assertEquals("f32", o.get("compute").stringValue());
    }
    String text =
        Command.PLAIN
            .run(
                "bench",
                "--config",
                config,
                "--random-weights",
                "--compute",
                "fast",
                "-p",
                "8",
                "-n",
                "3",
                "-r",
                "1")
            .assertOk()
            .out();
    assertTrue(text.contains("tokens/s") && text.contains("read bandwidth"), text);
  }
}
