package dev.halcyon.conformance.onnx;

/**
 * An input or output of a graph.
 *
 * @param name its name
 * @param kind what it holds
 */
record OnnxValue(String name, Kind kind) {
  /** Kinds of values. */
  enum Kind {
    TENSOR,
    /** A list of tensors. */
    SEQUENCE,
    /** An optional, a map, or something sparse. */
    OTHER
  }
}
