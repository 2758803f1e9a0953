package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** MOE_GATING, TOPK and ARGMAX: exact order, ties, NaN. */
class GatingKernelTest {
  private static final float NAN = Float.NaN;
  private static final float LOW = Float.NEGATIVE_INFINITY;

  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  /** Indices in descending order, lowest first on ties, NaN last. */
  private static int[] order(double[] values) {
    Comparator<Integer> byValue =
        (a, b) -> {
          if (Double.isNaN(values[a]) || Double.isNaN(values[b])) {
            return Boolean.compare(Double.isNaN(values[a]), Double.isNaN(values[b]));
          }
          return values[a] == values[b] ? 0 : Double.compare(values[b], values[a]);
        };
    return IntStream.range(0, values.length)
        .boxed()
        .sorted(byValue)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void gating(KernelTier tier) {
    for (int variant = 0; variant < 32; variant++) {
      try (Bench bench = new Bench(tier)) {
        gating(bench, variant);
      }
    }
  }

  private static void gating(Bench bench, int variant) {
    boolean sigmoid = (variant & 1) != 0;
    boolean topTwo = (variant & 2) != 0;
    int groups = (variant & 4) != 0 ? 8 : 1;
    boolean renormalise = (variant & 8) != 0;
    boolean ties = (variant & 16) != 0;
    int experts = 40;
    int k = 5;
    int keep = 3;
    int tokens = 4;
    int size = experts / groups;
    long x = bench.randoms((long) tokens * experts);
    float[] bias = new float[experts];
    for (int e = 0; e < experts; e++) { // negative choices tell minus infinity from 0
      bias[e] = ties ? -1 : bench.random.nextFloat() - 1.5f;
    }
    for (int i = 0; ties && i < tokens * experts; i++) {
      Raw.f32(x + 4L * i, 0.25f);
    }
    long biasAt = topTwo ? bench.floats(bias) : 0;
    long ids = bench.bytes(4L * tokens * k, 0);
    long weights = bench.floats((long) tokens * k);
    Object[] parts = {
      bench.scratch,
      x,
      experts,
      experts,
      k,
      sigmoid ? 1 : 0,
      biasAt,
      groups,
      keep,
      topTwo ? 1 : 0,
      renormalise ? 1 : 0,
      2.5,
      ids,
      weights
    };
    bench.run(Kernels.MOE_GATING, Bench.slots(parts), tokens, 1);
    for (int t = 0; t < tokens; t++) {
      double[] score = new double[experts];
      double sum = 0;
      for (int e = 0; e < experts; e++) {
        double v = Raw.f32(x + 4L * (t * experts + e));
        score[e] = sigmoid ? 1 / (1 + Math.exp(-v)) : Math.exp(v);
        sum += score[e];
      }
      double[] choice = new double[experts];
      for (int e = 0; e < experts; e++) {
        score[e] /= sigmoid ? 1 : sum;
        choice[e] = score[e] + (topTwo ? bias[e] : 0);
      }
      if (groups > 1) {
        double[] best = new double[groups];
        for (int g = 0; g < groups; g++) {
          double[] sorted = Arrays.copyOfRange(choice, g * size, (g + 1) * size);
          Arrays.sort(sorted);
          best[g] = topTwo ? sorted[size - 1] + sorted[size - 2] : sorted[size - 1];
        }
        int[] ranked = order(best);
        for (int i = keep; i < groups; i++) {
          for (int e = 0; e < size; e++) {
            choice[ranked[i] * size + e] = Double.NEGATIVE_INFINITY;
          }
        }
      }
      int[] want = Arrays.copyOf(order(choice), k);
      String what = bench.tier.name() + " variant " + variant;
      assertArrayEquals(want, Bench.readInts(ids + 4L * t * k, k), what);
      double total = 0;
      for (int e : want) {
        total += score[e];
      }
      for (int i = 0; i < k; i++) {
        double w = score[want[i]] * 2.5 / (renormalise ? total : 1);
        Bench.near(what, Raw.f32(weights + 4L * (t * k + i)), w, 2e-6 * w);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void topK(KernelTier tier) {
    try (Bench bench = new Bench(tier)) {
      float[] row = {3, NAN, 7, 3, LOW, 7, 0, -0f, NAN, 9};
      long x = bench.floats(row);
      long ids = bench.bytes(40, 0);
      long values = bench.floats(10);
      bench.run(Kernels.TOPK, Bench.slots(0, x, 10, 10, 10, ids, values), 1);
      int[] want = {9, 2, 5, 0, 3, 6, 7, 4, 1, 8};
      assertArrayEquals(want, Bench.readInts(ids, 10), tier.name());
      for (int i = 0; i < 10; i++) {
        assertEquals(row[want[i]], Raw.f32(values + 4L * i));
      }
      for (int k = 1; k < 10; k++) {
        long some = bench.bytes(4L * k, 0);
        bench.run(Kernels.TOPK, Bench.slots(0, x, 10, 10, k, some, bench.floats(k)), 1);
        assertArrayEquals(Arrays.copyOf(want, k), Bench.readInts(some, k), tier.name());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void argMax(KernelTier tier) {
    argMax(tier, 2, 1, 5, 9, 9, 2);
    argMax(tier, 1, NAN, 5, 3);
    argMax(tier, 0, NAN, NAN);
    argMax(tier, 1, NAN, LOW, LOW);
    argMax(tier, 0, -0f, 0);
    float[] wide = new float[70];
    wide[66] = 1;
    wide[67] = 1;
    argMax(tier, 66, wide);
    wide[3] = NAN;
    wide[20] = 2;
    argMax(tier, 20, wide);
  }

  private static void argMax(KernelTier tier, int want, float... row) {
    try (Bench bench = new Bench(tier)) {
      long id = bench.ints(-1);
      long value = bench.floats(1);
      long x = bench.floats(row);
      bench.run(Kernels.ARGMAX, Bench.slots(0, x, row.length, row.length, id, value), 1);
      assertEquals(want, Raw.i32(id), tier.name());
      assertEquals(row[want], Raw.f32(value), tier.name());
      bench.run(Kernels.ARGMAX, Bench.slots(0, x, row.length, row.length, id, 0), 1);
    }
  }
}
