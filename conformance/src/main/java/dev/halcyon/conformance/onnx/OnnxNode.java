package dev.halcyon.conformance.onnx;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A {@code NodeProto}.
 *
 * @param operator its operator
 * @param domain the operator set; empty is the standard one
 * @param inputs names, empty where an optional input is absent
 * @param outputs names, empty where an optional output is absent
 * @param attributes by name
 */
record OnnxNode(
    String operator,
    String domain,
    List<String> inputs,
    List<String> outputs,
    Map<String, OnnxAttribute> attributes) {
  OnnxNode {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
    attributes = Map.copyOf(attributes);
  }

  boolean isStandard() {
    return domain.isEmpty() || domain.equals("ai.onnx");
  }

  Optional<OnnxAttribute> attribute(String name) {
    return Optional.ofNullable(attributes.get(name));
  }

  /** An integer attribute. */
  long integer(String name, long absent) {
    return attribute(name)
        .map(OnnxAttribute::integers)
        .filter(v -> !v.isEmpty())
        .map(List::getFirst)
        .orElse(absent);
  }

  /** A list of integers, empty if the attribute is absent. */
  Optional<long[]> integers(String name) {
    return attribute(name).map(a -> a.integers().stream().mapToLong(Long::longValue).toArray());
  }

  /** A floating attribute. */
  float number(String name, float absent) {
    return attribute(name)
        .map(OnnxAttribute::numbers)
        .filter(v -> !v.isEmpty())
        .map(List::getFirst)
        .orElse(absent);
  }

  /** A text attribute. */
  String text(String name, String absent) {
    return attribute(name).map(OnnxAttribute::text).orElse(absent);
  }
}
