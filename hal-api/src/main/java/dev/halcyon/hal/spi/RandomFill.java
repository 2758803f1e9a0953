package dev.halcyon.hal.spi;

import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;

/**
 * Makes synthetic weights on a device, for benchmarks and load tests without a checkpoint. A {@link
 * BackendDevice} that can do so implements it.
 *
 * @apiNote Shows what a model of some size costs in memory and time; its output means nothing.
 */
public interface RandomFill {
  /**
   * Fills a tensor with uniformly distributed numbers and waits until it is done.
   *
   * @param target a dense or stacked tensor of this device, of a floating dtype or quantised; the
   *     scales of a quantised tensor are set too, so that its values have about the amplitude
   * @param seed the same seed gives the same values on the same kind of device
   * @param amplitude values lie in {@code (-amplitude, amplitude)}
   * @throws HalException {@code DTYPE_MISMATCH} for any other tensor
   */
  void fillRandom(Tensor target, long seed, double amplitude);
}
