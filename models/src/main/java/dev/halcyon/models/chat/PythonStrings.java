package dev.halcyon.models.chat;

import com.hubspot.jinjava.objects.collections.PyList;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import jinjava.javax.el.ELException;

/**
 * Python's {@code str} methods, as far as chat templates use them. Source: docs.python.org, "String
 * Methods".
 */
final class PythonStrings {
  private PythonStrings() {}

  static Object call(String s, String method, Object[] args) {
    return switch (method) {
      case "split" -> split(s, text(method, args, 0), number(method, args, 1, -1), false);
      case "rsplit" -> split(s, text(method, args, 0), number(method, args, 1, -1), true);
      case "splitlines" -> list(s.lines().toList());
      case "strip" -> strip(s, text(method, args, 0), true, true);
      case "lstrip" -> strip(s, text(method, args, 0), true, false);
      case "rstrip" -> strip(s, text(method, args, 0), false, true);
      case "startswith" -> affixes(method, args).stream().anyMatch(s::startsWith);
      case "endswith" -> affixes(method, args).stream().anyMatch(s::endsWith);
      case "removeprefix" -> {
        String p = required(method, args, 0);
        yield s.startsWith(p) ? s.substring(p.length()) : s;
      }
      case "removesuffix" -> {
        String p = required(method, args, 0);
        yield s.endsWith(p) ? s.substring(0, s.length() - p.length()) : s;
      }
      case "replace" ->
          replace(
              s, required(method, args, 0), required(method, args, 1), number(method, args, 2, -1));
      case "upper" -> s.toUpperCase(Locale.ROOT);
      case "lower" -> s.toLowerCase(Locale.ROOT);
      case "title" -> title(s);
      case "capitalize" ->
          s.isEmpty()
              ? s
              : s.substring(0, 1).toUpperCase(Locale.ROOT)
                  + s.substring(1).toLowerCase(Locale.ROOT);
      case "find" -> (long) s.indexOf(required(method, args, 0));
      case "rfind" -> (long) s.lastIndexOf(required(method, args, 0));
      case "index" -> {
        int at = s.indexOf(required(method, args, 0));
        if (at < 0) {
          throw new ELException("substring not found");
        }
        yield (long) at;
      }
      case "count" -> count(s, required(method, args, 0));
      case "join" -> join(s, args);
      case "isdigit" -> !s.isEmpty() && s.chars().allMatch(Character::isDigit);
      case "isspace" -> !s.isEmpty() && s.chars().allMatch(PythonStrings::isSpace);
      default -> throw new ELException("string method '" + method + "' is not supported");
    };
  }

  private static PyList split(String s, String separator, long limit, boolean fromRight) {
    if (separator == null) {
      return splitOnSpace(s, limit, fromRight);
    }
    if (separator.isEmpty()) {
      throw new ELException("split() got an empty separator");
    }
    List<Object> parts = new ArrayList<>();
    String left = s;
    while (limit < 0 || parts.size() < limit) {
      int at = fromRight ? left.lastIndexOf(separator) : left.indexOf(separator);
      if (at < 0) {
        break;
      }
      if (fromRight) {
        parts.addFirst(left.substring(at + separator.length()));
        left = left.substring(0, at);
      } else {
        parts.add(left.substring(0, at));
        left = left.substring(at + separator.length());
      }
    }
    if (fromRight) {
      parts.addFirst(left);
    } else {
      parts.add(left);
    }
    return new PyList(parts);
  }

  private static PyList splitOnSpace(String s, long limit, boolean fromRight) {
    List<Object> parts = new ArrayList<>();
    String left = strip(s, null, true, true);
    while (!left.isEmpty()) {
      int at = -1;
      if (limit < 0 || parts.size() < limit) {
        at = fromRight ? lastSpace(left) : firstSpace(left);
      }
      if (at < 0) {
        add(parts, left, fromRight);
        break;
      }
      add(parts, fromRight ? left.substring(at + 1) : left.substring(0, at), fromRight);
      left = strip(fromRight ? left.substring(0, at) : left.substring(at), null, true, true);
    }
    return new PyList(parts);
  }

  private static void add(List<Object> parts, String part, boolean first) {
    if (first) {
      parts.addFirst(part);
    } else {
      parts.add(part);
    }
  }

  private static int firstSpace(String s) {
    for (int i = 0; i < s.length(); i++) {
      if (isSpace(s.charAt(i))) {
        return i;
      }
    }
    return -1;
  }

  private static int lastSpace(String s) {
    for (int i = s.length() - 1; i >= 0; i--) {
      if (isSpace(s.charAt(i))) {
        return i;
      }
    }
    return -1;
  }

  /** Python's {@code str.isspace}: Unicode white space plus the separators U+001C to U+001F. */
  private static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  private static String strip(String s, String chars, boolean left, boolean right) {
    int from = 0;
    int to = s.length();
    while (left && from < to && stripped(s.charAt(from), chars)) {
      from++;
    }
    while (right && to > from && stripped(s.charAt(to - 1), chars)) {
      to--;
    }
    return s.substring(from, to);
  }

  private static boolean stripped(char c, String chars) {
    return chars == null ? isSpace(c) : chars.indexOf(c) >= 0;
  }

  private static String replace(String s, String from, String to, long limit) {
    if (limit < 0) {
      return s.replace(from, to);
    }
    StringBuilder out = new StringBuilder();
    int at = 0;
    for (long n = 0; n < limit; n++) {
      int next = s.indexOf(from, at);
      if (next < 0 || from.isEmpty()) {
        break;
      }
      out.append(s, at, next).append(to);
      at = next + from.length();
    }
    return out.append(s.substring(at)).toString();
  }

  private static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      out.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
      inWord = Character.isLetter(c);
    }
    return out.toString();
  }

  private static long count(String s, String part) {
    if (part.isEmpty()) {
      return s.length() + 1L;
    }
    long n = 0;
    for (int at = s.indexOf(part); at >= 0; at = s.indexOf(part, at + part.length())) {
      n++;
    }
    return n;
  }

  private static String join(String separator, Object[] args) {
    if (args.length != 1 || !(args[0] instanceof Iterable<?> items)) {
      throw new ELException("join() takes one sequence");
    }
    StringBuilder out = new StringBuilder();
    boolean first = true;
    for (Object item : items) {
      out.append(first ? "" : separator).append(item);
      first = false;
    }
    return out.toString();
  }

  private static PyList list(List<String> items) {
    return new PyList(new ArrayList<>(items));
  }

  private static List<String> affixes(String method, Object[] args) {
    if (args.length == 1 && args[0] instanceof Iterable<?> several) {
      List<String> all = new ArrayList<>();
      several.forEach(o -> all.add(String.valueOf(o)));
      return all;
    }
    return List.of(required(method, args, 0));
  }

  private static String required(String method, Object[] args, int at) {
    String s = text(method, args, at);
    if (s == null) {
      throw new ELException(method + "() needs " + (at + 1) + " string argument(s)");
    }
    return s;
  }

  /**
   * The argument as a string; null stands for Python's None or an absent argument and stays inside
   * this class.
   */
  private static String text(String method, Object[] args, int at) {
    if (args.length <= at || args[at] == null) {
      return null;
    }
    if (!(args[at] instanceof CharSequence)) {
      throw new ELException("argument " + (at + 1) + " of " + method + "() must be a string");
    }
    return args[at].toString();
  }

  private static long number(String method, Object[] args, int at, long absent) {
    if (args.length <= at) {
      return absent;
    }
    if (!(args[at] instanceof Number n)) {
      throw new ELException("argument " + (at + 1) + " of " + method + "() must be a number");
    }
    return n.longValue();
  }
}
