package dev.halcyon.backend.cpu.kernels;

/** RMSNORM, ROPE and KV_APPEND. */
final class NormKernels {
  private final KernelMath math;

  NormKernels(KernelMath math) {
    this.math = math;
  }

  void rmsNorm(long slots, long begin, long end) {
    long n = Raw.slot(slots, 3);
    long w = Raw.slot(slots, 6);
    int wType = (int) Raw.slot(slots, 7);
    double eps = Raw.real(slots, 8);
    long r = Raw.slot(slots, 9);
    long sum = Raw.slot(slots, 11);
    for (long i = begin; i < end; i++) {
      long v = Raw.slot(slots, 1) + 4 * i * Raw.slot(slots, 2);
      long y = Raw.slot(slots, 4) + 4 * i * Raw.slot(slots, 5);
      if (r != 0) {
        long to = sum == 0 ? y : sum + 4 * i * Raw.slot(slots, 12);
        math.add(v, r + 4 * i * Raw.slot(slots, 10), to, n);
        v = to;
      }
      math.rmsNorm(v, n, w, wType, eps, y);
    }
  }

  static void rope(long slots, long begin, long end) {
    long heads = Raw.slot(slots, 4);
    long rot = Raw.slot(slots, 6);
    boolean interleaved = Raw.slot(slots, 14) != 0;
    float sign = Raw.slot(slots, 15) != 0 ? -1 : 1;
    for (long row = begin; row < end; row++) {
      long angle = 4 * Raw.i32(Raw.slot(slots, 13) + 4 * row) * (rot / 2);
      long cos = Raw.slot(slots, 11) + angle;
      long sin = Raw.slot(slots, 12) + angle;
      long x = Raw.slot(slots, 1) + 4 * (row * Raw.slot(slots, 2) + Raw.slot(slots, 5));
      long y = Raw.slot(slots, 7) + 4 * (row * Raw.slot(slots, 8) + Raw.slot(slots, 10));
      for (long h = 0; h < heads; h++) {
        long xh = x + 4 * h * Raw.slot(slots, 3);
        long yh = y + 4 * h * Raw.slot(slots, 9);
        rotate(xh, yh, rot, cos, sin, interleaved, sign);
      }
    }
  }

  private static void rotate(
      long x, long y, long rot, long cos, long sin, boolean interleaved, float sign) {
    long half = rot / 2;
    for (long i = 0; i < half; i++) {
      long p = 4 * (interleaved ? 2 * i : i);
      long q = 4 * (interleaved ? 2 * i + 1 : i + half);
      float a = Raw.f32(x + p);
      float b = Raw.f32(x + q);
      float c = Raw.f32(cos + 4 * i);
      float s = sign * Raw.f32(sin + 4 * i);
      Raw.f32(y + p, a * c - b * s);
      Raw.f32(y + q, a * s + b * c);
    }
  }

  void kvAppend(long slots, long begin, long end) {
    long row = Raw.slot(slots, 0);
    long latent = Raw.slot(slots, 3);
    long rope = Raw.slot(slots, 4);
    double eps = Raw.real(slots, 7);
    for (long t = begin; t < end; t++) {
      int slot = Raw.i32(Raw.slot(slots, 11) + 4 * t);
      if (slot < 0) {
        continue;
      }
      long kv = Raw.slot(slots, 1) + 4 * t * Raw.slot(slots, 2);
      math.rmsNorm(kv, latent, Raw.slot(slots, 5), (int) Raw.slot(slots, 6), eps, row);
      long angle = 4 * Raw.i32(Raw.slot(slots, 10) + 4 * t) * (rope / 2);
      long cos = Raw.slot(slots, 8) + angle;
      long sin = Raw.slot(slots, 9) + angle;
      rotate(kv + 4 * latent, row + 4 * latent, rope, cos, sin, true, 1);
      long to = Raw.slot(slots, 12) + slot * Raw.slot(slots, 13);
      Storage.storeRow((int) Raw.slot(slots, 14), row, latent + rope, to);
    }
  }
}
