package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalRegistry;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class CommandLineTest {
  private static final Command COMMAND = Command.PLAIN.withBackends(HalRegistry.of());

  @TestFactory
  Stream<DynamicTest> helpNamesEveryOption() {
    return Stream.of(
            List.of("devices", "--json"),
            List.of(
                "run",
                "--model",
                "--device",
                "--prompt",
                "--max-tokens",
                "--temperature",
                "--top-p",
                "--top-k",
                "--seed",
                "--chat",
                "--dtype",
                "--json",
                "--context",
                "--kv-dtype",
                "--ignore-eos",
                "--stop",
                "--placement",
                "--verbose"),
            List.of("chat", "--model", "--device", "--system", "--history", "/clear"),
            List.of(
                "parity",
                "--model",
                "--golden",
                "--device",
                "--no-native",
                "--chunk",
                "--graph",
                "--eager",
                "--json"),
            List.of(
                "bench",
                "--model",
                "--config",
                "--random-weights",
                "--dtype",
                "--device",
                "-p",
                "-n",
                "-r",
                "--depth",
                "--threads",
                "--compute",
                "--json"))
        .map(
            words ->
                DynamicTest.dynamicTest(
                    words.getFirst(),
                    () -> {
                      Command.Result r = COMMAND.run(words.getFirst(), "--help").assertOk();
                      words.forEach(w -> assertTrue(r.out().contains(w), w + " not in " + r.out()));
                      assertEquals("", r.err());
                    }));
  }

  @Test
  void withoutACommandItSaysWhatThereIs() {
    Command.Result r = COMMAND.run();
    assertEquals(ExitCode.BAD_INPUT, r.code());
    assertEquals("", r.out());
    assertTrue(r.err().contains("Usage: halcyon"), r.err());
  }

  @Test
  void wrongCommandLinesNameTheOptionAndWhereHelpIs() {
    assertBad("--max-tokens", "run", "--model", "demo", "--prompt", "x", "--max-tokens", "many");
    assertBad("--prompt", "run", "--model", "demo");
    assertBad("--model", "chat");
    assertBad("--golden", "parity", "--model", "demo");
    assertBad("--jsn", "devices", "--jsn");
    assertBad("--graph", "run", "--model", "demo", "--prompt", "x", "--graph", "--eager");
    assertBad("dance", "dance");
  }

  @Test
  void valuesOutOfRangeAreBadInput() {
    String[] run = {"run", "--model", "demo", "--prompt", "x"};
    assertBad("max-tokens", with(run, "--max-tokens", "0"));
    assertBad("temperature", with(run, "--temperature", "-1"));
    assertBad("top-p", with(run, "--top-p", "2"));
    assertBad("top-k", with(run, "--top-k", "-3"));
    assertBad("--dtype", with(run, "--dtype", "int3"));
    assertBad("-r", "bench", "--model", "demo", "-r", "0");
    assertBad("--tolerance", "parity", "--model", "demo", "--golden", "g.json", "--tolerance", "0");
  }

  @Test
  void stackTracesOnlyOnRequest() {
    String[] run = {"run", "--model", "demo", "--prompt", "x", "--temperature", "-1"};
    assertFalse(COMMAND.run(run).err().contains("\tat "));
    assertTrue(COMMAND.run(with(run, "--verbose")).err().contains("\tat "));
  }

  @Test
  void defectsAreTheirOwnExitCode() {
    Command broken =
        new Command(
            () -> {
              throw new IllegalStateException("first line\nsecond line");
            },
            Terminals.NONE,
            java.util.Map.of(),
            "");
    Command.Result r = broken.run("devices");
    assertEquals(ExitCode.DEFECT, r.code());
    assertTrue(r.complaint().contains("--verbose"), r.err());
    assertTrue(r.complaint().contains("first line second line"), r.err());
    assertFalse(r.err().contains("\tat "), r.err());
    assertTrue(broken.run("devices", "--verbose").err().contains("\tat "));
  }

  private static String[] with(String[] args, String... more) {
    return Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new);
  }

  private static void assertBad(String word, String... args) {
    Command.Result r = COMMAND.run(args);
    assertEquals(ExitCode.BAD_INPUT, r.code(), r.err());
    assertEquals("", r.out());
    assertTrue(r.complaint().contains(word), r.err());
    assertTrue(r.complaint().contains("remedy: "), r.err());
    assertFalse(r.err().contains("\tat "), r.err());
  }
}
