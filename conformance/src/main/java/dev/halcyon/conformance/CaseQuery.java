package dev.halcyon.conformance;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Chooses cases by id: {@code hal:op/*}, {@code hal:op/MatMul}, {@code hal:op/*:a=bf16,layout=*}. A
 * star stands for any characters; a case matches if its path matches and it has every named
 * parameter with a matching value. A case's own id chooses that case.
 */
public final class CaseQuery {
  /** Every case. */
  public static final CaseQuery ALL = parse("*");

  private final String text;
  private final Glob path;
  private final Map<String, Glob> parameters;

  private CaseQuery(String text, Glob path, Map<String, Glob> parameters) {
    this.text = text;
    this.path = path;
    this.parameters = parameters;
  }

  /**
   * Reads a query.
   *
   * @throws IllegalArgumentException if a parameter has no {@code =}
   */
  public static CaseQuery parse(String text) {
    int colon = text.indexOf(':');
    int begin = colon < 0 ? -1 : text.indexOf(':', colon + 1);
    String path = begin < 0 ? text : text.substring(0, begin);
    Map<String, Glob> parameters = new LinkedHashMap<>();
    if (begin >= 0) {
      for (String pair : text.substring(begin + 1).split(",")) {
        int equals = pair.indexOf('=');
        if (equals >= 0) {
          parameters.put(pair.substring(0, equals), Glob.of(pair.substring(equals + 1)));
        } else if (!pair.equals("*")) {
          throw new IllegalArgumentException("expected name=value instead of '" + pair + "'");
        }
      }
    }
    return new CaseQuery(text, Glob.of(path), parameters);
  }

  public boolean matches(CaseId id) {
    if (!path.matches(id.path())) {
      return false;
    }
    for (Map.Entry<String, Glob> p : parameters.entrySet()) {
      String value = id.parameters().get(p.getKey());
      if (value == null || !p.getValue().matches(value)) {
        return false;
      }
    }
    return true;
  }

  @Override
  public String toString() {
    return text;
  }
}
