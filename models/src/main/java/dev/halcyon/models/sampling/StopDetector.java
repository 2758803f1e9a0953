package dev.halcyon.models.sampling;

import java.util.List;
import java.util.Set;

/**
 * Ends a generation at a stop token or a stop string. Text that might be the beginning of a stop
 * string is held back until it is not; a stop string itself is never released. One thread at a
 * time.
 */
public final class StopDetector {
  private final List<String> strings;
  private final Set<Integer> tokens;
  private final StringBuilder held = new StringBuilder();
  private boolean stopped;

  /**
   * @param strings non-empty stop strings
   * @param tokens ids that end the generation
   */
  public StopDetector(List<String> strings, Set<Integer> tokens) {
    this.strings = List.copyOf(strings);
    this.tokens = Set.copyOf(tokens);
  }

  /** Whether {@code id} ends the generation; its text is not part of the answer. */
  public boolean isStopToken(int id) {
    return tokens.contains(id);
  }

  /**
   * Takes more text; returns what can be released, possibly empty. Once a stop string is complete
   * the text before it is released, {@link #stopped()} is true, and everything later is discarded.
   * Of several stop strings the one that is complete first counts, so that the result does not
   * depend on how the text is split.
   */
  public String accept(String text) {
    if (stopped) {
      return "";
    }
    held.append(text);
    int stopAt = -1;
    int stopEnd = Integer.MAX_VALUE;
    for (String s : strings) {
      int at = held.indexOf(s);
      int end = at + s.length();
      if (at >= 0 && (end < stopEnd || (end == stopEnd && at < stopAt))) {
        stopAt = at;
        stopEnd = end;
      }
    }
    if (stopAt >= 0) {
      stopped = true;
      String out = held.substring(0, stopAt);
      held.setLength(0);
      return out;
    }
    int keep = 0;
    for (String s : strings) {
      keep = Math.max(keep, suffixThatBegins(s));
    }
    String out = held.substring(0, held.length() - keep);
    held.delete(0, held.length() - keep);
    return out;
  }

  /** Length of the longest suffix of the held text that is a proper prefix of {@code stop}. */
  private int suffixThatBegins(String stop) {
    for (int n = Math.min(stop.length() - 1, held.length()); n > 0; n--) {
      boolean same = true;
      for (int i = 0; i < n && same; i++) {
        same = held.charAt(held.length() - n + i) == stop.charAt(i);
      }
      if (same) {
        return n;
      }
    }
    return 0;
  }

  /** Ends the stream: returns what was held back. */
  public String flush() {
    String out = stopped ? "" : held.toString();
    held.setLength(0);
    return out;
  }

  /** Whether a stop string was found. */
  public boolean stopped() {
    return stopped;
  }
}
