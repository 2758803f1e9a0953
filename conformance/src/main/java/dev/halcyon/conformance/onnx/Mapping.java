package dev.halcyon.conformance.onnx;

import java.util.List;

/** How a node becomes operators of the HAL. */
@FunctionalInterface
interface Mapping {
  /**
   * Enqueues the operators.
   *
   * @return the outputs in the order of the node; further ones than it has are dropped
   * @throws NotMapped if these types, attributes or shapes cannot be expressed
   */
  List<Result> emit(Call call);
}
