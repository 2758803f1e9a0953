package dev.halcyon.models.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class StopDetectorTest {
  @Test
  void possibleBeginningsAreHeldBack() {
    StopDetector d = new StopDetector(List.of("STOP", "\n\n"), Set.of());
    assertEquals("abc", d.accept("abcS"));
    assertEquals("", d.accept("TO"));
    assertEquals("STOx", d.accept("x"));
    assertEquals("", d.accept("\n"));
    assertEquals("\ny", d.accept("y"));
    assertEquals("z", d.accept("zST"));
    assertFalse(d.stopped());
    assertEquals("ST", d.flush());
  }

  @Test
  void textBeforeTheFirstStopIsReleased() {
    StopDetector d = new StopDetector(List.of("END", "N"), Set.of());
    assertEquals("a E", d.accept("a END N"));
    assertTrue(d.stopped());
    assertEquals("", d.accept("more"));
    assertEquals("", d.flush());
  }

  @Test
  void anySplitGivesTheSameText() {
    Random random = new Random(5);
    for (int round = 0; round < 500; round++) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < 30; i++) {
        text.append("ab".charAt(random.nextInt(2)));
      }
      String stop = "abaabab".substring(0, 2 + random.nextInt(6));
      String other = "bbabbb".substring(0, 3 + random.nextInt(4));
      int at = text.indexOf(stop);
      int otherAt = text.indexOf(other);
      if (otherAt >= 0) {
        int end = otherAt + other.length();
        int stopEnd = at < 0 ? Integer.MAX_VALUE : at + stop.length();
        at = end < stopEnd ? otherAt : end == stopEnd ? Math.min(at, otherAt) : at;
      }
      StopDetector d = new StopDetector(List.of(stop, other), Set.of());
      StringBuilder out = new StringBuilder();
      for (int i = 0; i < text.length(); ) {
        int n = Math.min(1 + random.nextInt(4), text.length() - i);
        out.append(d.accept(text.substring(i, i + n)));
        i += n;
      }
      out.append(d.flush());
      assertEquals(at < 0 ? text.toString() : text.substring(0, at), out.toString());
      assertEquals(at >= 0, d.stopped());
    }
  }

  @Test
  void stopTokens() {
    StopDetector d = new StopDetector(List.of(), Set.of(1, 5));
    assertTrue(d.isStopToken(5));
    assertFalse(d.isStopToken(2));
    assertEquals("text", d.accept("text"));
  }
}
