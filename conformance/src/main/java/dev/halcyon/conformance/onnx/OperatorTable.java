package dev.halcyon.conformance.onnx;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Every ONNX operator that is mapped. */
final class OperatorTable {
  private static final Map<String, MappedOperator> ALL = new TreeMap<>();

  static {
    Stream.of(
            ElementwiseOperators.all(),
            CastOperators.all(),
            ShapeOperators.all(),
            IndexOperators.all(),
            ReduceOperators.all(),
            MatrixOperators.all(),
            NormOperators.all(),
            AttentionOperator.all(),
            QuantOperators.all())
        .flatMap(List::stream)
        .forEach(o -> ALL.put(o.name(), o));
  }

  private OperatorTable() {}

  static Optional<MappedOperator> find(String operator) {
    return Optional.ofNullable(ALL.get(operator));
  }

  /** By name. */
  static Collection<MappedOperator> all() {
    return ALL.values();
  }
}
