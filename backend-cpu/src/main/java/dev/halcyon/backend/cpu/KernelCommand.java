package dev.halcyon.backend.cpu;

import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;

/** One kernel call with fixed arguments. */
final class KernelCommand implements BoundOperator {
  private final int kernel;
  private final Slots slots;
  private final long n;
  private final long chunk;

  KernelCommand(int kernel, Slots slots, long n, long chunk) {
    this.kernel = kernel;
    this.slots = slots;
    this.n = n;
    this.chunk = chunk;
  }

  Slots slots() {
    return slots;
  }

  @Override
  public void enqueue(BackendStream stream) {
    ((CpuStream) stream).kernel(kernel, slots, n, chunk);
  }

  @Override
  public void close() {
    slots.free();
  }
}
