package dev.halcyon.backend.opencl;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Composites in plain double arithmetic, from their formulas; shares no code with kernels or
 * decompositions.
 */
final class Reference {
  private Reference() {}

  /** {@code x [m, k] w[n, k]^T}, from offset {@code w0} of w. */
  static double[] linear(double[] x, int x0, int m, int k, double[] w, int w0, int n) {
    double[] out = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int c = 0; c < k; c++) {
          sum += x[x0 + i * k + c] * w[w0 + j * k + c];
        }
        out[i * n + j] = sum;
      }
    }
    return out;
  }

  static double[] plus(double[] a, double[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] + b[i % b.length]).toArray();
  }

  static double[] swiglu(double[] g, double[] u) {
    return IntStream.range(0, g.length)
        .mapToDouble(i -> g[i] / (1 + Math.exp(-g[i])) * u[i])
        .toArray();
  }

  /**
   * The gated block on one token from {@code x0}, with weights from {@code w0} (gate, up) and
   * {@code d0} (down).
   */
  static double[] mlp(
      double[] x,
      int x0,
      int hidden,
      int inter,
      double[] g,
      double[] u,
      int w0,
      double[] d,
      int d0) {
    double[] a =
        swiglu(linear(x, x0, 1, hidden, g, w0, inter), linear(x, x0, 1, hidden, u, w0, inter));
    return linear(a, 0, 1, inter, d, d0, hidden);
  }

  static double[] rmsNorm(double[] x, int rows, double[] w, double epsilon) {
    int n = x.length / rows;
    double[] out = new double[x.length];
    for (int r = 0; r < rows; r++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += x[r * n + i] * x[r * n + i];
      }
      double f = 1 / Math.sqrt(sum / n + epsilon);
      for (int i = 0; i < n; i++) {
        out[r * n + i] = x[r * n + i] * f * w[i];
      }
    }
    return out;
  }

  /**
   * Rotates {@code pairs} pairs of v from {@code first} on; a negative position has no angle and
   * gives zeros.
   */
  static void rotate(
      double[] v, int first, int pairs, boolean split, double[] cos, double[] sin, int position) {
    double[] old = v.clone();
    for (int i = 0; i < pairs; i++) {
      int a = first + (split ? i : 2 * i);
      int b = split ? a + pairs : a + 1;
      double c = position < 0 ? 0 : cos[position * pairs + i];
      double s = position < 0 ? 0 : sin[position * pairs + i];
      v[a] = old[a] * c - old[b] * s;
      v[b] = old[a] * s + old[b] * c;
    }
  }

  static double[] softmax(double[] x, int length) {
    double[] out = new double[x.length];
    double max = Arrays.stream(x, 0, length).max().orElse(0);
    double sum = 0;
    for (int i = 0; i < length; i++) {
      out[i] = Math.exp(x[i] - max);
      sum += out[i];
    }
    for (int i = 0; i < length; i++) {
      out[i] /= sum;
    }
    return out;
  }

  /** Cache row of a position. */
  static int row(double[] table, int blocks, int sequence, int position, int blockSize) {
    return (int) table[sequence * blocks + position / blockSize] * blockSize + position % blockSize;
  }

  /** Attention of one query over given key and value vectors. */
  static double[] attend(
      double[] q, double[][] keys, double[][] values, int valueDim, double scale) {
    double[] scores = new double[keys.length];
    for (int p = 0; p < keys.length; p++) {
      for (int i = 0; i < q.length; i++) {
        scores[p] += q[i] * keys[p][i];
      }
      scores[p] *= scale;
    }
    double[] weights = softmax(scores, scores.length);
    double[] out = new double[valueDim];
    for (int p = 0; p < keys.length; p++) {
      for (int i = 0; i < valueDim; i++) {
        out[i] += weights[p] * values[p][i];
      }
    }
    return out;
  }

  static double[] part(double[] v, int start, int length) {
    return Arrays.copyOfRange(v, start, start + length);
  }
}
