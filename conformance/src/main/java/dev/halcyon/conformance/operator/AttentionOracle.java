package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.Softmax;
import dev.halcyon.hal.tensor.Shape;

/** Causal attention over paged keys and values: docs/spec/attention.md. */
class AttentionOracle {
  private final HostTensor table;
  private final HostTensor sequence;
  private final HostTensor positions;
  private final int blockSize;

  AttentionOracle(HostTensor table, HostTensor sequence, HostTensor positions, int blockSize) {
    this.table = table;
    this.sequence = sequence;
    this.positions = positions;
    this.blockSize = blockSize;
  }

  /** The key and value head that a query head reads. */
  int group(int head, int heads, int groups) {
    return head / (heads / groups);
  }

  /** Cache rows of positions 0 to the token's own. */
  private int[] visibleRows(int token) {
    int columns = (int) table.shape().dim(1);
    int s = (int) sequence.stored()[token];
    int[] rows = new int[Math.max(0, (int) positions.stored()[token] + 1)];
    for (int p = 0; p < rows.length; p++) {
      rows[p] = (int) table.stored()[s * columns + p / blockSize] * blockSize + p % blockSize;
    }
    return rows;
  }

  /**
   * {@code out[t, h] = sum_p softmax_p(scale * q[t, h] . keys[row(p), h / (H / G)]) *
   * values[row(p), h / (H / G)]}.
   *
   * @param q [T, H, D]
   * @param keys [rows, G, D]
   * @param values [rows, G, at least valueDim]
   */
  final Real attend(Real q, Real keys, Real values, int valueDim, double scale) {
    int tokens = (int) q.shape().dim(0);
    int heads = (int) q.shape().dim(1);
    int dim = (int) q.shape().dim(2);
    int groups = (int) keys.shape().dim(1);
    int stride = (int) values.shape().dim(2);
    double[] out = new double[tokens * heads * valueDim];
    double[] bound = new double[out.length];
    for (int t = 0; t < tokens; t++) {
      int[] rows = visibleRows(t);
      int[] first = new int[rows.length];
      for (int h = 0; h < heads; h++) {
        int g = group(h, heads, groups);
        Softmax weights = weights(q, (t * heads + h) * dim, keys, rows, g, scale);
        for (int p = 0; p < rows.length; p++) {
          first[p] = (rows[p] * groups + g) * stride;
        }
        for (int c = 0; c < valueDim; c++) {
          double[] mean = weights.mean(values, first, c);
          out[(t * heads + h) * valueDim + c] = mean[0];
          bound[(t * heads + h) * valueDim + c] = mean[1];
        }
      }
    }
    return Real.bounded(Shape.of(tokens, heads, valueDim), out, bound);
  }

  private static Softmax weights(
      Real q, int begin, Real keys, int[] rows, int group, double scale) {
    int dim = (int) keys.shape().dim(2);
    int groups = (int) keys.shape().dim(1);
    double[] score = new double[rows.length];
    double[] bound = new double[rows.length];
    for (int p = 0; p < rows.length; p++) {
      int key = (rows[p] * groups + group) * dim;
      double magnitude = 0;
      double carried = 0;
      for (int i = 0; i < dim; i++) {
        double x = q.value(begin + i);
        double y = keys.value(key + i);
        score[p] += x * y;
        magnitude += Math.abs(x * y);
        carried += Math.abs(x) * keys.bound(key + i);
      }
      // one more rounding where the scale goes into q
      bound[p] = (Real.gamma(dim + 1) * magnitude + carried) * Real.SECOND_ORDER + dim * Real.TINY;
    }
    return Softmax.of(score, bound, scale);
  }
}
