package dev.halcyon.backend.cpu.kernels;

/**
 * The inner loops in scalar Java. Dot products keep eight f32 partial sums, so that an error grows
 * with K/8; the sums of norms and softmax are f64.
 */
final class ScalarMath implements KernelMath {
  /** Columns decoded at a time: 4 KiB, well within the first-level cache. */
  private static final long CHUNK = 1024;

  @Override
  public void decode(WeightMatrix w, long n, long k0, long k1, long out) {
    long row = w.row(n);
    if (w.scales() == 0) {
      decodeSpan(w.type(), row, k0, k1, 1, out);
      return;
    }
    for (long k = k0; k < k1; ) {
      long group = k / w.blockK();
      long end = Math.min(k1, (group + 1) * w.blockK());
      decodeSpan(w.type(), row, k, end, w.scale(n, group), out + 4 * (k - k0));
      k = end;
    }
  }

  /** One method a type: each compiles to a tight loop of its own. */
  private static void decodeSpan(int type, long row, long k0, long k1, float scale, long out) {
    int n = (int) (k1 - k0);
    long from = row + Storage.bytes(type, k0);
    switch (type) {
      case Kernels.F32 -> f32(from, n, scale, out);
      case Kernels.F16 -> f16(from, n, scale, out);
      case Kernels.BF16 -> bf16(from, n, scale, out);
      case Kernels.F8 -> f8(from, n, scale, out);
      case Kernels.I8 -> i8(from, n, scale, out);
      default -> i4(from, n, scale, out);
    }
  }

  private static void f32(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Raw.f32(from + 4L * i) * scale);
    }
  }

  private static void f16(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Float.float16ToFloat(Raw.i16(from + 2L * i)) * scale);
    }
  }

  private static void bf16(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Storage.fromBf16(Raw.i16(from + 2L * i)) * scale);
    }
  }

  private static void f8(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Storage.fromF8(Raw.i8(from + i)) * scale);
    }
  }

  private static void i8(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Raw.i8(from + i) * scale);
    }
  }

  private static void i4(long from, int n, float scale, long out) {
    for (int i = 0; i < n; i++) {
      Raw.f32(out + 4L * i, Storage.fromI4(Raw.i8(from + (i >> 1)), i & 1) * scale);
    }
  }

  @Override
  public void linear(
      WeightMatrix w,
      long n0,
      long n1,
      long x,
      long ldx,
      long rows,
      long m,
      long k,
      long y,
      long ldy) {
    long panel = ThreadScratch.address();
    for (long n = n0; n < n1; n++) {
      for (long k0 = 0; k0 < k; k0 += CHUNK) {
        long count = Math.min(CHUNK, k - k0);
        decode(w, n, k0, k0 + count, panel);
        for (long i = 0; i < m; i++) {
          long row = rows == 0 ? i : Raw.i32(rows + 4 * i);
          long at = y + 4 * (i * ldy + n - n0);
          Raw.f32(at, Raw.f32(at) + dot(x + 4 * (row * ldx + k0), panel, count));
        }
      }
    }
  }

  static float dot(long a, long b, long n) {
    int count = (int) n; // int counters compile better
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    float s4 = 0;
    float s5 = 0;
    float s6 = 0;
    float s7 = 0;
    int i = 0;
    for (; i <= count - 8; i += 8) {
      long p = a + 4L * i;
      long q = b + 4L * i;
      s0 += Raw.f32(p) * Raw.f32(q);
      s1 += Raw.f32(p + 4) * Raw.f32(q + 4);
      s2 += Raw.f32(p + 8) * Raw.f32(q + 8);
      s3 += Raw.f32(p + 12) * Raw.f32(q + 12);
      s4 += Raw.f32(p + 16) * Raw.f32(q + 16);
      s5 += Raw.f32(p + 20) * Raw.f32(q + 20);
      s6 += Raw.f32(p + 24) * Raw.f32(q + 24);
      s7 += Raw.f32(p + 28) * Raw.f32(q + 28);
    }
    for (; i < count; i++) {
      s0 += Raw.f32(a + 4L * i) * Raw.f32(b + 4L * i);
    }
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
  }

  @Override
  public void timesTransposed(
      long a, long lda, long m, long b, long ldb, long n, long k, long c, long ldc) {
    for (long i = 0; i < m; i++) {
      for (long j = 0; j < n; j++) {
        long at = c + 4 * (i * ldc + j);
        Raw.f32(at, Raw.f32(at) + dot(a + 4 * i * lda, b + 4 * j * ldb, k));
      }
    }
  }

  @Override
  public void times(long a, long lda, long m, long b, long ldb, long r, long n, long c, long ldc) {
    for (long i = 0; i < m; i++) {
      for (long j = 0; j < r; j++) {
        addScaled(Raw.f32(a + 4 * (i * lda + j)), b + 4 * j * ldb, c + 4 * i * ldc, n);
      }
    }
  }

  @Override
  public void addScaled(float f, long x, long y, long n) {
    for (long i = 0; i < n; i++) {
      Raw.f32(y + 4 * i, Raw.f32(y + 4 * i) + f * Raw.f32(x + 4 * i));
    }
  }

  @Override
  public void scale(float f, long y, long n) {
    for (long i = 0; i < n; i++) {
      Raw.f32(y + 4 * i, Raw.f32(y + 4 * i) * f);
    }
  }

  @Override
  public void add(long a, long b, long y, long n) {
    for (long i = 0; i < n; i++) {
      Raw.f32(y + 4 * i, Raw.f32(a + 4 * i) + Raw.f32(b + 4 * i));
    }
  }

  @Override
  public void siluTimes(long g, long u, long y, long n) {
    for (long i = 0; i < n; i++) {
      float v = Raw.f32(g + 4 * i);
      Raw.f32(y + 4 * i, (float) (v / (1 + Math.exp(-v))) * Raw.f32(u + 4 * i));
    }
  }

  @Override
  public void rmsNorm(long x, long n, long w, int wType, double eps, long y) {
    double squares = 0;
    for (long i = 0; i < n; i++) {
      double v = Raw.f32(x + 4 * i);
      squares += v * v;
    }
    float r = (float) (1 / Math.sqrt(squares / n + eps));
    for (long i = 0; i < n; i++) {
      float weight = w == 0 ? 1 : Storage.load(wType, w, i);
      Raw.f32(y + 4 * i, Raw.f32(x + 4 * i) * r * weight);
    }
  }

  @Override
  public void softmax(long x, long n, float scale, long y) {
    float max = Float.NEGATIVE_INFINITY;
    for (long i = 0; i < n; i++) {
      max = Math.max(max, Raw.f32(x + 4 * i) * scale);
    }
    double sum = exponentials(x, n, scale, max, y);
    scale((float) (1 / sum), y, n);
  }

  /** {@code y = exp(scale * x - max)}; returns the sum. */
  private static double exponentials(long x, long n, float scale, float max, long y) {
    double sum = 0;
    for (long i = 0; i < n; i++) {
      float e = (float) Math.exp(Raw.f32(x + 4 * i) * scale - max);
      Raw.f32(y + 4 * i, e);
      sum += e;
    }
    return sum;
  }

  @Override
  public void onlineSoftmax(long s, long n, float scale, long max, long sum, long acc, long width) {
    float before = Raw.f32(max);
    float now = before;
    for (long i = 0; i < n; i++) {
      now = Math.max(now, Raw.f32(s + 4 * i) * scale);
    }
    if (now != before) {
      float f = before == Float.NEGATIVE_INFINITY ? 0 : (float) Math.exp(before - now);
      scale(f, acc, width);
      Raw.f32(sum, Raw.f32(sum) * f);
      Raw.f32(max, now);
    }
    Raw.f32(sum, Raw.f32(sum) + (float) exponentials(s, n, scale, now, s));
  }

  @Override
  public double sum(long x, long n) {
    double a = 0;
    double b = 0;
    double c = 0;
    double d = 0;
    long i = 0;
    for (; i + 4 <= n; i += 4) {
      a += Raw.f32(x + 4 * i);
      b += Raw.f32(x + 4 * i + 4);
      c += Raw.f32(x + 4 * i + 8);
      d += Raw.f32(x + 4 * i + 12);
    }
    for (; i < n; i++) {
      a += Raw.f32(x + 4 * i);
    }
    return (a + b) + (c + d);
  }
}
