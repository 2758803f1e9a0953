package dev.halcyon.conformance.onnx;

import java.util.List;

/**
 * An {@code AttributeProto}. Of its fields only the one that its type names is filled.
 *
 * @param name its name
 * @param integers {@code i}, or {@code ints}
 * @param numbers {@code f}, or {@code floats}
 * @param text {@code s}; empty if absent
 */
record OnnxAttribute(String name, List<Long> integers, List<Float> numbers, String text) {
  OnnxAttribute {
    integers = List.copyOf(integers);
    numbers = List.copyOf(numbers);
  }
}
