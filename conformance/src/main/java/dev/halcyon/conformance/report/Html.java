package dev.halcyon.conformance.report;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;

/**
 * Writes HTML that is well-formed XML too: every text is escaped, every element that was opened is
 * closed.
 */
final class Html {
  private static final Set<String> VOID = Set.of("meta", "br", "hr");

  private final StringBuilder out = new StringBuilder("<!DOCTYPE html>\n");
  private final Deque<String> open = new ArrayDeque<>();

  /**
   * Opens an element.
   *
   * @param attributes names and values in turn
   */
  Html open(String element, String... attributes) {
    out.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      out.append(' ').append(attributes[i]).append("=\"");
      escape(attributes[i + 1]);
      out.append('"');
    }
    if (VOID.contains(element)) {
      out.append("/>");
    } else {
      out.append('>');
      open.push(element);
    }
    return this;
  }

  Html text(String text) {
    escape(text);
    return this;
  }

  /** Closes the innermost element, which must be this one. */
  Html close(String element) {
    String last = open.pop();
    if (!last.equals(element)) {
      throw new IllegalStateException("</" + element + "> inside <" + last + ">");
    }
    out.append("</").append(element).append(">\n");
    return this;
  }

  /** An element with a text. */
  Html element(String element, String text, String... attributes) {
    return open(element, attributes).text(text).close(element);
  }

  /** The content of a style element, as it is. */
  Html style(String css) {
    open("style");
    out.append(css);
    return close("style");
  }

  /** The document. */
  String end() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("still open: " + open);
    }
    return out.toString();
  }

  private void escape(String text) {
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '&' -> out.append("&amp;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default ->
                    out.appendCodePoint(
                        c < ' ' && c != '\n' && c != '\t' || c >= 0xd800 && c <= 0xdfff
                            ? 0xfffd
                            : c);
              }
            });
  }
}
