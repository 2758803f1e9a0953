package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.testing.Requirements;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** One prompt on the CPU, and on all devices. */
class RunCommandTest {
  private static Command.Result run(String... more) {
    String[] args = {"run", "--model", "demo", "--prompt", "Once upon a time"};
    return Command.PLAIN.run(
        Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new));
  }

  private static int[] tokens(JsonNode result) {
    JsonNode ids = result.get("tokenIds");
    int[] out = new int[ids.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = ids.get(i).intValue();
    }
    return out;
  }

  @Test
  void jsonOfOneDeviceIsAnObject() {
    JsonNode o = run("--max-tokens", "12", "--ignore-eos", "--json").assertOk().json();
    assertEquals("cpu://", o.get("device").stringValue());
    assertTrue(o.get("text").isString());
    assertEquals(12, o.get("tokenIds").size());
    assertTrue(o.get("promptTokens").intValue() > 1);
    assertTrue(o.get("prefillTokensPerSecond").doubleValue() > 0);
    assertTrue(o.get("decodeTokensPerSecond").doubleValue() > 0);
    assertEquals("MAX_TOKENS", o.get("finishReason").stringValue());
    JsonNode placement = o.get("placement");
    assertTrue(placement.get("native").intValue() > 0);
    assertEquals(0, placement.get("host").intValue());
    assertFalse(placement.get("decisions").isEmpty());
  }

  @Test
  void streamsTextAloneToStandardOutput() {
    String text = run("--max-tokens", "16", "--json").assertOk().json().get("text").stringValue();
    Command.Result r = run("--max-tokens", "16").assertOk();
    assertEquals(text + System.lineSeparator(), r.out());
    assertTrue(r.err().contains("first token after"), r.err());
    assertTrue(r.err().contains("tokens/s"), r.err());
    assertTrue(r.err().contains("placement: cpu://: "), r.err());
    assertTrue(run("--max-tokens", "2", "--placement").err().contains("NATIVE"));
  }

  @Test
  void placementIsThereBeforeTheFirstTokenAndComplete() {
    ByteArrayOutputStream both = new ByteArrayOutputStream();
    int code =
        Command.PLAIN.run(
            both,
            both,
            new Cancellation(),
            "run",
            "--model",
            "demo",
            "--prompt",
            "Once upon a time",
            "--max-tokens",
            "3",
            "--ignore-eos");
    assertEquals(ExitCode.OK, code);
    String all = both.toString(StandardCharsets.UTF_8);
    int placement = all.indexOf("placement: cpu://: ");
    String text =
        run("--max-tokens", "3", "--ignore-eos", "--json").assertOk().json().get("text").asString();
    assertTrue(placement >= 0 && placement < all.indexOf(text), all);
    String said =
        run("--max-tokens", "3", "--ignore-eos")
            .err()
            .lines()
            .filter(l -> l.startsWith("placement: "))
            .findFirst()
            .orElseThrow();
    JsonNode afterwards =
        run("--max-tokens", "3", "--ignore-eos", "--json").json().get("placement").get("summary");
    assertEquals("placement: " + afterwards.stringValue(), said);
  }

  @Test
  void oneTokenHasNoDecodeSpeed() {
    JsonNode o = run("--max-tokens", "1", "--json").assertOk().json();
    assertEquals(1, o.get("tokenIds").size());
    assertTrue(o.get("decodeTokensPerSecond").isNull());
  }

  @Test
  void seedMakesChoicesReproducible() {
    List<String> sampled =
        List.of(
            "--temperature",
            "1",
            "--top-p",
            "0.9",
            "--top-k",
            "40",
            "--max-tokens",
            "16",
            "--ignore-eos",
            "--json");
    int[][] ids = new int[3][];
    for (int i = 0; i < 3; i++) {
      String seed = i == 2 ? "8" : "7";
      String[] args =
          Stream.concat(sampled.stream(), Stream.of("--seed", seed)).toArray(String[]::new);
      ids[i] = tokens(run(args).assertOk().json());
    }
    assertTrue(java.util.Arrays.equals(ids[0], ids[1]));
    assertFalse(java.util.Arrays.equals(ids[0], ids[2]));
  }

  @Test
  void contextEndsAnAnswer() {
    JsonNode o =
        run("--max-tokens", "50", "--context", "16", "--ignore-eos", "--json").assertOk().json();
    assertEquals("CONTEXT_FULL", o.get("finishReason").stringValue());
    assertEquals(16, o.get("promptTokens").intValue() + o.get("tokenIds").size());
  }

  @Test
  void mannersOfExecutionAgree() {
    String[] exact = {"--dtype", "f32", "--max-tokens", "12", "--ignore-eos", "--json"};
    int[] expected = tokens(run(exact).assertOk().json());
    for (String[] manner :
        new String[][] {
          {"--eager"},
          {"--chunk", "1"},
          {"--chunk", "3"},
          {"--no-native"},
          {"--without-native", "MoeGating,RmsNorm"},
          {"--threads", "1"}
        }) {
      String[] args = Stream.concat(Stream.of(exact), Stream.of(manner)).toArray(String[]::new);
      assertTrue(
          java.util.Arrays.equals(expected, tokens(run(args).assertOk().json())),
          String.join(" ", manner));
    }
  }

  @Test
  void chatGoesThroughTheTemplate() {
    JsonNode plain = run("--max-tokens", "1", "--json").assertOk().json();
    JsonNode chat =
        run("--max-tokens", "1", "--json", "--chat", "--system", "Be brief.").assertOk().json();
    assertTrue(chat.get("promptTokens").intValue() > plain.get("promptTokens").intValue());
  }

  @Test
  void allDevicesGenerateTheSameGreedyTokens() {
    Requirements.requireBackend("opencl");
    Command.Result r =
        run("--device", "all", "--max-tokens", "32", "--ignore-eos", "--json").assertOk();
    JsonNode all = r.json();
    assertTrue(all.isArray() && all.size() >= 2, r.out());
    for (JsonNode o : all) {
      assertTrue(java.util.Arrays.equals(tokens(all.get(0)), tokens(o)), r.out());
      assertTrue(o.get("agrees").booleanValue());
      assertTrue(o.get("firstDivergence").isNull());
    }
    assertEquals("cpu://", all.get(0).get("device").stringValue());
    Command.Result table = run("--device", "all", "--max-tokens", "8").assertOk();
    assertTrue(table.out().contains("all devices agree"), table.out());
    assertTrue(table.out().contains("same tokens as cpu://"), table.out());
  }

  @Test
  void closedOutputEndsQuietly() {
    OutputStream closed =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("Broken pipe");
          }
        };
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        Command.PLAIN.run(
            closed, err, new Cancellation(), "run", "--model", "demo", "--prompt", "x");
    assertEquals(ExitCode.OUTPUT_CLOSED, code);
    assertFalse(err.toString(StandardCharsets.UTF_8).contains("halcyon:"));
    assertEquals(
        ExitCode.OUTPUT_CLOSED,
        Command.PLAIN.run(closed, err, new Cancellation(), "devices", "--json"));
  }

  @Test
  void cancellationEndsWithItsOwnCode() {
    Cancellation cancellation = new Cancellation();
    OutputStream cancels =
        new OutputStream() {
          @Override
          public void write(int b) {
            cancellation.request();
          }
        };
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        Command.PLAIN.run(
            cancels,
            err,
            cancellation,
            "run",
            "--model",
            "demo",
            "--prompt",
            "x",
            "--max-tokens",
            "3000",
            "--ignore-eos");
    assertEquals(ExitCode.INTERRUPTED, code, err.toString(StandardCharsets.UTF_8));
  }

  @Test
  void controlCharactersDoNotReachATerminal() {
    assertEquals("a\uFFFD[31mb\n\tc\uFFFD", Streaming.harmless("a\u001b[31mb\n\tc\r"));
    assertEquals("grün", Streaming.harmless("grün"));
  }

  @Test
  void progressOnlyOnATerminal() {
    assertFalse(run("--max-tokens", "1").err().contains("\r"));
    Command terminal = Command.PLAIN.withTerminals(new Terminals(false, false, true));
    String err =
        terminal
            .run("run", "--model", "demo", "--prompt", "x", "--max-tokens", "1")
            .assertOk()
            .err();
    assertTrue(err.contains("\rloading demo ["), err);
  }
}
