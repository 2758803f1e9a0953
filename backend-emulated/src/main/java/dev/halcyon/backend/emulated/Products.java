package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.Epilogue;
import java.util.Arrays;

/** Matrix products, accumulated in f32. */
final class Products {
  /** Columns of b that are kept in f32 at a time. */
  private static final int TILE = 64;

  private static final int LANES = 8;

  private Products() {}

  static Kernel matMul() {
    return t -> {
      Rows batch = new Rows(t[2].shape().with(-2, 1).with(-1, 1), t);
      while (batch.next()) {
        matMul(t, batch.at(0, 0), batch.at(1, 0), batch.at(2, 0));
      }
    };
  }

  /** One matrix of the batch; the operands' elements are counted from the given ones. */
  private static void matMul(Elements[] t, long a0, long b0, long out0) {
    Elements a = t[0];
    Elements b = t[1];
    Elements out = t[2];
    int m = out.dim(-2);
    int n = out.dim(-1);
    float[] row = new float[a.dim(-1)];
    for (int from = 0; from < n; from += TILE) {
      int width = Math.min(TILE, n - from);
      float[][] tile = new float[row.length][width];
      for (int k = 0; k < row.length; k++) {
        b.load(b0 + k * b.stride(-2) + from * b.stride(-1), b.stride(-1), tile[k]);
      }
      float[] sums = new float[width];
      for (int i = 0; i < m; i++) {
        a.load(a0 + i * a.stride(-2), a.stride(-1), row);
        multiply(row, tile, sums);
        for (int j = 0; j < width; j++) {
          out.setFloat(out0 + i * out.stride(-2) + (from + j) * out.stride(-1), sums[j]);
        }
      }
    }
  }

  private static void multiply(float[] row, float[][] tile, float[] sums) {
    Arrays.fill(sums, 0);
    for (int k = 0; k < row.length; k++) {
      float v = row[k];
      float[] of = tile[k];
      for (int j = 0; j < sums.length; j++) {
        sums[j] += v * of[j];
      }
    }
  }

  /** One row of the weight at a time, converted to f32 once for all rows of x. */
  static Kernel linear(Epilogue epilogue) {
    return t -> {
      Elements x = t[0];
      Elements weight = t[1];
      Elements out = t[t.length - 1];
      int m = out.dim(0);
      float[][] rows = new float[m][x.dim(1)];
      for (int i = 0; i < m; i++) {
        x.load(i * x.stride(0), x.stride(1), rows[i]);
      }
      float[] w = new float[x.dim(1)];
      for (int j = 0; j < out.dim(1); j++) {
        weight.loadRow(new long[] {j}, w);
        for (int i = 0; i < m; i++) {
          float sum = dot(rows[i], w);
          float v =
              switch (epilogue) {
                case NONE -> sum;
                case BIAS -> sum + t[2].getFloat(j * t[2].stride(0));
                case RESIDUAL -> sum + t[2].getFloat(i * t[2].stride(0) + j * t[2].stride(1));
              };
          out.setFloat(i * out.stride(0) + j * out.stride(1), v);
        }
      }
    };
  }

  /** Eight partial sums, as the lanes of a vector unit make them. */
  private static float dot(float[] a, float[] b) {
    float[] lanes = new float[LANES];
    int whole = a.length / LANES * LANES;
    for (int k = 0; k < whole; k += LANES) {
      for (int l = 0; l < LANES; l++) {
        lanes[l] += a[k + l] * b[k + l];
      }
    }
    for (int k = whole; k < a.length; k++) {
      lanes[k - whole] += a[k] * b[k];
    }
    return Reductions.sum(lanes);
  }
}
