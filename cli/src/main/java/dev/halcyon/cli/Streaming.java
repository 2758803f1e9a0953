package dev.halcyon.cli;

import dev.halcyon.models.generate.GenerationListener;

/**
 * Text to standard output as it comes. On a terminal, control characters other than tab and line
 * end are shown as U+FFFD: a model must not move the cursor or set the title.
 */
record Streaming(Console console) implements GenerationListener {
  @Override
  public void onText(String piece) {
    console.print(console.terminals().out() ? harmless(piece) : piece);
  }

  static String harmless(String text) {
    return text.codePoints().noneMatch(Streaming::isControl)
        ? text
        : text.codePoints()
            .map(c -> isControl(c) ? 0xFFFD : c)
            .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
            .toString();
  }

  private static boolean isControl(int c) {
    return Character.isISOControl(c) && c != '\n' && c != '\t';
  }
}
