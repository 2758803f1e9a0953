package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.cpu.kernels.TestWeights.Scaling;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Norm, rotation, cache and elementwise rows against f64. */
class RowKernelTest {
  private static final float NAN = Float.NaN;
  private static final float INF = Float.POSITIVE_INFINITY;

  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void rmsNorm(KernelTier tier) {
    for (int type = -1; type < 3; type++) {
      for (int n : new int[] {1, 5, 16, 52, 99, 257}) {
        for (int mode = 0; mode < 3; mode++) {
          rmsNorm(tier, type, n, mode);
        }
      }
    }
  }

  /** Mode 0: plain, 1: with residual kept in y, 2: with residual stored over it. Type -1: no w. */
  private static void rmsNorm(KernelTier tier, int type, int n, int mode) {
    try (Bench bench = new Bench(tier)) {
      TestWeights w = new TestWeights(bench, Math.max(0, type), 1, n, Scaling.NONE, 1);
      int rows = 3;
      long x = bench.randoms((long) rows * n);
      long r = bench.randoms((long) rows * n);
      float[] before = Bench.read(r, rows * n);
      long y = bench.floats((long) rows * (n + 1));
      Object[] parts = {
        0,
        x,
        n,
        n,
        y,
        n + 1,
        type < 0 ? 0 : w.data,
        type,
        1e-6,
        mode == 0 ? 0 : r,
        n,
        mode == 2 ? r : 0,
        n
      };
      bench.run(Kernels.RMSNORM, Bench.slots(parts), rows, 2);
      for (int i = 0; i < rows; i++) {
        double squares = 0;
        double[] v = new double[n];
        for (int k = 0; k < n; k++) {
          v[k] = Raw.f32(x + 4L * (i * n + k)) + (mode == 0 ? 0.0 : before[i * n + k]);
          squares += v[k] * v[k];
        }
        for (int k = 0; k < n; k++) {
          double want = v[k] / Math.sqrt(squares / n + 1e-6) * (type < 0 ? 1 : w.values[0][k]);
          float got = Raw.f32(y + 4L * (i * (n + 1) + k));
          Bench.near(tier.name() + " rmsnorm", got, want, 3e-6 * Math.max(0.1, Math.abs(want)));
          if (mode == 2) {
            Bench.near(tier.name() + " sum", Raw.f32(r + 4L * (i * n + k)), v[k], 3e-7);
          }
        }
        assertEquals(1e30f, Raw.f32(y + 4L * (i * (n + 1) + n)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void rope(KernelTier tier) {
    for (int variant = 0; variant < 4; variant++) {
      try (Bench bench = new Bench(tier)) {
        int heads = 3;
        int d = 14;
        int off = 8;
        int rot = 6;
        int[] positions = {3, 0, 49};
        long cos = bench.randoms(50L * rot / 2);
        long sin = bench.randoms(50L * rot / 2);
        long x = bench.randoms((long) positions.length * heads * d);
        float[] before = Bench.read(x, positions.length * heads * d);
        boolean interleaved = (variant & 1) != 0;
        boolean inverse = (variant & 2) != 0;
        Object[] parts = {
          0,
          x,
          heads * d,
          d,
          heads,
          off,
          rot,
          x,
          heads * d,
          d,
          off,
          cos,
          sin,
          bench.ints(positions),
          interleaved ? 1 : 0,
          inverse ? 1 : 0
        };
        bench.run(Kernels.ROPE, Bench.slots(parts), positions.length, 1);
        for (int row = 0; row < positions.length * heads; row++) {
          double[] want = new double[d];
          for (int i = 0; i < d; i++) {
            want[i] = before[row * d + i];
          }
          for (int i = 0; i < rot / 2; i++) {
            int p = off + (interleaved ? 2 * i : i);
            int q = off + (interleaved ? 2 * i + 1 : i + rot / 2);
            long angle = 4L * (positions[row / heads] * rot / 2 + i);
            double c = Raw.f32(cos + angle);
            double s = (inverse ? -1 : 1) * Raw.f32(sin + angle);
            double a = want[p];
            double b = want[q];
            want[p] = a * c - b * s;
            want[q] = a * s + b * c;
          }
          for (int i = 0; i < d; i++) {
            Bench.near(tier.name() + " rope", Raw.f32(x + 4L * (row * d + i)), want[i], 3e-7);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void kvAppend(KernelTier tier) {
    for (int type = 0; type < 3; type++) {
      try (Bench bench = new Bench(tier)) {
        int latent = 37;
        int rope = 6;
        int width = latent + rope;
        int[] positions = {3, 0, 19, 7};
        int[] slot = {2, -1, 0, 4};
        long kv = bench.randoms(4L * width);
        long w = bench.randoms(latent);
        long cos = bench.randoms(20L * 3);
        long sin = bench.randoms(20L * 3);
        long rowBytes = TestWeights.storedBytes(type, width);
        long cache = bench.bytes(5 * rowBytes, 0);
        Raw.ALL.asSlice(cache, 5 * rowBytes).fill((byte) 0x11);
        Object[] parts = {
          bench.scratch,
          kv,
          width,
          latent,
          rope,
          w,
          0,
          1e-6,
          cos,
          sin,
          bench.ints(positions),
          bench.ints(slot),
          cache,
          rowBytes,
          type
        };
        bench.run(Kernels.KV_APPEND, Bench.slots(parts), 4, 1);
        double relative = new double[] {3e-6, 6e-4, 5e-3}[type];
        for (int t = 0; t < 4; t++) {
          if (slot[t] < 0) {
            continue;
          }
          double squares = 0;
          for (int i = 0; i < latent; i++) {
            squares += Math.pow(Raw.f32(kv + 4L * (t * width + i)), 2);
          }
          double[] want = new double[width];
          for (int i = 0; i < latent; i++) {
            double v = Raw.f32(kv + 4L * (t * width + i));
            want[i] = v / Math.sqrt(squares / latent + 1e-6) * Raw.f32(w + 4L * i);
          }
          for (int i = 0; i < rope / 2; i++) {
            double a = Raw.f32(kv + 4L * (t * width + latent + 2 * i));
            double b = Raw.f32(kv + 4L * (t * width + latent + 2 * i + 1));
            double c = Raw.f32(cos + 4L * (positions[t] * 3 + i));
            double s = Raw.f32(sin + 4L * (positions[t] * 3 + i));
            want[latent + 2 * i] = a * c - b * s;
            want[latent + 2 * i + 1] = a * s + b * c;
          }
          for (int i = 0; i < width; i++) {
            long row = cache + slot[t] * rowBytes;
            double got =
                switch (type) {
                  case Kernels.F32 -> Raw.f32(row + 4L * i);
                  case Kernels.F16 -> TestWeights.fields(Raw.i16(row + 2L * i), 5, 10);
                  default -> TestWeights.fields(Raw.i16(row + 2L * i), 8, 7);
                };
            Bench.near(
                tier.name() + " kv", (float) got, want[i], relative * Math.abs(want[i]) + 1e-6);
          }
        }
        assertEquals(0x11, Raw.i8(cache + rowBytes), "a row that no token maps to");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void swiGluAndAdd(KernelTier tier) {
    for (int n : new int[] {1, 7, 16, 33, 100}) {
      try (Bench bench = new Bench(tier)) {
        long g = bench.bytes(4L * n * 2, 0);
        for (int i = 0; i < 2 * n; i++) {
          Raw.f32(g + 4L * i, (bench.random.nextFloat() - 0.5f) * (i % 5 == 0 ? 300 : 12));
        }
        float[] gs = Bench.read(g, 2 * n);
        long u = bench.randoms(2L * n);
        bench.run(Kernels.SWIGLU, Bench.slots(0, g, n, u, n, g, n, n), 2, 1);
        long sum = bench.floats(2L * n);
        bench.run(Kernels.ADD, Bench.slots(0, g, u, sum), 2L * n, 5);
        for (int i = 0; i < 2 * n; i++) {
          double v = Raw.f32(u + 4L * i);
          double want = gs[i] / (1 + Math.exp(-gs[i])) * v;
          float got = Raw.f32(g + 4L * i);
          Bench.near(tier.name() + " swiglu " + gs[i], got, want, 1e-6 * Math.abs(want) + 1e-36);
          assertEquals(got + Raw.f32(u + 4L * i), Raw.f32(sum + 4L * i));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void swiGluOfSpecialValues(KernelTier tier) {
    try (Bench bench = new Bench(tier)) {
      long g = bench.floats(NAN, INF, 0, -0f, 1e-40f, -1e4f, 1e4f, 3);
      long u = bench.floats(1, 1, 5, 5, 1, 1, 1, NAN);
      long y = bench.floats(8);
      bench.run(Kernels.SWIGLU, Bench.slots(0, g, 8, u, 8, y, 8, 8), 1);
      float[] got = Bench.read(y, 8);
      assertTrue(Float.isNaN(got[0]) && Float.isNaN(got[7]), tier.name());
      assertArrayEquals(new float[] {INF, 0, -0f}, Arrays.copyOfRange(got, 1, 4));
      assertTrue(Math.abs(got[5]) < 1e-30f && got[6] == 1e4f, tier.name() + " " + got[5]);
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void softmax(KernelTier tier) {
    for (int n : new int[] {1, 3, 16, 47, 130}) {
      try (Bench bench = new Bench(tier)) {
        int[] valid = {n, (n + 1) / 2, 0, 3 * n};
        long x = bench.bytes(16L * n, 0);
        for (int i = 0; i < 4 * n; i++) {
          Raw.f32(x + 4L * i, 40 * bench.random.nextFloat() + 500);
        }
        float[] before = Bench.read(x, 4 * n);
        bench.run(Kernels.SOFTMAX, Bench.slots(0, x, n, n, x, n, bench.ints(valid), 0.5), 4, 3);
        for (int row = 0; row < 4; row++) {
          int count = Math.min(n, valid[row]);
          double max = Double.NEGATIVE_INFINITY;
          double sum = 0;
          for (int i = 0; i < count; i++) {
            max = Math.max(max, 0.5 * before[row * n + i]);
          }
          for (int i = 0; i < count; i++) {
            sum += Math.exp(0.5 * before[row * n + i] - max);
          }
          for (int i = 0; i < n; i++) {
            double want = i < count ? Math.exp(0.5 * before[row * n + i] - max) / sum : 0;
            float got = Raw.f32(x + 4L * (row * n + i));
            Bench.near(tier.name() + " softmax", got, want, 2e-6 * want);
          }
        }
      }
    }
    try (Bench bench = new Bench(tier)) {
      long x = bench.floats(1, Float.NEGATIVE_INFINITY, 1, 2, NAN, 3);
      bench.run(Kernels.SOFTMAX, Bench.slots(0, x, 3, 3, x, 3, 0, 1.0), 2);
      float[] got = Bench.read(x, 6);
      assertArrayEquals(new float[] {.5f, 0, .5f}, Arrays.copyOf(got, 3), tier.name());
      assertTrue(Float.isNaN(got[3]) && Float.isNaN(got[4]) && Float.isNaN(got[5]));
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void readBandwidth(KernelTier tier) {
    for (int lines : new int[] {1, 3, 8, 37}) {
      try (Bench bench = new Bench(tier)) {
        long x = bench.randoms(16L * lines);
        double want = 0;
        for (int i = 0; i < 16 * lines; i++) {
          want += Raw.f32(x + 4L * i);
        }
        bench.run(Kernels.READ_BANDWIDTH, Bench.slots(bench.scratch, x), lines);
        double got = Double.longBitsToDouble(Raw.i64(bench.scratch));
        assertEquals(want, got, 1e-4, tier.name());
      }
    }
  }
}
