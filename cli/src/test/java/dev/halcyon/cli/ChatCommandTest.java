package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** A conversation over plain lines. */
class ChatCommandTest {
  private static Command.Result chat(List<String> lines, String... more) {
    String[] args = {
      "chat", "--model", "demo", "--max-tokens", "8", "--seed", "1", "--ignore-eos", "--verbose"
    };
    String[] all = java.util.Arrays.copyOf(args, args.length + more.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    return Command.PLAIN.withInput(String.join("\n", lines) + "\n").run(all).assertOk();
  }

  @Test
  void answersEveryLineAndReusesWhatItHas() {
    Command.Result r = chat(List.of("Hello", "", "And now?", "/exit", "never read"));
    List<String> stats = r.err().lines().filter(l -> l.contains("prompt tokens")).toList();
    assertEquals(2, stats.size(), r.err());
    assertTrue(stats.get(0).contains(" 0 of them cached"), r.err());
    assertFalse(stats.get(1).contains(" 0 of them cached"), r.err());
    assertFalse(r.out().contains("never"), r.out());
  }

  @Test
  void clearForgets() {
    List<String> first = chat(List.of("Hello")).out().lines().toList();
    Command.Result r =
        chat(
            List.of(
                "Hello",
                "/clear",
                "Hello",
                "/system You are a pirate.",
                "Hello",
                "/help",
                "/dance"));
    List<String> stats = r.err().lines().filter(l -> l.contains("prompt tokens")).toList();
    assertEquals(3, stats.size(), r.err());
    stats.forEach(s -> assertTrue(s.contains(" 0 of them cached"), s));
    assertTrue(r.out().startsWith(String.join(System.lineSeparator(), first)), r.out());
    assertTrue(r.err().contains("unknown command /dance"), r.err());
    assertTrue(r.err().contains("/clear forgets"), r.err());
  }

  @Test
  void messageThatDoesNotFitIsForgotten() {
    Command.Result r =
        chat(List.of("Hello", "word ".repeat(200), "/clear", "Hello"), "--context", "64");
    assertTrue(r.err().contains("CONTEXT_OVERFLOW"), r.err());
    assertEquals(2, r.err().lines().filter(l -> l.contains("prompt tokens,")).count(), r.err());
  }
}
