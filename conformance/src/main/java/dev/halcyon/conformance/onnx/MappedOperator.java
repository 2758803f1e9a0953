package dev.halcyon.conformance.onnx;

/**
 * A row of the table of mapped operators.
 *
 * @param name ONNX operator of the standard set
 * @param comparison how its floating outputs are judged; others are always exact
 * @param by which operators of the HAL compute it, for readers
 * @param mapping enqueues them
 */
record MappedOperator(String name, Comparison comparison, String by, Mapping mapping) {
  /** How outputs are compared with those of the file. */
  enum Comparison {
    /**
     * Equal as numbers: elements are moved, or each is one correctly rounded operation, for which
     * IEEE 754 leaves one result.
     */
    EXACT,
    /** Within the tolerance of ONNX's own runner. */
    TOLERANCE
  }

  static MappedOperator exact(String name, String by, Mapping mapping) {
    return new MappedOperator(name, Comparison.EXACT, by, mapping);
  }

  static MappedOperator close(String name, String by, Mapping mapping) {
    return new MappedOperator(name, Comparison.TOLERANCE, by, mapping);
  }
}
