package dev.halcyon.backend.cpu.kernels;

/** MOE_GATING, TOPK and ARGMAX: order and ties are exact. */
final class GatingKernels {
  private final KernelMath math;

  GatingKernels(KernelMath math) {
    this.math = math;
  }

  /** Whether v comes before u when u has the lower index; NaN comes after everything. */
  private static boolean beats(float v, float u) {
    return v > u || (Float.isNaN(u) && !Float.isNaN(v));
  }

  /** Indices of the k largest of n to {@code ids}, descending, lowest index first on ties. */
  private static void topK(long x, long n, long k, long ids) {
    long have = 0;
    for (long i = 0; i < n; i++) {
      float v = Raw.f32(x + 4 * i);
      if (have == k && !beats(v, value(x, ids, k - 1))) {
        continue;
      }
      long at = have < k ? have++ : k - 1;
      for (; at > 0 && beats(v, value(x, ids, at - 1)); at--) {
        Raw.i32(ids + 4 * at, Raw.i32(ids + 4 * (at - 1)));
      }
      Raw.i32(ids + 4 * at, (int) i);
    }
  }

  private static float value(long x, long ids, long i) {
    return Raw.f32(x + 4L * Raw.i32(ids + 4 * i));
  }

  static void topK(long slots, long begin, long end) {
    long n = Raw.slot(slots, 3);
    long k = Raw.slot(slots, 4);
    for (long row = begin; row < end; row++) {
      long x = Raw.slot(slots, 1) + 4 * row * Raw.slot(slots, 2);
      long ids = Raw.slot(slots, 5) + 4 * row * k;
      long values = Raw.slot(slots, 6) + 4 * row * k;
      topK(x, n, k, ids);
      for (long i = 0; i < k; i++) {
        Raw.f32(values + 4 * i, value(x, ids, i));
      }
    }
  }

  static void argMax(long slots, long begin, long end) {
    long n = Raw.slot(slots, 3);
    long values = Raw.slot(slots, 5);
    for (long row = begin; row < end; row++) {
      long x = Raw.slot(slots, 1) + 4 * row * Raw.slot(slots, 2);
      long best = 0;
      float max = Raw.f32(x);
      for (long i = 1; i < n; i++) {
        float v = Raw.f32(x + 4 * i);
        if (beats(v, max)) {
          best = i;
          max = v;
        }
      }
      Raw.i32(Raw.slot(slots, 4) + 4 * row, (int) best);
      if (values != 0) {
        Raw.f32(values + 4 * row, max);
      }
    }
  }

  void gating(long slots, long begin, long end) {
    long experts = Raw.slot(slots, 3);
    long k = Raw.slot(slots, 4);
    boolean sigmoid = Raw.slot(slots, 5) != 0;
    long bias = Raw.slot(slots, 6);
    long groups = Raw.slot(slots, 7);
    boolean renormalise = Raw.slot(slots, 10) != 0;
    float factor = (float) Raw.real(slots, 11);
    long score = Raw.slot(slots, 0);
    long choice = score + 4 * experts;
    long best = choice + 4 * experts;
    for (long t = begin; t < end; t++) {
      long x = Raw.slot(slots, 1) + 4 * t * Raw.slot(slots, 2);
      long ids = Raw.slot(slots, 12) + 4 * t * k;
      long weights = Raw.slot(slots, 13) + 4 * t * k;
      if (sigmoid) {
        for (long e = 0; e < experts; e++) {
          Raw.f32(score + 4 * e, (float) (1 / (1 + Math.exp(-Raw.f32(x + 4 * e)))));
        }
      } else {
        math.softmax(x, experts, 1, score);
      }
      for (long e = 0; e < experts; e++) {
        float s = Raw.f32(score + 4 * e);
        Raw.f32(choice + 4 * e, bias == 0 ? s : s + Raw.f32(bias + 4 * e));
      }
      if (groups > 1) {
        boolean sumOfTwo = Raw.slot(slots, 9) != 0;
        keepGroups(choice, experts / groups, groups, Raw.slot(slots, 8), sumOfTwo, best);
      }
      topK(choice, experts, k, ids);
      float total = 0;
      for (long i = 0; i < k; i++) {
        total += value(score, ids, i);
      }
      float f = renormalise ? 1 / (total + 1e-20f) : 1;
      for (long i = 0; i < k; i++) {
        Raw.f32(weights + 4 * i, value(score, ids, i) * f * factor);
      }
    }
  }

  /** Sets the choices of all groups but the best {@code keep} to minus infinity. */
  private static void keepGroups(
      long choice, long size, long groups, long keep, boolean sumOfTwo, long best) {
    for (long g = 0; g < groups; g++) {
      float first = Float.NEGATIVE_INFINITY;
      float second = Float.NEGATIVE_INFINITY;
      for (long i = 0; i < size; i++) {
        float v = Raw.f32(choice + 4 * (g * size + i));
        if (v > first) {
          second = first;
          first = v;
        } else if (v > second) {
          second = v;
        }
      }
      Raw.f32(best + 4 * g, sumOfTwo && size > 1 ? first + second : first);
    }
    for (long g = 0; g < groups; g++) {
      float own = Raw.f32(best + 4 * g);
      long before = 0;
      for (long o = 0; o < groups; o++) {
        float other = Raw.f32(best + 4 * o);
        if (other > own || (other == own && o < g)) {
          before++;
        }
      }
      for (long i = 0; before >= keep && i < size; i++) {
        Raw.f32(choice + 4 * (g * size + i), Float.NEGATIVE_INFINITY);
      }
    }
  }
}
