package dev.halcyon.models.chat;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.AdvancedFilter;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import jinjava.javax.el.ELException;

/** The functions and filters transformers adds to jinja2 for chat templates. */
public final class TemplateFunctions {
  private TemplateFunctions() {}

  /**
   * {@code raise_exception(message)}: the template rejects the messages. Public because jinjava
   * calls it reflectively.
   */
  public static Object raiseException(Object message) {
    throw new ELException("the template says: " + message);
  }

  /**
   * {@code strftime_now(format)} for the directives chat templates use. Public because jinjava
   * calls it reflectively.
   */
  public static String strftimeNow(String format) {
    ZonedDateTime now = ZonedDateTime.now();
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      String pattern =
          switch (format.charAt(++i)) {
            case 'Y' -> "yyyy";
            case 'm' -> "MM";
            case 'd' -> "dd";
            case 'B' -> "MMMM";
            case 'b' -> "MMM";
            case 'A' -> "EEEE";
            case 'a' -> "EEE";
            case 'H' -> "HH";
            case 'M' -> "mm";
            case 'S' -> "ss";
            case '%' -> "'%'";
            default ->
                throw new ELException(
                    "strftime directive %" + format.charAt(i) + " is not supported");
          };
      out.append(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now));
    }
    return out.toString();
  }

  /**
   * {@code tojson} as Python's {@code json.dumps(ensure_ascii=False)} writes it, with {@code
   * indent}.
   */
  static final class ToJson implements AdvancedFilter {
    @Override
    public String getName() {
      return "tojson";
    }

    @Override
    public Object filter(
        Object value, JinjavaInterpreter interpreter, Object[] args, Map<String, Object> keywords) {
      Object indent = args.length > 0 ? args[args.length - 1] : keywords.get("indent");
      StringBuilder out = new StringBuilder();
      write(out, value, indent instanceof Number n ? n.intValue() : -1, 0);
      return out.toString();
    }

    private static void write(StringBuilder out, Object value, int indent, int level) {
      switch (value) {
        case null -> out.append("null");
        case Map<?, ?> map -> {
          out.append('{');
          String separator = "";
          for (Map.Entry<?, ?> e : map.entrySet()) {
            out.append(separator);
            newLine(out, indent, level + 1);
            quote(out, String.valueOf(e.getKey()));
            out.append(": ");
            write(out, e.getValue(), indent, level + 1);
            separator = indent < 0 ? ", " : ",";
          }
          close(out, map.isEmpty(), indent, level).append('}');
        }
        case Iterable<?> items -> {
          out.append('[');
          String separator = "";
          for (Object item : items) {
            out.append(separator);
            newLine(out, indent, level + 1);
            write(out, item, indent, level + 1);
            separator = indent < 0 ? ", " : ",";
          }
          close(out, !items.iterator().hasNext(), indent, level).append(']');
        }
        case Boolean b -> out.append(b);
        case Number n -> out.append(n);
        default -> quote(out, value.toString());
      }
    }

    private static StringBuilder close(StringBuilder out, boolean empty, int indent, int level) {
      if (!empty) {
        newLine(out, indent, level);
      }
      return out;
    }

    private static void newLine(StringBuilder out, int indent, int level) {
      if (indent >= 0) {
        out.append('\n').repeat(' ', indent * level);
      }
    }

    private static void quote(StringBuilder out, String s) {
      out.append('"');
      for (int i = 0; i < s.length(); i++) {
        char c = s.charAt(i);
        switch (c) {
          case '"' -> out.append("\\\"");
          case '\\' -> out.append("\\\\");
          case '\n' -> out.append("\\n");
          case '\r' -> out.append("\\r");
          case '\t' -> out.append("\\t");
          case '\b' -> out.append("\\b");
          case '\f' -> out.append("\\f");
          default -> {
            if (c < 0x20) {
              out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
              out.append(c);
            }
          }
        }
      }
      out.append('"');
    }
  }
}
