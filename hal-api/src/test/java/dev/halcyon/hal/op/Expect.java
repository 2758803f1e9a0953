package dev.halcyon.hal.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.testing.DeviceBench;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;

/**
 * Formulas of the operators in double, written from their Javadoc alone, and how results are
 * compared.
 */
final class Expect {
  private Expect() {}

  /** Compares with an error relative to the largest expected magnitude of the tensor. */
  static void close(double[] expected, double[] actual, double tolerance, String what) {
    assertEquals(expected.length, actual.length, what);
    double largest = 1e-6;
    for (double e : expected) {
      largest = Math.max(largest, Math.abs(e));
    }
    for (int i = 0; i < expected.length; i++) {
      assertTrue(
          Math.abs(expected[i] - actual[i]) <= tolerance * largest,
          what + " at " + i + ": expected " + expected[i] + ", got " + actual[i]);
    }
  }

  static double silu(double x) {
    return x / (1 + Math.exp(-x));
  }

  static double dot(int n, IntToDoubleFunction a, IntToDoubleFunction b) {
    double s = 0;
    for (int i = 0; i < n; i++) {
      s += a.applyAsDouble(i) * b.applyAsDouble(i);
    }
    return s;
  }

  /** x [m, k] times w [n, k] transposed. */
  static double[] linear(double[] x, double[] w, int m, int n, int k) {
    double[] out = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        int r = i;
        int c = j;
        out[i * n + j] = dot(k, a -> x[r * k + a], a -> w[c * k + a]);
      }
    }
    return out;
  }

  /** The gated feed-forward block of t rows of h with inner width w. */
  static double[] mlp(double[] x, double[] gate, double[] up, double[] down, int t, int h, int w) {
    double[] g = linear(x, gate, t, w, h);
    double[] u = linear(x, up, t, w, h);
    for (int i = 0; i < g.length; i++) {
      g[i] = silu(g[i]) * u[i];
    }
    return linear(g, down, t, h, w);
  }

  static double[] softmax(double[] x, double scale) {
    double max = Double.NEGATIVE_INFINITY;
    for (double v : x) {
      max = Math.max(max, v * scale);
    }
    double sum = 0;
    double[] out = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = Math.exp(x[i] * scale - max);
      sum += out[i];
    }
    for (int i = 0; i < x.length; i++) {
      out[i] /= sum;
    }
    return out;
  }

  static double[] rmsNorm(double[] x, double[] w, int rows, int n, double epsilon) {
    double[] out = new double[rows * n];
    for (int r = 0; r < rows; r++) {
      double sum = 0;
      for (int c = 0; c < n; c++) {
        sum += x[r * n + c] * x[r * n + c];
      }
      for (int c = 0; c < n; c++) {
        out[r * n + c] = x[r * n + c] / Math.sqrt(sum / n + epsilon) * w[c];
      }
    }
    return out;
  }

  /** How a weight is stored. */
  record Weights(String name, DType dtype, QuantScheme scheme) {
    Tensor make(DeviceBench b, long seed, long... dims) {
      return scheme instanceof QuantScheme.Blocked s
          ? b.quantized(seed, dtype, s, dims)
          : b.random(seed, 1, dtype, dims);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Weights> weights() {
    return Stream.of(
        new Weights("f32", DType.F32, QuantScheme.NONE),
        new Weights("bf16", DType.BF16, QuantScheme.NONE),
        new Weights("f16", DType.F16, QuantScheme.NONE),
        new Weights("f8 unscaled", DType.F8_E4M3FN, QuantScheme.NONE),
        new Weights("f8 128x128", DType.F8_E4M3FN, QuantScheme.FP8_128X128),
        new Weights(
            "f8 128x128 ue8m0",
            DType.F8_E4M3FN,
            new QuantScheme.Blocked(128, 128, QuantScheme.ScaleFormat.UE8M0)),
        new Weights("int8 per channel", DType.I8, QuantScheme.perChannel()),
        new Weights("int8 groups of 32", DType.I8, QuantScheme.grouped(32)),
        new Weights("int4 groups of 32", DType.I4, QuantScheme.grouped(32)));
  }
}
