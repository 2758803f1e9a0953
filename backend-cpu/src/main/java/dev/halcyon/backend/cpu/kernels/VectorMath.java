package dev.halcyon.backend.cpu.kernels;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The inner loops over the Vector API; the matrix products are in classes of their own. */
final class VectorMath implements KernelMath {
  /** Bits of the vectors in use. */
  static final int BITS = 32 * Lanes.COUNT;

  private static final int COUNT = Lanes.COUNT;

  /** Norm weights decoded at a time. */
  private static final int CHUNK = 1024;

  @Override
  public void decode(WeightMatrix w, long n, long k0, long k1, long out) {
    VectorDecode.row(w, n, k0, k1, out);
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
    VectorLinear.run(w, n0, n1, x, ldx, rows, m, k, y, ldy);
  }

  @Override
  public void timesTransposed(
      long a, long lda, long m, long b, long ldb, long n, long k, long c, long ldc) {
    VectorTiles.timesTransposed(a, lda, m, b, ldb, n, k, c, ldc);
  }

  @Override
  public void times(long a, long lda, long m, long b, long ldb, long r, long n, long c, long ldc) {
    VectorTiles.times(a, lda, m, b, ldb, r, n, c, ldc);
  }

  @Override
  public void addScaled(float f, long x, long y, long n) {
    FloatVector factor = Lanes.all(f);
    long i = 0;
    for (; i + COUNT <= n; i += COUNT) {
      Lanes.store(factor.fma(Lanes.load(x + 4 * i), Lanes.load(y + 4 * i)), y + 4 * i);
    }
    if (i < n) {
      VectorMask<Float> mask = Lanes.first(n - i);
      FloatVector sum = factor.fma(Lanes.load(x + 4 * i, mask), Lanes.load(y + 4 * i, mask));
      Lanes.store(sum, y + 4 * i, mask);
    }
  }

  @Override
  public void scale(float f, long y, long n) {
    long i = 0;
    for (; i + COUNT <= n; i += COUNT) {
      Lanes.store(Lanes.load(y + 4 * i).mul(f), y + 4 * i);
    }
    for (; i < n; i++) {
      Raw.f32(y + 4 * i, Raw.f32(y + 4 * i) * f);
    }
  }

  @Override
  public void add(long a, long b, long y, long n) {
    long i = 0;
    for (; i + 2 * COUNT <= n; i += 2 * COUNT) {
      FloatVector s = Lanes.load(a + 4 * i).add(Lanes.load(b + 4 * i));
      long at = 4 * i + Lanes.BYTES;
      FloatVector t = Lanes.load(a + at).add(Lanes.load(b + at));
      Lanes.store(s, y + 4 * i);
      Lanes.store(t, y + at);
    }
    for (; i < n; i++) {
      Raw.f32(y + 4 * i, Raw.f32(a + 4 * i) + Raw.f32(b + 4 * i));
    }
  }

  @Override
  public void siluTimes(long g, long u, long y, long n) {
    long i = 0;
    for (; i + COUNT <= n; i += COUNT) {
      Lanes.store(silu(Lanes.load(g + 4 * i)).mul(Lanes.load(u + 4 * i)), y + 4 * i);
    }
    if (i < n) {
      VectorMask<Float> mask = Lanes.first(n - i);
      FloatVector s = silu(Lanes.load(g + 4 * i, mask));
      Lanes.store(s.mul(Lanes.load(u + 4 * i, mask)), y + 4 * i, mask);
    }
  }

  private static FloatVector silu(FloatVector v) {
    return v.div(Lanes.exp(v.neg()).add(1f));
  }

  @Override
  public void rmsNorm(long x, long n, long w, int wType, double eps, long y) {
    FloatVector a = Lanes.zero();
    FloatVector b = Lanes.zero();
    long i = 0;
    for (; i + 2 * COUNT <= n; i += 2 * COUNT) {
      FloatVector p = Lanes.load(x + 4 * i);
      FloatVector q = Lanes.load(x + 4 * i + Lanes.BYTES);
      a = p.fma(p, a);
      b = q.fma(q, b);
    }
    float squares = Lanes.sum(a.add(b));
    for (; i < n; i++) {
      squares += Raw.f32(x + 4 * i) * Raw.f32(x + 4 * i);
    }
    float r = (float) (1 / Math.sqrt((double) squares / n + eps));
    long panel = ThreadScratch.address();
    for (long k = 0; k < n; k += CHUNK) {
      int count = (int) Math.min(CHUNK, n - k);
      if (w == 0) {
        timesScalar(x + 4 * k, r, count, y + 4 * k);
      } else {
        VectorDecode.span(wType, w, k, count, 1, panel);
        timesScalarTimes(x + 4 * k, r, panel, count, y + 4 * k);
      }
    }
  }

  private static void timesScalar(long x, float r, int n, long y) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.load(x + 4L * i).mul(r), y + 4L * i);
    }
    for (; i < n; i++) {
      Raw.f32(y + 4L * i, Raw.f32(x + 4L * i) * r);
    }
  }

  private static void timesScalarTimes(long x, float r, long w, int n, long y) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.load(x + 4L * i).mul(r).mul(Lanes.load(w + 4L * i)), y + 4L * i);
    }
    for (; i < n; i++) {
      Raw.f32(y + 4L * i, Raw.f32(x + 4L * i) * r * Raw.f32(w + 4L * i));
    }
  }

  @Override
  public void softmax(long x, long n, float scale, long y) {
    float max = largest(x, n, scale);
    float sum = exponentials(x, n, scale, max, y);
    scale(1 / sum, y, n);
  }

  /** The largest scaled element; NaN counts only if the exponentials meet it. */
  private static float largest(long x, long n, float scale) {
    FloatVector best = Lanes.all(Float.NEGATIVE_INFINITY);
    long i = 0;
    for (; i + COUNT <= n; i += COUNT) {
      best = Lanes.larger(best, Lanes.load(x + 4 * i).mul(scale));
    }
    float max = best.reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      float v = Raw.f32(x + 4 * i) * scale;
      max = v > max ? v : max;
    }
    return max;
  }

  /** {@code y = exp(scale * x - max)}; returns the sum. */
  private static float exponentials(long x, long n, float scale, float max, long y) {
    FloatVector sum = Lanes.zero();
    long i = 0;
    for (; i + COUNT <= n; i += COUNT) {
      FloatVector e = Lanes.exp(Lanes.load(x + 4 * i).mul(scale).sub(max));
      Lanes.store(e, y + 4 * i);
      sum = sum.add(e);
    }
    if (i < n) {
      VectorMask<Float> mask = Lanes.first(n - i);
      FloatVector e = Lanes.exp(Lanes.load(x + 4 * i, mask).mul(scale).sub(max));
      Lanes.store(e, y + 4 * i, mask);
      sum = sum.add(e, mask);
    }
    return Lanes.sum(sum);
  }

  @Override
  public void onlineSoftmax(long s, long n, float scale, long max, long sum, long acc, long width) {
    float before = Raw.f32(max);
    float now = Math.max(before, largest(s, n, scale));
    if (now != before) {
      float f = before == Float.NEGATIVE_INFINITY ? 0 : (float) Math.exp(before - now);
      scale(f, acc, width);
      Raw.f32(sum, Raw.f32(sum) * f);
      Raw.f32(max, now);
    }
    Raw.f32(sum, Raw.f32(sum) + exponentials(s, n, scale, now, s));
  }

  @Override
  public double sum(long x, long n) {
    FloatVector a = Lanes.zero();
    FloatVector b = Lanes.zero();
    FloatVector c = Lanes.zero();
    FloatVector d = Lanes.zero();
    long i = 0;
    for (; i + 8 * COUNT <= n; i += 8 * COUNT) {
      long at = x + 4 * i;
      a = a.add(Lanes.load(at));
      b = b.add(Lanes.load(at + Lanes.BYTES));
      c = c.add(Lanes.load(at + 2 * Lanes.BYTES));
      d = d.add(Lanes.load(at + 3 * Lanes.BYTES));
      a = a.add(Lanes.load(at + 4 * Lanes.BYTES));
      b = b.add(Lanes.load(at + 5 * Lanes.BYTES));
      c = c.add(Lanes.load(at + 6 * Lanes.BYTES));
      d = d.add(Lanes.load(at + 7 * Lanes.BYTES));
    }
    for (; i + COUNT <= n; i += COUNT) {
      a = a.add(Lanes.load(x + 4 * i));
    }
    double sum = Lanes.sum(a.add(b).add(c.add(d)));
    for (; i < n; i++) {
      sum += Raw.f32(x + 4 * i);
    }
    return sum;
  }
}
