package dev.halcyon.models.config;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/**
 * Typed access to one JSON object. A field that is absent or null is empty; a field of the wrong
 * type or range is CONFIG_INVALID naming source, field, value and expectation.
 */
record ConfigFields(JsonNode node, String source, String prefix) {
  ConfigFields(JsonNode node, String source) {
    this(node, source, "");
  }

  /** Whether the field is present, even as null. */
  boolean has(String field) {
    return node.has(field);
  }

  boolean isExplicitNull(String field) {
    return node.has(field) && node.path(field).isNull();
  }

  private Optional<JsonNode> value(String field) {
    JsonNode v = node.path(field);
    return v.isMissingNode() || v.isNull() ? Optional.empty() : Optional.of(v);
  }

  int requiredInt(String field, int min, int max) {
    if (value(field).isEmpty()) {
      throw invalid(
          field, has(field) ? "null" : "nothing", "an integer from " + min + " to " + max);
    }
    return optionalInt(field, min, max).orElseThrow();
  }

  OptionalInt optionalInt(String field, int min, int max) {
    Optional<JsonNode> v = value(field);
    if (v.isEmpty()) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(intOf(field, v.get(), min, max));
  }

  private int intOf(String field, JsonNode v, int min, int max) {
    if (!v.isIntegralNumber()
        || !v.canConvertToLong()
        || v.longValue() < min
        || v.longValue() > max) {
      throw invalid(field, brief(v), "an integer from " + min + " to " + max);
    }
    return (int) v.longValue();
  }

  OptionalDouble number(String field) {
    Optional<JsonNode> v = value(field);
    if (v.isEmpty()) {
      return OptionalDouble.empty();
    }
    double d = v.get().isNumber() ? v.get().asDouble(Double.NaN) : Double.NaN;
    if (!Double.isFinite(d)) {
      throw invalid(field, brief(v.get()), "a finite number");
    }
    return OptionalDouble.of(d);
  }

  boolean bool(String field, boolean absent) {
    Optional<JsonNode> v = value(field);
    if (v.isEmpty()) {
      return absent;
    }
    if (!v.get().isBoolean()) {
      throw invalid(field, brief(v.get()), "true or false");
    }
    return v.get().booleanValue();
  }

  Optional<String> text(String field) {
    return value(field)
        .map(
            v -> {
              if (!v.isString()) {
                throw invalid(field, brief(v), "a string");
              }
              return v.stringValue();
            });
  }

  Optional<ConfigFields> object(String field) {
    return value(field)
        .map(
            v -> {
              if (!v.isObject()) {
                throw invalid(field, brief(v), "an object");
              }
              return new ConfigFields(v, source, prefix + field + ".");
            });
  }

  /** One non-negative integer or a list of them, each at most {@code max}; empty if absent. */
  List<Integer> intOrList(String field, int max) {
    Optional<JsonNode> v = value(field);
    if (v.isEmpty()) {
      return List.of();
    }
    if (!v.get().isArray()) {
      return List.of(intOf(field, v.get(), 0, max));
    }
    if (v.get().size() > 1024) {
      throw invalid(field, v.get().size() + " entries", "at most 1024 entries");
    }
    List<Integer> all = new ArrayList<>();
    for (JsonNode item : v.get()) {
      all.add(intOf(field, item, 0, max));
    }
    return all;
  }

  <E> E choice(String field, E[] values, Function<E, String> key, E absent) {
    Optional<String> text = text(field);
    if (text.isEmpty()) {
      return absent;
    }
    return Arrays.stream(values)
        .filter(e -> key.apply(e).equals(text.get()))
        .findFirst()
        .orElseThrow(
            () ->
                invalid(
                    field,
                    "'" + text.get() + "'",
                    "one of " + Arrays.stream(values).map(key).collect(Collectors.joining(", "))));
  }

  HalException invalid(String field, String value, String expected) {
    return HalException.of(
            HalErrorCode.CONFIG_INVALID,
            "field '" + prefix + field + "' is " + value + ", expected " + expected)
        .on(source)
        .remedy("correct the field, or restore the file from the model's repository")
        .build();
  }

  HalException unsupported(String what, String remedy) {
    return HalException.of(HalErrorCode.UNSUPPORTED_ARCHITECTURE, what)
        .on(source)
        .remedy(remedy)
        .build();
  }

  private static String brief(JsonNode v) {
    String s = v.isContainer() ? "a JSON " + (v.isArray() ? "array" : "object") : v.toString();
    return s.length() <= 80 ? s : s.substring(0, 80) + "...";
  }
}
