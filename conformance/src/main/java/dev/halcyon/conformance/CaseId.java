package dev.halcyon.conformance;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The stable name of a case, and the seed of its data: {@code
 * hal:op/MatMul:a=bf16,m=1,k=7168,n=2048,layout=dense}. A path of slash-separated words, then its
 * parameters in a fixed order. Ids are part of the public contract: reports of different releases
 * are compared by them, so a case whose meaning changes gets a new id.
 *
 * @param path area and subject, for example {@code hal:op/MatMul} or {@code hal:runtime/fence}
 * @param parameters names and values, in order
 */
public record CaseId(String path, Map<String, String> parameters) implements Comparable<CaseId> {
  private static final Pattern PATH = Pattern.compile("[a-z]+:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*");
  private static final Pattern NAME = Pattern.compile("[A-Za-z][A-Za-z0-9_]*");
  private static final Pattern VALUE = Pattern.compile("[A-Za-z0-9_.+-]+");

  public CaseId {
    Objects.requireNonNull(path);
    if (!PATH.matcher(path).matches()) {
      throw new IllegalArgumentException("not a case path: " + path);
    }
    parameters.forEach(
        (name, value) -> {
          if (!NAME.matcher(name).matches() || !VALUE.matcher(value).matches()) {
            throw new IllegalArgumentException("not a case parameter: " + name + "=" + value);
          }
        });
    parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
  }

  /** An id without parameters. */
  public static CaseId of(String path) {
    return new CaseId(path, Map.of());
  }

  /** Reads what {@link #toString} writes. */
  public static CaseId parse(String text) {
    int begin = text.indexOf(':', text.indexOf(':') + 1);
    if (begin < 0) {
      return of(text);
    }
    Map<String, String> parameters = new LinkedHashMap<>();
    for (String pair : text.substring(begin + 1).split(",")) {
      int equals = pair.indexOf('=');
      if (equals < 0) {
        throw new IllegalArgumentException("not a case parameter: " + pair);
      }
      parameters.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
    return new CaseId(text.substring(0, begin), parameters);
  }

  /**
   * This id with one more parameter, or with its value replaced. Constants are written in lower
   * case, extents as {@code 3x5}, none as {@code scalar}.
   */
  public CaseId with(String name, Object value) {
    Map<String, String> more = new LinkedHashMap<>(parameters);
    more.put(
        name,
        switch (value) {
          case Enum<?> e -> e.name().toLowerCase(Locale.ROOT);
          case long[] dims ->
              dims.length == 0
                  ? "scalar"
                  : Arrays.stream(dims).mapToObj(String::valueOf).collect(Collectors.joining("x"));
          default -> value.toString();
        });
    return new CaseId(path, more);
  }

  /** The value of a parameter, empty if it has none. */
  public String parameter(String name) {
    return parameters.getOrDefault(name, "");
  }

  /** The last word of the path: the operator, topic or model. */
  public String subject() {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  /**
   * What it is listed under: the path, which names an operator, a topic or a model; the area alone
   * where every case has a path of its own, as ONNX tests do.
   */
  public String group() {
    return path.startsWith("hal:onnx/") ? "hal:onnx" : path;
  }

  /** A seed of the text: the same on every machine and in every release. */
  public long seed() {
    long h = 0xcbf29ce484222325L;
    for (char c : toString().toCharArray()) {
      h = (h ^ c) * 0x100000001b3L;
    }
    return h;
  }

  @Override
  public int compareTo(CaseId other) {
    return toString().compareTo(other.toString());
  }

  @Override
  public String toString() {
    return parameters.isEmpty()
        ? path
        : path
            + ":"
            + parameters.entrySet().stream()
                .map(e -> e.getKey() + "=" + e.getValue())
                .collect(Collectors.joining(","));
  }
}
