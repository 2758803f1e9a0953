package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.cpu.kernels.TestWeights.Scaling;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** LINEAR and HEAD_MATMUL against f64. */
class LinearKernelTest {
  private static final double EPS = 1e-6;
  private static final int TYPES = 6;

  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  private static List<Scaling> scalings() {
    return List.of(
        Scaling.NONE,
        new Scaling(Kernels.SCALE_F32, 1, 1 << 20),
        new Scaling(Kernels.SCALE_F16, 1, 32),
        new Scaling(Kernels.SCALE_UE8M0, 16, 128),
        new Scaling(Kernels.SCALE_BF16, 3, 64),
        new Scaling(Kernels.SCALE_F32, 2, 6));
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void everyWeightTypeAndScale(KernelTier tier) {
    for (int type = 0; type < TYPES; type++) {
      for (Scaling scaling : scalings()) {
        for (int k : new int[] {1, 31, 64, 333, 1100}) {
          for (int m : new int[] {1, 2, 3, 4, 5, 11}) {
            linear(tier, type, scaling, m, 13, k, 1 + type % 3);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void longRowsAndManyTokens(KernelTier tier) {
    for (int type = 0; type < TYPES; type++) {
      linear(tier, type, new Scaling(Kernels.SCALE_F16, 1, 96), 1, 5, 34_000, 0);
      linear(tier, type, Scaling.NONE, 1, 5, 34_003, 0);
      linear(tier, type, Scaling.NONE, 137, 26, 70, 0);
    }
  }

  private static void linear(
      KernelTier tier, int type, Scaling scaling, int m, int n, int k, int shift) {
    try (Bench bench = new Bench(tier)) {
      TestWeights w = new TestWeights(bench, type, n, k, scaling, shift);
      int ldx = k + 3;
      int ldy = n + 2;
      long x = bench.randoms((long) m * ldx);
      long bias = bench.randoms(n);
      long residual = bench.randoms((long) m * ldy);
      long whole = bench.floats((long) m * ldy);
      long cut = bench.floats((long) m * ldy);
      long[] slots = Bench.slots(0, x, ldx, m, n, k, whole, ldy, bias, residual, ldy, w.slots);
      bench.run(Kernels.LINEAR, slots, n);
      slots[6] = cut;
      bench.run(Kernels.LINEAR, slots, n, 3);
      String what = tier.name() + " type " + type + " " + scaling + " m " + m + " k " + k;
      // the C tier sums a chunk's last rows in another order
      float ulps = tier.name().startsWith("c/") ? 1e-6f * k * (float) bound(w) : 0;
      float[] atOnce = Bench.read(whole, m * ldy);
      assertArrayEquals(atOnce, Bench.read(cut, m * ldy), ulps, what + " cut");
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          double b = Raw.f32(bias + 4L * j);
          double r = Raw.f32(residual + 4L * (i * ldy + j));
          double want = b + r;
          double size = Math.abs(b) + Math.abs(r);
          for (int c = 0; c < k; c++) {
            double p = Raw.f32(x + 4L * (i * ldx + c)) * w.values[j][c];
            want += p;
            size += Math.abs(p);
          }
          Bench.near(
              what + " at " + i + "," + j, Raw.f32(whole + 4L * (i * ldy + j)), want, EPS * size);
        }
        assertTrue(Raw.f32(whole + 4L * (i * ldy + n)) == 1e30f, what + ": wrote past the row");
      }
      // in place over the residual, no bias
      slots = Bench.slots(0, x, ldx, m, n, k, residual, ldy, 0, residual, ldy, w.slots);
      bench.run(Kernels.LINEAR, slots, n, 7);
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          float y = Raw.f32(residual + 4L * (i * ldy + j));
          float size = Math.abs(y) + k;
          double want = Raw.f32(whole + 4L * (i * ldy + j)) - Raw.f32(bias + 4L * j);
          Bench.near(what + " in place", y, want, 2e-6 * size * bound(w));
        }
      }
    }
  }

  private static double bound(TestWeights w) {
    double max = 1;
    for (double[] row : w.values) {
      for (double v : row) {
        max = Math.max(max, Math.abs(v));
      }
    }
    return max;
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void notANumberAndInfinity(KernelTier tier) {
    for (int k : new int[] {5, 64, 130}) {
      for (int m : new int[] {1, 6}) {
        for (int type : new int[] {Kernels.F32, Kernels.F16, Kernels.BF16, Kernels.F8}) {
          for (int place : new int[] {0, k / 2, k - 1}) {
            special(tier, k, m, type, place);
          }
        }
      }
    }
  }

  /** Row 1 of W holds a NaN, row 3 an infinity (F8 has none); the other rows stay finite. */
  private static void special(KernelTier tier, int k, int m, int type, int place) {
    try (Bench bench = new Bench(tier)) {
      TestWeights w = new TestWeights(bench, type, 6, k, Scaling.NONE, 0);
      long bytes = TestWeights.storedBytes(type, 1);
      long nan = w.data + w.rowBytes + place * bytes;
      long inf = w.data + 3 * w.rowBytes + place * bytes;
      switch (type) {
        case Kernels.F32 -> {
          Raw.f32(nan, Float.NaN);
          Raw.f32(inf, Float.NEGATIVE_INFINITY);
        }
        case Kernels.F16 -> {
          Raw.i16(nan, (short) 0x7e00);
          Raw.i16(inf, (short) 0xfc00);
        }
        case Kernels.BF16 -> {
          Raw.i16(nan, (short) 0x7fc0);
          Raw.i16(inf, (short) 0xff80);
        }
        default -> Raw.i8(nan, (byte) 0xff);
      }
      float[] ones = new float[m * k];
      Arrays.fill(ones, 1);
      long x = bench.floats(ones);
      long y = bench.floats(m * 6L);
      bench.run(Kernels.LINEAR, Bench.slots(0, x, k, m, 6, k, y, 6, 0, 0, 0, w.slots), 6);
      String what = tier.name() + " type " + type + " k " + k + " m " + m + " at " + place;
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < 6; j++) {
          float v = Raw.f32(y + 4L * (i * 6 + j));
          boolean ok =
              switch (j) {
                case 1 -> Float.isNaN(v);
                case 3 -> type == Kernels.F8 ? Float.isFinite(v) : v == Float.NEGATIVE_INFINITY;
                default -> Float.isFinite(v);
              };
          assertTrue(ok, what + " row " + j + ": " + v);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void headMatmul(KernelTier tier) {
    List<Scaling> scalings =
        List.of(Scaling.NONE, new Scaling(Kernels.SCALE_F32, 4, 32), new Scaling(1, 1, 10));
    for (int type = 0; type < TYPES; type++) {
      for (Scaling scaling : scalings) {
        for (int transposed = 0; transposed < 2; transposed++) {
          for (int tokens : new int[] {1, 3, 9}) {
            head(tier, type, scaling, transposed, tokens, 2, 1, 37, 150);
            head(tier, type, scaling, transposed, tokens, 3, 3, 70, 131);
          }
        }
      }
    }
    head(tier, Kernels.BF16, Scaling.NONE, 1, 2, 1, 1, 3, 4500);
  }

  private static void head(
      KernelTier tier,
      int type,
      Scaling scaling,
      int transposed,
      int tokens,
      int heads,
      int blocks,
      int rows,
      int columns) {
    try (Bench bench = new Bench(tier)) {
      int perHead = rows + 5;
      TestWeights w = new TestWeights(bench, type, heads * perHead, columns, scaling, 1);
      int in = transposed == 1 ? rows : columns;
      int out = transposed == 1 ? columns : rows;
      long x = bench.randoms((long) tokens * heads * in);
      long y = bench.floats((long) tokens * heads * out);
      Object[] parts = {
        bench.scratch,
        x,
        heads * in,
        in,
        tokens,
        heads,
        rows,
        columns,
        y,
        heads * out,
        out,
        transposed,
        perHead,
        3,
        blocks,
        w.slots
      };
      bench.run(Kernels.HEAD_MATMUL, Bench.slots(parts), (long) heads * blocks, 1);
      String what =
          tier.name() + " head type " + type + " " + scaling + " transposed " + transposed;
      for (int t = 0; t < tokens; t++) {
        for (int h = 0; h < heads; h++) {
          for (int o = 0; o < out; o++) {
            double want = 0;
            double size = 0;
            for (int i = 0; i < in; i++) {
              int n = h * perHead + 3 + (transposed == 1 ? i : o);
              double p =
                  Raw.f32(x + 4L * ((t * heads + h) * in + i))
                      * w.values[n][transposed == 1 ? o : i];
              want += p;
              size += Math.abs(p);
            }
            float got = Raw.f32(y + 4L * ((t * heads + h) * out + o));
            Bench.near(what + " " + t + "," + h + "," + o, got, want, EPS * size + 1e-30);
          }
        }
      }
    }
  }
}
