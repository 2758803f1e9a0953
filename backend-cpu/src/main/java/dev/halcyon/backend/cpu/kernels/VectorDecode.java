package dev.halcyon.backend.cpu.kernels;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShuffle;

/** Weight rows to f32, scales applied: exactly the stored value times the scale, rounded once. */
final class VectorDecode {
  private VectorDecode() {}

  private static final int COUNT = Lanes.COUNT;

  /** Even and odd halves to natural order: the low and the high half of the result. */
  private static final VectorShuffle<Float> ZIP_LOW = VectorShuffle.makeZip(Lanes.F32, 0);

  private static final VectorShuffle<Float> ZIP_HIGH = VectorShuffle.makeZip(Lanes.F32, 1);

  static void row(WeightMatrix w, long n, long k0, long k1, long out) {
    long row = w.row(n);
    if (w.scales() == 0) {
      span(w.type(), row, k0, (int) (k1 - k0), 1, out);
      return;
    }
    for (long k = k0; k < k1; ) {
      long group = k / w.blockK();
      long end = Math.min(k1, (group + 1) * w.blockK());
      span(w.type(), row, k, (int) (end - k), w.scale(n, group), out + 4 * (k - k0));
      k = end;
    }
  }

  static void span(int type, long row, long k0, int n, float scale, long out) {
    long from = row + Storage.bytes(type, k0);
    int done =
        switch (type) {
          case Kernels.F32 -> f32(from, n, scale, out);
          case Kernels.F16 -> f16(from, n, scale, out);
          case Kernels.BF16 -> bf16(from, n, scale, out);
          case Kernels.F8 -> f8(from, n, scale, out);
          case Kernels.I8 -> i8(from, n, scale, out);
          default -> i4(from, n, scale, out);
        };
    for (int i = done; i < n; i++) {
      Raw.f32(out + 4L * i, Storage.load(type, from, i) * scale);
    }
  }

  private static int f32(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.load(from + 4L * i).mul(scale), out + 4L * i);
    }
    return i;
  }

  private static int f16(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.f16(from + 2L * i).mul(scale), out + 4L * i);
    }
    return i;
  }

  private static int bf16(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.bf16(from + 2L * i).mul(scale), out + 4L * i);
    }
    return i;
  }

  private static int f8(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.f8(from + i).mul(scale), out + 4L * i);
    }
    return i;
  }

  private static int i8(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - COUNT; i += COUNT) {
      Lanes.store(Lanes.i8(from + i).mul(scale), out + 4L * i);
    }
    return i;
  }

  private static int i4(long from, int n, float scale, long out) {
    int i = 0;
    for (; i <= n - 2 * COUNT; i += 2 * COUNT) {
      IntVector bytes = Lanes.bytes(from + (i >> 1));
      FloatVector even = Lanes.lowNibbles(bytes).mul(scale);
      FloatVector odd = Lanes.highNibbles(bytes).mul(scale);
      Lanes.store(even.rearrange(ZIP_LOW, odd), out + 4L * i);
      Lanes.store(even.rearrange(ZIP_HIGH, odd), out + 4L * i + Lanes.BYTES);
    }
    return i;
  }
}
