package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.tensor.DType;
import java.util.Arrays;

/** Kernels over the last axis. */
final class Reductions {
  private Reductions() {}

  static Kernel reduce(Reduce.Op op) {
    return t -> {
      int n = t[0].dim(-1);
      long step = t[0].stride(-1);
      Rows r = new Rows(t[1].shape(), t[0], t[1]);
      boolean floating = t[1].dtype() == DType.F32;
      float[] row = new float[n];
      while (r.next()) {
        if (floating) {
          t[0].load(r.at(0, 0), step, row);
          t[1].setFloat(r.at(1, 0), reduce(op, row));
        } else {
          t[1].setInt(r.at(1, 0), reduce(op, t[0], r.at(0, 0), step, n));
        }
      }
    };
  }

  private static float reduce(Reduce.Op op, float[] row) {
    return switch (op) {
      case SUM -> sum(row);
      case MAX -> {
        float max = Float.NEGATIVE_INFINITY;
        for (float v : row) {
          max = Math.max(max, v);
        }
        yield max;
      }
      case MIN -> {
        float min = Float.POSITIVE_INFINITY;
        for (float v : row) {
          min = Math.min(min, v);
        }
        yield min;
      }
    };
  }

  static float sum(float[] row) {
    float sum = 0;
    for (float v : row) {
      sum += v;
    }
    return sum;
  }

  private static int reduce(Reduce.Op op, Elements in, long first, long step, int n) {
    int acc =
        switch (op) {
          case SUM -> 0;
          case MAX -> Integer.MIN_VALUE;
          case MIN -> Integer.MAX_VALUE;
        };
    for (int i = 0; i < n; i++) {
      int v = in.getInt(first + i * step);
      acc =
          switch (op) {
            case SUM -> acc + v;
            case MAX -> Math.max(acc, v);
            case MIN -> Math.min(acc, v);
          };
    }
    return acc;
  }

  static Kernel topK(int k) {
    return t -> {
      float[] row = new float[t[0].dim(-1)];
      Rows r = new Rows(t[0].shape().with(-1, 1), t);
      while (r.next()) {
        t[0].load(r.at(0, 0), t[0].stride(-1), row);
        int[] best = largest(row, k);
        for (int j = 0; j < k; j++) {
          float v = row[best[j]];
          t[1].setFloat(
              r.at(1, 0) + j * t[1].stride(-1), Float.isNaN(v) ? Float.NEGATIVE_INFINITY : v);
          t[2].setInt(r.at(2, 0) + j * t[2].stride(-1), best[j]);
        }
      }
    };
  }

  static Kernel argMax() {
    return t -> {
      float[] row = new float[t[0].dim(-1)];
      Rows r = new Rows(t[1].shape(), t[0], t[1]);
      while (r.next()) {
        t[0].load(r.at(0, 0), t[0].stride(-1), row);
        t[1].setInt(r.at(1, 0), largest(row, 1)[0]);
      }
    };
  }

  /** Indices of the k largest in descending order, the lowest first on ties, NaN as -inf. */
  static int[] largest(float[] row, int k) {
    // one sortable number of value and index: the order of the values reversed, then the index
    long[] keys = new long[row.length];
    for (int i = 0; i < row.length; i++) {
      float v = Float.isNaN(row[i]) ? Float.NEGATIVE_INFINITY : row[i] + 0f;
      int bits = Float.floatToRawIntBits(v);
      int ascending = bits ^ bits >> 31 & 0x7fffffff;
      keys[i] = (long) ~ascending << 32 | i;
    }
    Arrays.sort(keys);
    int[] best = new int[k];
    for (int j = 0; j < k; j++) {
      best[j] = (int) keys[j];
    }
    return best;
  }
}
