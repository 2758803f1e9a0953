package dev.halcyon.conformance.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/**
 * The running bounds against evaluation in f32: in random orders, with and without fused
 * multiply-add they are never exceeded, and short sums come within a tenth of them.
 */
class RealTest {
  private static final int TRIALS = 10_000;

  private final SplittableRandom random = new SplittableRandom(11);

  private double[] numbers(int n, double spread) {
    double[] v = new double[n];
    for (int i = 0; i < n; i++) {
      v[i] = (float) ((2 * random.nextDouble() - 1) * Math.exp(spread * random.nextGaussian()));
    }
    return v;
  }

  private static Real row(double[] v) {
    return Real.of(HostTensor.of(DType.F32, Shape.of(1, v.length), v));
  }

  /** Sums in f32 by joining two random partial sums until one is left. */
  private float randomSum(float[] parts) {
    float[] left = parts.clone();
    for (int n = left.length; n > 1; n--) {
      int i = random.nextInt(n);
      float a = left[i];
      left[i] = left[n - 1];
      int j = random.nextInt(n - 1);
      left[j] = left[j] + a;
    }
    return left.length == 0 ? 0 : left[0];
  }

  private record Pair(Real bound, float actual) {
    double used() {
      return Math.abs(actual - bound.value(0)) / bound.bound(0);
    }
  }

  /** The largest share of the bound in all trials; fails if one exceeds it. */
  private double worst(Supplier<Pair> trial) {
    double worst = 0;
    for (int i = 0; i < TRIALS; i++) {
      Pair p = trial.get();
      if (p.bound.bound(0) == 0) {
        assertEquals(p.bound.value(0), p.actual);
        continue;
      }
      double used = p.used();
      assertTrue(used <= 1, () -> "bound exceeded " + used + " times");
      worst = Math.max(worst, used);
    }
    return worst;
  }

  @Test
  void sumsInAnyOrderStayWithinTheBound() {
    for (int n : new int[] {2, 3, 4, 17, 100}) {
      double worst =
          worst(
              () -> {
                double[] v = numbers(n, 1);
                return new Pair(row(v).sumRows(), randomSum(floats(v)));
              });
      assertTrue(n > 4 || worst > 0.1, () -> n + " terms use only " + worst);
    }
  }

  @Test
  void innerProductsInAnyOrderStayWithinTheBound() {
    for (int n : new int[] {1, 2, 4, 33}) {
      double worst =
          worst(
              () -> {
                double[] x = numbers(n, 1);
                double[] y = numbers(n, 1);
                Real bound = row(x).timesTransposed(row(y));
                return new Pair(bound, random.nextBoolean() ? products(x, y) : fused(x, y));
              });
      assertTrue(n > 4 || worst > 0.1, () -> n + " terms use only " + worst);
    }
  }

  private float products(double[] x, double[] y) {
    float[] p = new float[x.length];
    for (int i = 0; i < p.length; i++) {
      p[i] = (float) x[i] * (float) y[i];
    }
    return randomSum(p);
  }

  private static float fused(double[] x, double[] y) {
    float sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum = Math.fma((float) x[i], (float) y[i], sum);
    }
    return sum;
  }

  private static float[] floats(double[] v) {
    float[] f = new float[v.length];
    for (int i = 0; i < f.length; i++) {
      f[i] = (float) v[i];
    }
    return f;
  }

  @Test
  void sigmoidAndItsProductStayWithinTheBound() {
    double worst =
        worst(
            () -> {
              double[] v = {(float) (random.nextGaussian() * 20)};
              float x = (float) v[0];
              float s = 1 / (1 + (float) Math.exp(-x));
              return new Pair(row(v).silu(), x * s);
            });
    assertTrue(worst > 0.1, () -> "only " + worst);
  }

  @Test
  void normalisationStaysWithinTheBound() {
    for (int n : new int[] {1, 3, 20}) {
      double worst =
          worst(
              () -> {
                double[] v = numbers(n, 1);
                Real x = row(v);
                Real inverse = x.times(x).sumRows().dividedBy(n).plus(1e-6).map(Elementary.RSQRT);
                float[] squares = floats(v);
                for (int i = 0; i < n; i++) {
                  squares[i] *= squares[i];
                }
                float mean = randomSum(squares) / n + 1e-6f;
                return new Pair(inverse, 1 / (float) Math.sqrt(mean));
              });
      assertTrue(worst > 0.05, () -> n + " terms use only " + worst);
    }
  }

  @Test
  void softmaxStaysWithinTheBound() {
    double worst =
        worst(
            () -> {
              double[] v = numbers(5, 1);
              Real e = row(v).times(0.3).minus(row(v).times(0.3).maxRow()).map(Elementary.EXP);
              float[] t = floats(v);
              float max = Float.NEGATIVE_INFINITY;
              for (int i = 0; i < t.length; i++) {
                t[i] *= 0.3f;
                max = Math.max(max, t[i]);
              }
              for (int i = 0; i < t.length; i++) {
                t[i] = (float) Math.exp(t[i] - max);
              }
              return new Pair(e.dividedByColumn(e.sumRows()), t[0] / randomSum(t));
            });
    assertTrue(worst > 0.05, () -> "only " + worst);
  }
}
