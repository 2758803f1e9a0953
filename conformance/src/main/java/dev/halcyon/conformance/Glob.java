package dev.halcyon.conformance;

import java.util.regex.Pattern;

/** A pattern in which a star stands for any characters. */
public final class Glob {
  private final Pattern pattern;

  private Glob(Pattern pattern) {
    this.pattern = pattern;
  }

  /** The pattern {@code text}. */
  public static Glob of(String text) {
    return new Glob(
        Pattern.compile(
            "\\Q" + text.replace("\\E", "\\E\\\\E\\Q").replace("*", "\\E.*\\Q") + "\\E",
            Pattern.DOTALL));
  }

  /** Whether it matches all of {@code text}. */
  public boolean matches(String text) {
    return pattern.matcher(text).matches();
  }
}
