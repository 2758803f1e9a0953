package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.testing.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class PerplexityCommandTest {
  @TempDir Path temp;

  private static Command.Result perplexity(String... more) {
    String[] args = {"perplexity", "--model", "demo"};
    return Command.PLAIN.run(
        Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new));
  }

  private Path text(String content) throws IOException {
    return Files.writeString(temp.resolve("text.txt"), content);
  }

  @Test
  void jsonOfOneDeviceIsAnObject() {
    JsonNode o = perplexity("--limit", "300", "--context", "128", "--json").assertOk().json();
    assertTrue(
        o.propertyNames()
            .containsAll(
                Set.of("device", "dtype", "kvDtype", "standardError", "seconds", "placement")));
    assertEquals("native", o.get("dtype").stringValue());
    assertEquals("f16", o.get("kvDtype").stringValue());
    assertEquals(300, o.get("tokens").intValue());
    assertEquals(300, o.get("textTokens").intValue());
    assertEquals(128, o.get("context").intValue());
    assertEquals(128, o.get("stride").intValue());
    assertTrue(o.get("tokensPerSecond").doubleValue() > 0);
    assertTrue(o.get("referencePerplexity").isNull() && o.get("change").isNull());
    double bits = Math.log(o.get("perplexity").doubleValue()) / Math.log(2);
    assertEquals(
        bits * 300 / o.get("textBytes").intValue(), o.get("bitsPerByte").doubleValue(), 1e-9);
    assertEquals(0, o.get("placement").get("host").intValue());
  }

  @Test
  void formatsAreMeasuredAgainstTheReference() {
    JsonNode o =
        perplexity("--limit", "300", "--dtype", "int4", "--reference", "--json").assertOk().json();
    assertEquals("int4", o.get("dtype").stringValue());
    double reference = o.get("referencePerplexity").doubleValue();
    assertEquals(
        o.get("perplexity").doubleValue() / reference - 1, o.get("change").doubleValue(), 1e-12);
    assertTrue(Math.abs(o.get("change").doubleValue()) > 1e-6, o.toString());
    JsonNode f32 = perplexity("--limit", "300", "--dtype", "f32", "--json").assertOk().json();
    assertEquals(reference, f32.get("perplexity").doubleValue(), 1e-9);
    assertEquals("f32", f32.get("kvDtype").stringValue());
  }

  @Test
  void devicesAreSideBySide() {
    Requirements.requireBackend("opencl");
    JsonNode all =
        perplexity("--limit", "300", "--device", "all", "--dtype", "fp8", "--json")
            .assertOk()
            .json();
    assertTrue(all.isArray() && all.size() >= 2, all.toString());
    double first = all.get(0).get("perplexity").doubleValue();
    for (JsonNode o : all) {
      assertEquals(first, o.get("perplexity").doubleValue(), 1e-3 * first, o.toString());
    }
  }

  @Test
  void tableNamesWhatWasMeasured() throws IOException {
    Path file = text("It is a truth universally acknowledged, that she was very happy.\n");
    Command.Result r =
        perplexity("--text", file.toString(), "--reference", "--dtype", "int8").assertOk();
    List<String> lines = r.out().lines().toList();
    assertEquals(3, lines.size(), r.out());
    assertTrue(lines.get(0).matches("DEVICE +DTYPE +PERPLEXITY +CHANGE +BITS/BYTE +TOKENS/S"));
    assertTrue(lines.get(1).matches("cpu:// +f32 .* reference .*"), r.out());
    assertTrue(lines.get(2).matches("cpu:// +int8 .* [+-]\\d.* % .*"), r.out());
    assertTrue(r.err().contains(file.toString()), r.err());
    assertTrue(r.err().contains("placement: cpu://: "), r.err());
  }

  @Test
  void strideGivesEveryTokenAHistory() {
    String[] common = {"--limit", "400", "--context", "64", "--json"};
    double disjoint = perplexity(common).assertOk().json().get("perplexity").doubleValue();
    String[] overlapping =
        Stream.concat(Stream.of(common), Stream.of("--stride", "16")).toArray(String[]::new);
    JsonNode o = perplexity(overlapping).assertOk().json();
    assertEquals(400, o.get("tokens").intValue());
    assertTrue(o.get("perplexity").doubleValue() < disjoint, disjoint + " and " + o);
  }

  @Test
  void badInput() throws IOException {
    perplexity("--text", text("").toString())
        .assertBadInput(HalErrorCode.INVALID_ARGUMENT, "0 tokens");
    perplexity("--text", temp.resolve("gone.txt").toString())
        .assertBadInput(HalErrorCode.INVALID_ARGUMENT, "gone.txt", "no such file");
    Path binary = Files.write(temp.resolve("binary"), new byte[] {(byte) 0xff, 0, 1});
    perplexity("--text", binary.toString())
        .assertBadInput(HalErrorCode.INVALID_ARGUMENT, "not UTF-8");
    perplexity("--text", temp.toString())
        .assertBadInput(HalErrorCode.INVALID_ARGUMENT, "cannot be read");
    perplexity("--context", "1").assertBadInput(HalErrorCode.INVALID_OPTION, "--context");
    perplexity("--context", "64", "--stride", "65")
        .assertBadInput(HalErrorCode.INVALID_OPTION, "--stride");
    perplexity("--limit", "0").assertBadInput(HalErrorCode.INVALID_OPTION, "--limit");
    perplexity("--dtype", "int5").assertBadInput(HalErrorCode.INVALID_OPTION, "int5", "fp8");
    Command.PLAIN
        .run("perplexity", "--model", Command.GOLDEN.resolve("dsv3-tiny/bf16").toString())
        .assertBadInput(HalErrorCode.INVALID_OPTION, "heldout.txt", "--text");
    assertFalse(perplexity("--help").assertOk().out().isEmpty());
  }

  @Test
  void contextBeyondTheModelIsRefusedBeforeItIsLoaded() {
    Command.Result r =
        perplexity("--context", "1000000")
            .assertBadInput(HalErrorCode.CONTEXT_OVERFLOW, "1000000", "--context");
    assertFalse(r.err().contains("loaded in"), r.err());
  }
}
