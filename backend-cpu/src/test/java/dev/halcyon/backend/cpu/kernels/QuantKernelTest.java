package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.cpu.kernels.TestWeights.Scaling;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Conversions are correctly rounded, every bit pattern of the small types included. */
class QuantKernelTest {
  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void dequant(KernelTier tier) {
    for (int type = 0; type < 6; type++) {
      for (int k : new int[] {1, 15, 64, 97, 300}) {
        for (Scaling scaling :
            List.of(
                Scaling.NONE,
                new Scaling(Kernels.SCALE_F16, 1, 32),
                new Scaling(Kernels.SCALE_UE8M0, 2, 10),
                new Scaling(Kernels.SCALE_F32, 1, 128))) {
          try (Bench bench = new Bench(tier)) {
            TestWeights w = new TestWeights(bench, type, 5, k, scaling, 3);
            int[] ids = {4, 0, 0, 3};
            long y = bench.floats(4L * k);
            bench.run(Kernels.DEQUANT, Bench.slots(0, bench.ints(ids), k, y, k, w.slots), 4, 1);
            for (int i = 0; i < 4; i++) {
              for (int c = 0; c < k; c++) {
                float want = (float) w.values[ids[i]][c]; // f32 times f32 rounds once
                assertEquals(want, Raw.f32(y + 4L * (i * k + c)), 0f, tier.name() + " " + type);
              }
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void everyPatternToF32(KernelTier tier) {
    patterns(tier, Kernels.F16, 5, 10, 65536);
    patterns(tier, Kernels.BF16, 8, 7, 65536);
    patterns(tier, Kernels.F8, 4, 3, 256);
  }

  private static void patterns(
      KernelTier tier, int type, int exponentBits, int mantissaBits, int count) {
    try (Bench bench = new Bench(tier)) {
      long from = bench.bytes(TestWeights.storedBytes(type, count), 0);
      for (int i = 0; i < count; i++) {
        if (type == Kernels.F8) {
          Raw.i8(from + i, (byte) i);
        } else {
          Raw.i16(from + 2L * i, (short) i);
        }
      }
      long to = bench.floats(count);
      long back = bench.bytes(TestWeights.storedBytes(type, count), 0);
      bench.run(Kernels.CONVERT, Bench.slots(0, from, type, to, Kernels.F32), count, 1500);
      bench.run(Kernels.CONVERT, Bench.slots(0, to, Kernels.F32, back, type), count, 1500);
      for (int i = 0; i < count; i++) {
        int magnitude = i & (1 << exponentBits + mantissaBits) - 1;
        int top = (1 << exponentBits) - 1 << mantissaBits;
        boolean nan = type == Kernels.F8 ? magnitude == 0x7f : magnitude > top;
        float got = Raw.f32(to + 4L * i);
        String what = tier.name() + " type " + type + " pattern " + i + ": " + got;
        if (nan) {
          assertTrue(Float.isNaN(got), what);
          continue;
        }
        double want = TestWeights.fields(i, exponentBits, mantissaBits);
        if (type != Kernels.F8 && magnitude == top) {
          want = i == magnitude ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
        }
        assertEquals(Float.floatToIntBits((float) want), Float.floatToIntBits(got), what);
        int round = type == Kernels.F8 ? Raw.i8(back + i) & 0xff : Raw.i16(back + 2L * i) & 0xffff;
        assertEquals(i, round, what + " and back");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void roundsToNearestEven(KernelTier tier) {
    rounding(tier, Kernels.F16, 5, 10, 0x7bff);
    rounding(tier, Kernels.BF16, 8, 7, 0x7f7f);
    rounding(tier, Kernels.F8, 4, 3, 0x7e);
  }

  /** Between neighbours i and i+1: just below, at and just above the middle. */
  private static void rounding(
      KernelTier tier, int type, int exponentBits, int mantissaBits, int largest) {
    try (Bench bench = new Bench(tier)) {
      int step = largest > 256 ? 7 : 1;
      for (int i = 0; i < largest; i += step) {
        double middle =
            (TestWeights.fields(i, exponentBits, mantissaBits)
                    + TestWeights.fields(i + 1, exponentBits, mantissaBits))
                / 2;
        float m = (float) middle;
        if (m != middle) {
          continue; // subnormal bf16: no f32 in between
        }
        float[] values = {Math.nextDown(m), m, Math.nextUp(m), -m};
        if (i % (16 * step) == 0 || largest < 256) {
          assertStored(bench, type, values, i, largest > 256 ? 0x8000 : 0x80);
        }
      }
      int sign = type == Kernels.F8 ? 0x80 : 0x8000;
      float inf = Float.POSITIVE_INFINITY;
      int overflow = type == Kernels.F8 ? largest : largest + 1;
      long from = bench.floats(inf, -inf, Float.MAX_VALUE);
      long to = bench.bytes(6, 0);
      bench.run(Kernels.CONVERT, Bench.slots(0, from, Kernels.F32, to, type), 3);
      assertEquals(overflow, stored(type, to, 0), tier.name());
      assertEquals(overflow | sign, stored(type, to, 1), tier.name());
      assertEquals(overflow, stored(type, to, 2), tier.name());
    }
  }

  private static int stored(int type, long to, int i) {
    return type == Kernels.F8 ? Raw.i8(to + i) & 0xff : Raw.i16(to + 2L * i) & 0xffff;
  }

  private static void assertStored(Bench bench, int type, float[] values, int i, int sign) {
    long from = bench.floats(values);
    long to = bench.bytes(8, 0);
    bench.run(Kernels.CONVERT, Bench.slots(0, from, Kernels.F32, to, type), 4);
    int even = (i & 1) == 0 ? i : i + 1;
    int[] want = {i, even, i + 1, even | sign};
    for (int j = 0; j < 4; j++) {
      assertEquals(want[j], stored(type, to, j), bench.tier.name() + " of " + values[j]);
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void quantize(KernelTier tier) {
    for (int type : new int[] {Kernels.I8, Kernels.I4}) {
      for (int k : new int[] {64, 90, 33}) {
        try (Bench bench = new Bench(tier)) {
          int group = 32;
          int rows = 3;
          int groups = (k + group - 1) / group;
          TestWeights w = new TestWeights(bench, Kernels.F32, rows, k, Scaling.NONE, 0);
          for (int i = 0; i < Math.min(k, group); i++) {
            Raw.f32(w.data + 4L * i, 0); // a group of zeros
          }
          long bytes = TestWeights.storedBytes(type, k);
          long out = bench.bytes(rows * bytes, 0);
          long scales = bench.bytes(2L * rows * groups, 0);
          Object[] parts = {bench.scratch, k, group, out, bytes, type, scales, groups, w.slots};
          bench.run(Kernels.QUANTIZE, Bench.slots(parts), rows, 1);
          for (int n = 0; n < rows; n++) {
            for (int c = 0; c < k; c++) {
              double s = TestWeights.fields(Raw.i16(scales + 2L * (n * groups + c / group)), 5, 10);
              int q =
                  type == Kernels.I8
                      ? Raw.i8(out + n * bytes + c)
                      : (Raw.i8(out + n * bytes + c / 2) >> 4 * (c & 1) & 15 ^ 8) - 8;
              float x = Raw.f32(w.data + n * w.rowBytes + 4L * c);
              double limit = type == Kernels.I8 ? 127 : q == 7 ? 1.5 : 0.5;
              double error = Math.abs(q * s - x);
              boolean end = Math.abs(q) == 127 || q == 7 || q == -8;
              double bound = (end ? Math.max(0.51, type == Kernels.I8 ? 0.6 : limit) : 0.5001);
              assertTrue(error <= bound * Math.abs(s) + 1e-7, tier.name() + " " + q + " " + x / s);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void actQuantFp8(KernelTier tier) {
    for (int powerOfTwo = 0; powerOfTwo < 2; powerOfTwo++) {
      try (Bench bench = new Bench(tier)) {
        int k = 300;
        long x = bench.randoms(2 * k);
        for (int i = 0; i < 128; i++) {
          Raw.f32(x + 4L * i, 0); // amax is clamped from below
        }
        long q = bench.bytes(2 * k, 0);
        long scales = bench.floats(6);
        bench.run(
            Kernels.ACT_QUANT_FP8, Bench.slots(0, x, k, k, q, k, scales, 3, powerOfTwo), 2, 1);
        for (int row = 0; row < 2; row++) {
          for (int b = 0; b < 3; b++) {
            float amax = 1e-4f;
            for (int i = b * 128; i < Math.min(k, b * 128 + 128); i++) {
              amax = Math.max(amax, Math.abs(Raw.f32(x + 4L * (row * k + i))));
            }
            float want = amax / 448;
            if (powerOfTwo == 1) {
              want = (float) Math.pow(2, Math.ceil(Math.log(want) / Math.log(2)));
            }
            float s = Raw.f32(scales + 4L * (row * 3 + b));
            assertEquals(want, s, tier.name());
            for (int i = b * 128; i < Math.min(k, b * 128 + 128); i++) {
              double got = TestWeights.fields(Raw.i8(q + row * k + i) & 0xff, 4, 3);
              double exact = Raw.f32(x + 4L * (row * k + i)) / (double) s;
              double bound = Math.max(Math.abs(exact) / 16, Math.scalb(1.0, -10)) * 1.0001;
              assertTrue(Math.abs(got - exact) <= bound, tier.name() + " " + got + " " + exact);
            }
          }
        }
      }
    }
  }

  /** The generator is a contract: all tiers make the same bytes, however the space is cut. */
  @ParameterizedTest
  @MethodSource("tiers")
  void fillRandom(KernelTier tier) {
    for (int type = 0; type < 6; type++) {
      int n = 1000;
      try (Bench bench = new Bench(tier);
          Bench reference = new Bench(KernelTiers.scalar())) {
        long bytes = TestWeights.storedBytes(type, n);
        long got = bench.bytes(bytes, 0);
        long want = reference.bytes(bytes, 0);
        bench.run(Kernels.FILL_RANDOM, Bench.slots(0, got, type, 99, 0.5), n, 334);
        reference.run(Kernels.FILL_RANDOM, Bench.slots(0, want, type, 99, 0.5), n);
        double mean = 0;
        for (long i = 0; i < bytes; i++) {
          assertEquals(Raw.i8(want + i), Raw.i8(got + i), tier.name() + " type " + type + " " + i);
        }
        for (int i = 0; type == Kernels.F32 && i < n; i++) {
          assertTrue(Math.abs(Raw.f32(got + 4L * i)) < 0.5f);
          mean += Raw.f32(got + 4L * i) / n;
        }
        assertTrue(Math.abs(mean) < 0.05, "mean " + mean);
      }
    }
  }
}
