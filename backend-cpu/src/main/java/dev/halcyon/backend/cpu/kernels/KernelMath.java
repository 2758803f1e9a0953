package dev.halcyon.backend.cpu.kernels;

/**
 * The inner loops that the kernels are made of: what differs between the Java tiers. Pointers are
 * addresses, strides count elements, arrays are f32.
 *
 * @implSpec Products and sums are f32 in at least four interleaved partial sums; NaN and infinity
 *     propagate. Nothing beyond the stated elements is read or written. {@link #linear} and {@link
 *     #rmsNorm} use the {@link ThreadScratch}: their operands may not lie there.
 */
interface KernelMath {
  /** {@code out[i] = W[n, k0+i]}, scales applied, for columns k0 to k1 (k0 even for I4). */
  void decode(WeightMatrix w, long n, long k0, long k1, long out);

  /**
   * {@code y[i, n-n0] += sum_k x[row(i), k] W[n, k]} for rows n0 to n1 of W and i below m. {@code
   * rows} are the I32 numbers of the rows of x, or 0 when they lie in order.
   */
  void linear(
      WeightMatrix w,
      long n0,
      long n1,
      long x,
      long ldx,
      long rows,
      long m,
      long k,
      long y,
      long ldy);

  /** {@code C[m,n] += A[m,k] B[n,k]^T}. */
  void timesTransposed(
      long a, long lda, long m, long b, long ldb, long n, long k, long c, long ldc);

  /** {@code C[m,n] += A[m,r] B[r,n]}. */
  void times(long a, long lda, long m, long b, long ldb, long r, long n, long c, long ldc);

  /** {@code y += f * x}. */
  void addScaled(float f, long x, long y, long n);

  /** {@code y *= f}. */
  void scale(float f, long y, long n);

  /** {@code y = a + b}. */
  void add(long a, long b, long y, long n);

  /** {@code y = silu(g) * u}. */
  void siluTimes(long g, long u, long y, long n);

  /** {@code y = x * rsqrt(mean(x^2) + eps) * w}; w of the given type, or 0 for ones. */
  void rmsNorm(long x, long n, long w, int wType, double eps, long y);

  /** {@code y = softmax(scale * x)}, n at least 1. */
  void softmax(long x, long n, float scale, long y);

  /**
   * One step of the online softmax for a row: the n unscaled scores at {@code s} become weights
   * relative to the running maximum at {@code max}; if that moves, {@code acc} and the running sum
   * at {@code sum} are rescaled.
   */
  void onlineSoftmax(long s, long n, float scale, long max, long sum, long acc, long width);

  /** Sum of {@code n} f32 in any order, as fast as they can be read. */
  double sum(long x, long n);
}
