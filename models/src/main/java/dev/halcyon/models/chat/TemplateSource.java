package dev.halcyon.models.chat;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Rewrites what jinjava reads differently from jinja2, token by token inside <code>{{ }}</code> and
 * <code>{% %}</code>; text and string literals stay as they are:
 *
 * <ul>
 *   <li>{@code x[::-1]} becomes {@code x|reverse|list}, which jinjava can parse;
 *   <li>{@code not a in b} becomes {@code not (a in b)}, which is what Python means by it;
 *   <li>transformers' {@code generation} blocks become blocks that are always rendered.
 * </ul>
 *
 * <p>It also collects the filters and tests in use, because jinjava ignores unknown ones.
 */
final class TemplateSource {
  private final StringBuilder out = new StringBuilder();
  private final Set<String> filters = new LinkedHashSet<>();
  private final Set<String> tests = new LinkedHashSet<>();
  private final List<String> problems = new ArrayList<>();

  private TemplateSource() {}

  static TemplateSource rewrite(String source) {
    TemplateSource result = new TemplateSource();
    result.run(source);
    return result;
  }

  /** The rewritten template. */
  String text() {
    return out.toString();
  }

  /** Names after {@code |}. */
  Set<String> filters() {
    return filters;
  }

  /** Names after {@code is} or {@code is not}. */
  Set<String> tests() {
    return tests;
  }

  /** Mistakes that jinjava would pass over. */
  List<String> problems() {
    return problems;
  }

  private void run(String source) {
    int at = 0;
    while (true) {
      int open = source.indexOf('{', at);
      if (open < 0 || open + 1 >= source.length()) {
        out.append(source, at, source.length());
        return;
      }
      char kind = source.charAt(open + 1);
      String close = kind == '{' ? "}}" : kind == '%' ? "%}" : kind == '#' ? "#}" : "";
      if (close.isEmpty()) {
        out.append(source, at, open + 1);
        at = open + 1;
        continue;
      }
      out.append(source, at, open + 2);
      int end = kind == '#' ? source.indexOf(close, open + 2) : endOfCode(source, open + 2, close);
      if (end < 0) {
        out.append(source, open + 2, source.length());
        return;
      }
      String code = source.substring(open + 2, end);
      out.append(kind == '#' ? code : rewriteCode(String.valueOf(kind), code)).append(close);
      at = end + 2;
    }
  }

  private static int endOfCode(String source, int from, String close) {
    char quote = 0;
    for (int i = from; i < source.length(); i++) {
      char c = source.charAt(i);
      if (quote != 0) {
        if (c == '\\') {
          i++;
        } else if (c == quote) {
          quote = 0;
        }
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (source.startsWith(close, i)) {
        return i;
      }
    }
    return -1;
  }

  private String rewriteCode(String kind, String code) {
    List<String> tokens = tokens(code);
    List<Integer> words = new ArrayList<>();
    for (int i = 0; i < tokens.size(); i++) {
      if (!tokens.get(i).isBlank()) {
        words.add(i);
      }
    }
    checkShape(kind, tokens, words);
    replaceGeneration(tokens, words);
    for (int w = 0; w < words.size(); w++) {
      if (matches(tokens, words, w, "[", ":", ":", "-", "1", "]")) {
        tokens.set(words.get(w), "|reverse|list");
        for (int k = 1; k < 6; k++) {
          tokens.set(words.get(w + k), "");
        }
      } else if (matches(tokens, words, w, "not")) {
        parenthesise(tokens, words, w);
      } else if (matches(tokens, words, w, "|") && w + 1 < words.size()) {
        filters.add(tokens.get(words.get(w + 1)));
      } else if (matches(tokens, words, w, "is") && w + 1 < words.size()) {
        int name = matches(tokens, words, w + 1, "not") ? w + 2 : w + 1;
        if (name < words.size() && isName(tokens.get(words.get(name)))) {
          tests.add(tokens.get(words.get(name)));
        }
      }
    }
    return String.join("", tokens);
  }

  /** What jinja2 refuses and jinjava evaluates to nothing. */
  private void checkShape(String kind, List<String> tokens, List<Integer> words) {
    List<String> code =
        words.stream().map(tokens::get).filter(t -> !t.equals("-") && !t.equals("+")).toList();
    if (code.isEmpty()) {
      problems.add(kind.equals("{") ? "an empty expression" : "an empty tag");
    } else if (kind.equals("%")) {
      int in = code.indexOf("in");
      if (code.getFirst().equals("for") && (in < 2 || in == code.size() - 1)) {
        problems.add("a 'for' without 'in' and a sequence");
      }
      if ((code.getFirst().equals("if") || code.getFirst().equals("elif")) && code.size() == 1) {
        problems.add("an '" + code.getFirst() + "' without condition");
      }
    }
  }

  private static void replaceGeneration(List<String> tokens, List<Integer> words) {
    for (int w : words) {
      String t = tokens.get(w);
      if (t.equals("-") || t.equals("+")) {
        continue;
      }
      if (t.equals("generation")) {
        tokens.set(w, "if true");
      } else if (t.equals("endgeneration")) {
        tokens.set(w, "endif");
      }
      return;
    }
  }

  private static void parenthesise(List<String> tokens, List<Integer> words, int not) {
    int in = operandEnd(tokens, words, not + 1);
    if (in < 0 || !matches(tokens, words, in, "in")) {
      return;
    }
    int end = operandEnd(tokens, words, in + 1);
    if (end < 0) {
      return;
    }
    int first = words.get(not + 1);
    tokens.set(first, "(" + tokens.get(first));
    int last = words.get(end - 1);
    tokens.set(last, tokens.get(last) + ")");
  }

  /**
   * The word after the operand that starts at {@code w}: a name, literal or group with its
   * trailers; -1 if none.
   */
  private static int operandEnd(List<String> tokens, List<Integer> words, int w) {
    if (w >= words.size()) {
      return -1;
    }
    String t = tokens.get(words.get(w));
    int next;
    if (t.equals("(") || t.equals("[")) {
      next = closing(tokens, words, w);
    } else if (isName(t) || t.startsWith("'") || t.startsWith("\"")) {
      next = w + 1;
    } else {
      return -1;
    }
    while (next > 0 && next < words.size()) {
      String trailer = tokens.get(words.get(next));
      if (trailer.equals("(") || trailer.equals("[")) {
        next = closing(tokens, words, next);
      } else if (trailer.equals(".") && next + 1 < words.size()) {
        next += 2;
      } else {
        break;
      }
    }
    return next;
  }

  private static int closing(List<String> tokens, List<Integer> words, int w) {
    int depth = 0;
    for (int i = w; i < words.size(); i++) {
      switch (tokens.get(words.get(i))) {
        case "(", "[", "{" -> depth++;
        case ")", "]", "}" -> {
          if (--depth == 0) {
            return i + 1;
          }
        }
        default -> {
          // part of the group
        }
      }
    }
    return -1;
  }

  private static boolean matches(
      List<String> tokens, List<Integer> words, int w, String... expected) {
    if (w + expected.length > words.size()) {
      return false;
    }
    for (int k = 0; k < expected.length; k++) {
      if (!tokens.get(words.get(w + k)).equals(expected[k])) {
        return false;
      }
    }
    return true;
  }

  private static boolean isName(String token) {
    return !token.isEmpty() && Character.isJavaIdentifierStart(token.charAt(0));
  }

  /**
   * Names and numbers, string literals, runs of white space, and single characters; joined they are
   * {@code code}.
   */
  private static List<String> tokens(String code) {
    List<String> tokens = new ArrayList<>();
    int i = 0;
    while (i < code.length()) {
      int from = i;
      char c = code.charAt(i++);
      if (c == '\'' || c == '"') {
        while (i < code.length() && code.charAt(i) != c) {
          i += code.charAt(i) == '\\' ? 2 : 1;
        }
        i = Math.min(i + 1, code.length());
      } else if (Character.isJavaIdentifierPart(c)) {
        while (i < code.length() && Character.isJavaIdentifierPart(code.charAt(i))) {
          i++;
        }
      } else if (Character.isWhitespace(c)) {
        while (i < code.length() && Character.isWhitespace(code.charAt(i))) {
          i++;
        }
      }
      tokens.add(code.substring(from, i));
    }
    return tokens;
  }
}
