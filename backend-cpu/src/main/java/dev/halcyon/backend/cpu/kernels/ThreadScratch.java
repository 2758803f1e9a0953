package dev.halcyon.backend.cpu.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Working memory of a thread for kernels that the contract gives none in slot 0. Allocated on first
 * use by a thread, freed after its end.
 */
final class ThreadScratch {
  private ThreadScratch() {}

  /** Bytes at {@link #address()}. */
  static final long BYTES = 256 << 10;

  private static final ThreadLocal<MemorySegment> LOCAL =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(BYTES, 64));

  /** The calling thread's memory, 64-byte aligned, contents undefined. */
  static long address() {
    return LOCAL.get().address();
  }
}
