package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Tensor;

/**
 * Hears intermediate tensors of an eager step, for comparison with a reference; read them before
 * returning.
 */
@FunctionalInterface
interface Trace {
  /** Hears nothing. */
  Trace NONE = (name, tensor) -> {};

  /**
   * A tensor is ready on the stream.
   *
   * @param name {@code embed}, {@code layer<i>.<part>} or {@code final_norm}
   * @param tensor its value
   */
  void on(String name, Tensor tensor);
}
