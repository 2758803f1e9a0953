package dev.halcyon.backend.cpu;

import java.util.ArrayList;
import java.util.List;

/**
 * Small blocks of native memory for bound operators: kernel arguments and tables. Freed blocks are
 * reused; all memory goes back when the pool closes. Thread-safe.
 *
 * @implNote Eager execution binds and frees with every command, so both are a few instructions on a
 *     stack per size class.
 */
final class SlotPool {
  private static final int SMALLEST = 9;
  private static final int CLASSES = 30;
  private static final long SLAB = 64 << 10;

  private final long[][] free = new long[CLASSES][];
  private final int[] count = new int[CLASSES];
  private final List<CpuMemory> slabs = new ArrayList<>();

  /** Uninitialised memory, aligned to 64 bytes. */
  synchronized long take(long bytes) {
    int c = sizeClass(bytes);
    if (count[c] == 0) {
      grow(c);
    }
    return free[c][--count[c]];
  }

  /** Takes back what {@link #take} gave for the same size. */
  synchronized void give(long address, long bytes) {
    push(sizeClass(bytes), address);
  }

  private void grow(int c) {
    long size = 1L << c + SMALLEST;
    CpuMemory slab = CpuMemory.allocate(Math.max(SLAB, size));
    slabs.add(slab);
    for (long at = slab.byteSize() - size; at >= 0; at -= size) {
      push(c, slab.address() + at);
    }
  }

  private void push(int c, long address) {
    if (free[c] == null) {
      free[c] = new long[16];
    } else if (count[c] == free[c].length) {
      free[c] = java.util.Arrays.copyOf(free[c], 2 * count[c]);
    }
    free[c][count[c]++] = address;
  }

  private static int sizeClass(long bytes) {
    return Math.max(0, 64 - Long.numberOfLeadingZeros(Math.max(1, bytes) - 1) - SMALLEST);
  }

  synchronized void close() {
    slabs.forEach(CpuMemory::free);
    slabs.clear();
    java.util.Arrays.fill(count, 0);
  }
}
