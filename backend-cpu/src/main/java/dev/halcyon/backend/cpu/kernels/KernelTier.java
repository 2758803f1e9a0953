package dev.halcyon.backend.cpu.kernels;

/**
 * One implementation of the CPU kernels: C, Vector API or scalar Java.
 *
 * <p>The contract of every kernel (slot layout, index space, aliasing, numerics) is the header
 * {@code halcyon_cpu.h}; the constants of {@link Kernels} are its enumerators. A tier of any
 * language follows the header, so the operators above know nothing of it.
 *
 * @implSpec Kernels keep no state between calls, never throw for arguments the header allows, and
 *     allocate no Java objects in their inner loops. Any number of threads may run chunks of one
 *     kernel at the same time, each with its own copy of the slot array and its own scratch in slot
 *     0.
 */
public interface KernelTier {
  /**
   * Name of the tier with its instruction set, for example {@code c/avx512}, {@code vector/512},
   * {@code scalar}.
   */
  String name();

  /** What a tier makes of {@link Kernels#DOT}. */
  enum RoundedProducts {
    /** Nothing: activations stay f32. */
    IGNORED,
    /** It rounds, but has no instructions that are faster for it. */
    AT_F32_SPEED,
    /** It rounds and uses dot-product instructions. */
    DOT_INSTRUCTIONS
  }

  /** What this tier makes of {@link Kernels#DOT} on this processor. */
  default RoundedProducts roundedProducts() {
    return RoundedProducts.IGNORED;
  }

  /**
   * Runs the indices {@code begin} (inclusive) to {@code end} (exclusive) of a kernel on the
   * calling thread.
   *
   * @param kernel a kernel constant of {@link Kernels}
   * @param slotsAddress native address of the slot array: 8 bytes a slot, native byte order
   */
  void run(int kernel, long slotsAddress, long begin, long end);
}
