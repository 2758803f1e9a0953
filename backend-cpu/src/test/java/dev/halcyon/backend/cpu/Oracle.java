package dev.halcyon.backend.cpu;

import java.util.Arrays;

/**
 * The operators in plain double arithmetic on arrays in logical order; shares no code with the
 * backend.
 */
final class Oracle {
  private Oracle() {}

  /** a [m, k] times b [k, n]. */
  static double[] matMul(double[] a, double[] b, int m, int n, int k) {
    double[] y = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int p = 0; p < k; p++) {
        for (int j = 0; j < n; j++) {
          y[i * n + j] += a[i * k + p] * b[p * n + j];
        }
      }
    }
    return y;
  }

  /** x [m, k] times the transpose of w [n, k]. */
  static double[] linear(double[] x, double[] w, int m, int n, int k) {
    double[] y = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int p = 0; p < k; p++) {
          sum += x[i * k + p] * w[j * k + p];
        }
        y[i * n + j] = sum;
      }
    }
    return y;
  }

  static double[] add(double[] a, double[] b) {
    double[] y = a.clone();
    Arrays.setAll(y, i -> a[i] + b[i % b.length]);
    return y;
  }

  static double[] row(double[] v, int index, int width) {
    return Arrays.copyOfRange(v, index * width, (index + 1) * width);
  }

  static double[] rmsNorm(double[] x, double[] w, double epsilon) {
    int n = w.length;
    double[] y = new double[x.length];
    for (int r = 0; r < x.length / n; r++) {
      double squares = 0;
      for (int i = 0; i < n; i++) {
        squares += x[r * n + i] * x[r * n + i];
      }
      double factor = 1 / Math.sqrt(squares / n + epsilon);
      for (int i = 0; i < n; i++) {
        y[r * n + i] = x[r * n + i] * factor * w[i];
      }
    }
    return y;
  }

  /** Softmax of the first {@code length} of a row, the rest 0. */
  static double[] softmax(double[] x, int length, double scale) {
    double[] y = new double[x.length];
    double max = Arrays.stream(x).limit(length).max().orElse(0);
    double sum = 0;
    for (int i = 0; i < length; i++) {
      sum += y[i] = Math.exp(scale * (x[i] - max));
    }
    for (int i = 0; i < length; i++) {
      y[i] /= sum;
    }
    return y;
  }

  static double silu(double x) {
    return x / (1 + Math.exp(-x));
  }

  /** The gated block on one token. */
  static double[] mlp(double[] x, double[] gate, double[] up, double[] down) {
    int h = x.length;
    int inter = gate.length / h;
    double[] g = linear(x, gate, 1, inter, h);
    double[] u = linear(x, up, 1, inter, h);
    Arrays.setAll(g, i -> silu(g[i]) * u[i]);
    return linear(g, down, 1, h, inter);
  }

  /** Rotates a head vector's pairs. */
  static double[] rotate(
      double[] x, double[] cos, double[] sin, int offset, int dims, boolean interleaved) {
    double[] y = x.clone();
    for (int i = 0; i < dims / 2; i++) {
      int p = offset + (interleaved ? 2 * i : i);
      int q = offset + (interleaved ? 2 * i + 1 : i + dims / 2);
      y[p] = x[p] * cos[i] - x[q] * sin[i];
      y[q] = x[p] * sin[i] + x[q] * cos[i];
    }
    return y;
  }
}
