package dev.halcyon.backend.cpu;

/** How loops are cut for threads. */
final class Chunks {
  private Chunks() {}

  /** Less work than this is not worth a hand-over between threads. */
  private static final long SMALLEST = 32 << 10;

  /** More than this per chunk makes threads wait for the last one. */
  private static final long LARGEST = 512 << 10;

  private static final int PER_THREAD = 8;

  /**
   * Indices per chunk.
   *
   * @param n indices in all
   * @param quantum a chunk is a multiple of it, but for the last
   * @param bytesPerIndex memory read for an index, or its time expressed in bytes read
   */
  static long of(long n, long quantum, double bytesPerIndex, int threads) {
    double bytes = Math.max(1e-3, bytesPerIndex);
    double fair = n * bytes / ((double) threads * PER_THREAD);
    double wanted = Math.clamp(fair, SMALLEST, LARGEST) / bytes;
    long chunk = (long) Math.ceil(wanted / quantum) * quantum;
    return Math.clamp(chunk, 1, Math.max(1, n));
  }

  /** Time of {@code flops} operations of a matrix kernel as bytes read in that time. */
  static double flopBytes(double flops) {
    return flops / 10;
  }
}
