package dev.halcyon.hal.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.testing.DeviceBench;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class DenseCompositesTest {
  private static final double TOLERANCE = 2e-6;

  private final DeviceBench b = DeviceBench.reference();

  @AfterEach
  void close() {
    b.close();
  }

  private Tensor x(long seed, long... dims) {
    return b.random(seed, 1, DType.F32, dims);
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void linear(Expect.Weights weights) {
    int m = 3;
    int n = 131;
    int k = 161;
    Tensor w = weights.make(b, 2, n, k + 1 - k % 2);
    Tensor x = x(1, m, k);
    Tensor bias = x(3, n);
    Tensor residual = x(4, m, n);
    Tensor out = b.zeros(DType.F32, m, n);
    double[] product = Expect.linear(b.read(x), b.read(w), m, n, k);
    b.run(new Linear(Epilogue.NONE), x, w, out);
    Expect.close(product, b.read(out), TOLERANCE, "linear");
    double[] withBias = product.clone();
    double[] withResidual = product.clone();
    for (int i = 0; i < m * n; i++) {
      withBias[i] += b.read(bias)[i % n];
      withResidual[i] += b.read(residual)[i];
    }
    b.run(new Linear(Epilogue.BIAS), x, w, bias, out);
    Expect.close(withBias, b.read(out), TOLERANCE, "bias");
    b.run(new Linear(Epilogue.RESIDUAL), x, w, residual, residual);
    Expect.close(withResidual, b.read(residual), TOLERANCE, "residual in place");
  }

  @Test
  void linearTakesStridedRows() {
    Tensor wide = x(1, 5, 20);
    Tensor in = wide.slice(1, 3, 11);
    Tensor w = b.random(2, 1, DType.BF16, 9, 16).slice(1, 5, 11);
    Tensor out = b.zeros(DType.F32, 5, 13).slice(1, 2, 9);
    b.run(new Linear(Epilogue.NONE), in, w, out);
    Expect.close(Expect.linear(b.read(in), b.read(w), 5, 9, 11), b.read(out), TOLERANCE, "views");
  }

  @Test
  void quantizedLinearRoundsItsInputPerGroup() {
    int m = 3;
    int k = 300;
    int n = 7;
    Tensor x = b.random(1, 5, DType.F32, m, k);
    Tensor w = b.quantized(2, DType.F8_E4M3FN, (QuantScheme.Blocked) QuantScheme.FP8_128X128, n, k);
    Tensor out = b.zeros(DType.F32, m, n);
    double[] v = b.read(x);
    double[] rounded = new double[v.length];
    double[] rounded8 = new double[v.length];
    for (int r = 0; r < m; r++) {
      for (int c = 0; c < k; c++) {
        double amax = 0;
        for (int j = c / 128 * 128; j < Math.min(k, c / 128 * 128 + 128); j++) {
          amax = Math.max(amax, Math.abs(v[r * k + j]));
        }
        float s = (float) (Math.max(amax, 1e-4f) / 448);
        rounded[r * k + c] = Float8.toFloat(Float8.fromFloat((float) (v[r * k + c] / s))) * s;
        double row = 0;
        for (int j = 0; j < k; j++) {
          row = Math.max(row, Math.abs(v[r * k + j]));
        }
        float s8 = (float) (row / 127);
        rounded8[r * k + c] = Math.rint((float) (v[r * k + c] / s8)) * s8;
      }
    }
    b.run(
        new QuantizedLinear(DType.F8_E4M3FN, (QuantScheme.Blocked) QuantScheme.FP8_1X128),
        x,
        w,
        out);
    Expect.close(Expect.linear(rounded, b.read(w), m, n, k), b.read(out), TOLERANCE, "f8");
    Tensor w8 = b.quantized(3, DType.I8, (QuantScheme.Blocked) QuantScheme.perChannel(), n, k);
    b.run(
        new QuantizedLinear(DType.I8, (QuantScheme.Blocked) QuantScheme.perChannel()), x, w8, out);
    Expect.close(Expect.linear(rounded8, b.read(w8), m, n, k), b.read(out), TOLERANCE, "w8a8");
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void headMatMulUsesItsRowsOfEachHead(Expect.Weights weights) {
    int tokens = 3;
    int heads = 3;
    int c = 33;
    int perHead = 47;
    int offset = 5;
    int rows = 41;
    Tensor w = weights.make(b, 2, heads * perHead, c);
    double[] wv = b.read(w);
    Tensor latent = x(1, tokens, heads, c);
    Tensor values = b.zeros(DType.F32, tokens, heads, rows);
    b.run(
        new HeadMatMul(perHead, offset, rows, HeadMatMul.Orientation.ROWS_OUT), latent, w, values);
    Tensor query = x(3, tokens, heads, rows + 6).slice(2, 0, rows);
    Tensor absorbed = b.zeros(DType.F32, tokens, heads, c + 4).slice(2, 0, c);
    b.run(
        new HeadMatMul(perHead, offset, rows, HeadMatMul.Orientation.ROWS_IN), query, w, absorbed);
    double[] xv = b.read(latent);
    double[] qv = b.read(query);
    double[] expectedOut = new double[tokens * heads * rows];
    double[] expectedIn = new double[tokens * heads * c];
    for (int th = 0; th < tokens * heads; th++) {
      int first = th % heads * perHead + offset;
      int row = th;
      for (int r = 0; r < rows; r++) {
        int at = first + r;
        expectedOut[th * rows + r] = Expect.dot(c, i -> wv[at * c + i], i -> xv[row * c + i]);
      }
      for (int j = 0; j < c; j++) {
        int at = j;
        expectedIn[th * c + j] =
            Expect.dot(rows, r -> wv[(first + r) * c + at], r -> qv[row * rows + r]);
      }
    }
    Expect.close(expectedOut, b.read(values), TOLERANCE, "rows out");
    Expect.close(expectedIn, b.read(absorbed), TOLERANCE, "rows in");
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void norms(DType dtype) {
    int rows = 5;
    int n = 37;
    Tensor x = x(1, rows, n);
    Tensor w = b.random(2, 2, dtype, n);
    Tensor out = b.zeros(DType.F32, rows, n);
    b.run(new RmsNorm(1e-6), x, w, out);
    Expect.close(
        Expect.rmsNorm(b.read(x), b.read(w), rows, n, 1e-6), b.read(out), TOLERANCE, "norm");
    Tensor residual = x(3, rows, n);
    double[] sum = b.read(residual);
    for (int i = 0; i < sum.length; i++) {
      sum[i] += b.read(x)[i];
    }
    b.run(new AddRmsNorm(1e-2), x, w, residual, out);
    Expect.close(sum, b.read(residual), TOLERANCE, "residual");
    Expect.close(
        Expect.rmsNorm(sum, b.read(w), rows, n, 1e-2), b.read(out), TOLERANCE, "add and norm");
    double[] expected = Expect.rmsNorm(b.read(x), b.read(w), rows, n, 0);
    b.run(new RmsNorm(0), x, w, x);
    Expect.close(expected, b.read(x), TOLERANCE, "in place");
    Tensor zero = b.zeros(DType.F32, 1, n);
    b.run(new RmsNorm(1e-6), zero, w, zero);
    assertArrayEquals(new double[n], b.read(zero), 1e-30);
  }

  @Test
  void swiGlu() {
    Tensor gate = b.random(1, 20, DType.F32, 3, 7);
    Tensor up = x(2, 3, 7);
    double[] expected = new double[21];
    for (int i = 0; i < 21; i++) {
      expected[i] = Expect.silu(b.read(gate)[i]) * b.read(up)[i];
    }
    Tensor out = b.zeros(DType.F32, 7, 3).transpose(0, 1);
    b.run(new SwiGlu(), gate, up, out);
    Expect.close(expected, b.read(out), TOLERANCE, "transposed output");
    b.run(new SwiGlu(), gate, up, up);
    Expect.close(expected, b.read(up), TOLERANCE, "in place of up");
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void gatedMlp(Expect.Weights weights) {
    int t = 3;
    int h = 131;
    int w = 67;
    Tensor x = x(1, t, h);
    Tensor gate = weights.make(b, 2, w, h);
    Tensor up = weights.make(b, 3, w, h);
    Tensor down = weights.make(b, 4, h, w);
    Tensor out = b.zeros(DType.F32, t, h);
    double[] expected = Expect.mlp(b.read(x), b.read(gate), b.read(up), b.read(down), t, h, w);
    b.run(new GatedMlp(Epilogue.NONE), x, gate, up, down, out);
    Expect.close(expected, b.read(out), 5e-6, "mlp");
    Tensor residual = x(5, t, h);
    for (int i = 0; i < expected.length; i++) {
      expected[i] += b.read(residual)[i];
    }
    b.run(new GatedMlp(Epilogue.RESIDUAL), x, gate, up, down, residual, residual);
    Expect.close(expected, b.read(residual), 5e-6, "residual in place");
  }

  @ParameterizedTest
  @CsvSource({
    "INTERLEAVED, 0, 8",
    "INTERLEAVED, 3, 6",
    "HALF_SPLIT, 0, 11",
    "HALF_SPLIT, 5, 6",
    "INTERLEAVED, 5, 6"
  })
  void rotaryRotatesPairs(RotaryEmbedding.Layout layout, int offset, int dims) {
    int dim = 11;
    int rotated = dims / 2 * 2;
    int pairs = rotated / 2;
    int tokens = 4;
    int heads = 3;
    int[] positions = {6, 0, 3, 3};
    Tensor x = x(1, tokens, heads, dim);
    Tensor cos = x(2, 7, pairs);
    Tensor sin = x(3, 7, pairs);
    double[] in = b.read(x);
    double[] expected = in.clone();
    for (int t = 0; t < tokens; t++) {
      for (int h = 0; h < heads; h++) {
        for (int p = 0; p < pairs; p++) {
          int base = (t * heads + h) * dim + offset;
          int i = base + (layout == RotaryEmbedding.Layout.INTERLEAVED ? 2 * p : p);
          int j = base + (layout == RotaryEmbedding.Layout.INTERLEAVED ? 2 * p + 1 : p + pairs);
          double c = b.read(cos)[positions[t] * pairs + p];
          double s = b.read(sin)[positions[t] * pairs + p];
          expected[i] = in[i] * c - in[j] * s;
          expected[j] = in[i] * s + in[j] * c;
        }
      }
    }
    RotaryEmbedding spec = new RotaryEmbedding(layout, offset, rotated);
    Tensor out = b.zeros(DType.F32, tokens, heads, dim + 2).slice(2, 1, dim);
    b.run(spec, x, b.i32(positions, tokens), cos, sin, out);
    Expect.close(expected, b.read(out), TOLERANCE, "rotary");
    b.run(spec, x, b.i32(positions, tokens), cos, sin, x);
    Expect.close(expected, b.read(x), TOLERANCE, "in place");
  }

  @Test
  void softmaxMasksBeyondEachLength() {
    int[] lengths = {0, 1, 4, 7, 9};
    int n = 7;
    for (double scale : new double[] {1, 0.125, -2}) {
      Tensor x = b.random(1, 30, DType.F32, 5, n);
      double[] v = b.read(x);
      double[] expected = new double[5 * n];
      for (int r = 0; r < 5; r++) {
        int length = Math.min(lengths[r], n);
        if (length > 0) {
          double[] p =
              Expect.softmax(java.util.Arrays.copyOfRange(v, r * n, r * n + length), scale);
          System.arraycopy(p, 0, expected, r * n, length);
        }
      }
      b.run(new MaskedSoftmax(scale), x, b.i32(lengths, 5), x);
      double[] got = b.read(x);
      Expect.close(expected, got, TOLERANCE, "softmax");
      for (int i = 0; i < expected.length; i++) {
        if (expected[i] == 0) {
          assertEquals(0, got[i], "exactly zero beyond the length");
        }
      }
    }
  }

  @Test
  void softmaxSurvivesExtremesAndIgnoresWhatIsMasked() {
    double inf = Double.POSITIVE_INFINITY;
    Tensor x =
        b.f32(
            new double[] {1e38, 1e38, Double.NaN, -1e38, -1e38, inf, -inf, -inf, -inf, -inf, 3, 0},
            4,
            3);
    Tensor out = b.zeros(DType.F32, 4, 3);
    b.run(new MaskedSoftmax(1), x, b.i32(new int[] {2, 2, 3, 2}, 4), out);
    assertArrayEquals(new double[] {.5, .5, 0, .5, .5, 0, 0, 0, 0, 0, 1, 0}, b.read(out), 1e-7);
  }

  @Test
  void softmaxLengthsBroadcastOverLeadingAxes() {
    Tensor x = x(1, 2, 3, 5);
    Tensor out = b.zeros(DType.F32, 2, 3, 5);
    b.run(new MaskedSoftmax(1), x, b.i32(new int[] {2, 5}, 2, 1), out);
    double[] v = b.read(x);
    double[] got = b.read(out);
    for (int r = 0; r < 6; r++) {
      int length = r < 3 ? 2 : 5;
      double[] p = Expect.softmax(java.util.Arrays.copyOfRange(v, r * 5, r * 5 + length), 1);
      Expect.close(
          java.util.Arrays.copyOf(p, 5),
          java.util.Arrays.copyOfRange(got, r * 5, r * 5 + 5),
          TOLERANCE,
          "row");
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void embeddingsAreRowsOfTheTable(DType dtype) {
    Tensor table = b.random(1, 3, dtype, 9, 5);
    Tensor out = b.zeros(DType.F32, 4, 5);
    b.run(new EmbeddingLookup(), table, b.i32(new int[] {8, 0, 8, 3}, 4), out);
    double[] v = b.read(table);
    double[] got = b.read(out);
    int[] ids = {8, 0, 8, 3};
    for (int i = 0; i < 20; i++) {
      assertEquals(v[ids[i / 5] * 5 + i % 5], got[i]);
    }
  }
}
