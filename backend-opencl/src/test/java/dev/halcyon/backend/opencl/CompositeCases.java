package dev.halcyon.backend.opencl;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.op.QuantizedLinear;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Dense composites, native and decomposed, against double arithmetic. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class CompositeCases {
  private final Bench bench;

  CompositeCases(String... options) {
    bench = new Bench(options);
  }

  @AfterAll
  void close() {
    bench.close();
  }

  /** A weight's storage. */
  record Storage(DType dtype, QuantScheme scheme) {}

  static Stream<Storage> storages() {
    return Stream.of(
        new Storage(DType.F32, QuantScheme.NONE),
        new Storage(DType.F16, QuantScheme.NONE),
        new Storage(DType.BF16, QuantScheme.NONE),
        new Storage(DType.F8_E4M3FN, QuantScheme.NONE),
        new Storage(DType.F8_E4M3FN, new Blocked(16, 16, ScaleFormat.F32)),
        new Storage(DType.F8_E4M3FN, new Blocked(128, 128, ScaleFormat.UE8M0)),
        new Storage(DType.F8_E4M3FN, new Blocked(3, 10, ScaleFormat.BF16)),
        new Storage(DType.I8, QuantScheme.perChannel()),
        new Storage(DType.I8, QuantScheme.grouped(32)),
        new Storage(DType.I4, QuantScheme.grouped(32)),
        new Storage(DType.I4, QuantScheme.grouped(5)));
  }

  /** Runs {@code spec} natively and decomposed into fresh copies of the last cell. */
  private void both(
      String what, double relative, double floor, double[] want, OperatorSpec spec, Cell... cells) {
    bench.run(spec, cells);
    Cell out = cells[cells.length - 1];
    bench.check(what + " native", out, want, relative, floor);
    Cell again = bench.out(DType.F32, View.SLICED, out.view().shape().dims());
    Cell[] others = cells.clone();
    others[cells.length - 1] = again;
    bench.runDecomposed(spec, others);
    bench.check(what + " decomposed", again, want, relative, floor);
  }

  @ParameterizedTest
  @MethodSource("storages")
  void linear(Storage s) {
    int[][] sizes = {
      {1, 64, 40}, {1, 33, 7}, {2, 100, 84}, {3, 20, 5}, {5, 130, 9}, {70, 48, 11}, {1, 1, 1}
    };
    for (int[] z : sizes) {
      int m = z[0];
      int k = z[1];
      int n = z[2];
      Cell x = bench.f32(z[0] == 3 ? View.SLICED : View.DENSE, 1, m, k);
      Cell w = bench.weight(s.dtype, s.scheme, 1, n, k);
      double[] want = Reference.linear(x.values(), 0, m, k, w.values(), 0, n);
      String what = s + " " + Arrays.toString(z);
      both(
          what,
          2e-6,
          10,
          want,
          new Linear(Epilogue.NONE),
          x,
          w,
          bench.out(DType.F32, View.SLICED, m, n));
      Cell bias = bench.f32(View.STEPPED, 1, n);
      both(
          what + " bias",
          2e-6,
          10,
          Reference.plus(want, bias.values()),
          new Linear(Epilogue.BIAS),
          x,
          w,
          bias,
          bench.out(DType.F32, View.DENSE, m, n));
      Cell residual = bench.f32(View.DENSE, 1, m, n);
      double[] sum = Reference.plus(want, residual.values());
      both(
          what + " residual",
          2e-6,
          10,
          sum,
          new Linear(Epilogue.RESIDUAL),
          x,
          w,
          residual,
          bench.out(DType.F32, View.DENSE, m, n));
      bench.run(new Linear(Epilogue.RESIDUAL), x, w, residual, residual);
      bench.check(what + " in place", residual, sum, 2e-6, 10);
    }
  }

  @Test
  void linearOfWindows() {
    Cell x = bench.f32(3, 48);
    Cell w = bench.of(DType.BF16, View.SLICED, bench.numbers(10 * 48, 1), 10, 48);
    both(
        "window",
        2e-6,
        10,
        Reference.linear(x.values(), 0, 3, 48, w.values(), 0, 10),
        new Linear(Epilogue.NONE),
        x,
        w,
        bench.out(DType.F32, View.DENSE, 3, 10));
    Cell q = bench.weight(DType.I8, new Blocked(4, 16, ScaleFormat.F32), 1, 12, 64);
    Cell cut = bench.slice(bench.slice(q, 1, 16, 32), 0, 4, 8);
    Cell x2 = bench.f32(2, 32);
    both(
        "window of scales",
        2e-6,
        10,
        Reference.linear(x2.values(), 0, 2, 32, cut.values(), 0, 8),
        new Linear(Epilogue.NONE),
        x2,
        cut,
        bench.out(DType.F32, View.DENSE, 2, 8));
  }

  @ParameterizedTest
  @MethodSource("storages")
  void headMatMul(Storage s) {
    int heads = 3;
    for (int tokens : new int[] {1, 2, 9}) {
      for (int c : new int[] {40, 21}) {
        int rows = 6;
        int perHead = 16;
        int offset = 5;
        Cell w = bench.weight(s.dtype, s.scheme, 1, heads * perHead, c);
        for (HeadMatMul.Orientation o : HeadMatMul.Orientation.values()) {
          boolean rowsOut = o == HeadMatMul.Orientation.ROWS_OUT;
          int in = rowsOut ? c : rows;
          int out = rowsOut ? rows : c;
          Cell x = bench.f32(View.SLICED, 1, tokens, heads, in);
          double[] want = new double[tokens * heads * out];
          for (int t = 0; t < tokens; t++) {
            for (int h = 0; h < heads; h++) {
              for (int i = 0; i < in; i++) {
                for (int j = 0; j < out; j++) {
                  int r = h * perHead + offset + (rowsOut ? j : i);
                  want[(t * heads + h) * out + j] +=
                      x.values()[(t * heads + h) * in + i] * w.values()[r * c + (rowsOut ? i : j)];
                }
              }
            }
          }
          both(
              o + " " + s,
              2e-6,
              10,
              want,
              new HeadMatMul(perHead, offset, rows, o),
              x,
              w,
              bench.out(DType.F32, View.SLICED, tokens, heads, out));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("storages")
  void gatedMlp(Storage s) {
    for (int[] z : new int[][] {{1, 64, 48}, {2, 30, 7}, {6, 84, 20}}) {
      int m = z[0];
      int h = z[1];
      int inter = z[2];
      Cell x = bench.f32(m, h);
      Cell g = bench.weight(s.dtype, s.scheme, 0.3, inter, h);
      Cell u = bench.weight(s.dtype, s.scheme, 0.3, inter, h);
      Cell d = bench.weight(s.dtype, s.scheme, 0.3, h, inter);
      double[] want = new double[m * h];
      for (int t = 0; t < m; t++) {
        double[] one =
            Reference.mlp(x.values(), t * h, h, inter, g.values(), u.values(), 0, d.values(), 0);
        System.arraycopy(one, 0, want, t * h, h);
      }
      both(
          s + " mlp",
          3e-6,
          5,
          want,
          new GatedMlp(Epilogue.NONE),
          x,
          g,
          u,
          d,
          bench.out(DType.F32, View.DENSE, m, h));
      Cell r = bench.f32(View.SLICED, 1, m, h);
      double[] sum = Reference.plus(want, r.values());
      bench.run(new GatedMlp(Epilogue.RESIDUAL), x, g, u, d, r, r);
      bench.check(s + " residual", r, sum, 3e-6, 5);
    }
  }

  @ParameterizedTest
  @MethodSource("storages")
  void dequantize(Storage s) {
    if (s.scheme instanceof QuantScheme.None) {
      return;
    }
    Cell w = bench.weight(s.dtype, s.scheme, 1, 2, 9, 33);
    Cell out = bench.out(DType.F32, View.TRANSPOSED, 2, 9, 33);
    bench.run(new Dequantize(), w, out);
    bench.check("dequantize " + s, out, w.values(), 1e-7, 0);
  }

  @Test
  void quantize() {
    List<Storage> all =
        List.of(
            new Storage(DType.F8_E4M3FN, QuantScheme.FP8_1X128),
            new Storage(DType.F8_E4M3FN, new Blocked(1, 128, ScaleFormat.UE8M0)),
            new Storage(DType.F8_E4M3FN, new Blocked(4, 16, ScaleFormat.F32)),
            new Storage(DType.I8, QuantScheme.perChannel()),
            new Storage(DType.I8, QuantScheme.grouped(20)),
            new Storage(DType.I4, QuantScheme.grouped(32)),
            new Storage(DType.I4, QuantScheme.grouped(5)));
    for (Storage s : all) {
      double[] v = bench.numbers(2 * 6 * 67, 3);
      Arrays.fill(v, 67, 2 * 67, 0);
      Cell x = bench.of(DType.F32, View.SLICED, v, 2, 6, 67);
      Cell q = bench.weight(s.dtype, s.scheme, 1, 2, 6, 67);
      Cell back = bench.out(DType.F32, View.DENSE, 2, 6, 67);
      bench.run(new Quantize(), x, q);
      bench.run(new Dequantize(), q, back);
      bench.check("round trip " + s, back, quantized(s, v, 2, 6, 67), 1e-6, 1e-3);
    }
  }

  private static double[] quantized(Storage s, double[] v, int batches, int rows, int columns) {
    Blocked b = (Blocked) s.scheme;
    int br = b.blockRows();
    int bc = (int) b.effectiveBlockColumns(columns);
    double[] out = new double[v.length];
    for (int m = 0; m < batches; m++) {
      for (int r0 = 0; r0 < rows; r0 += br) {
        for (int c0 = 0; c0 < columns; c0 += bc) {
          double ext = 0;
          for (int r = r0; r < Math.min(rows, r0 + br); r++) {
            for (int c = c0; c < Math.min(columns, c0 + bc); c++) {
              double x = v[(m * rows + r) * columns + c];
              ext = Math.abs(x) > Math.abs(ext) ? x : ext;
            }
          }
          double scale =
              switch (s.dtype) {
                case F8_E4M3FN -> (float) Math.max(Math.abs(ext), 1e-4f) / 448f;
                case I8 -> (float) Math.abs(ext) / 127f;
                default -> (float) ext / -8f;
              };
          scale =
              b.scaleFormat() == ScaleFormat.UE8M0
                  ? Math.pow(2, Math.ceil(Math.log(scale) / Math.log(2)))
                  : Bench.round(b.scaleFormat().dtype(), scale);
          for (int r = r0; r < Math.min(rows, r0 + br); r++) {
            for (int c = c0; c < Math.min(columns, c0 + bc); c++) {
              int i = (m * rows + r) * columns + c;
              float q = scale == 0 ? 0 : (float) v[i] / (float) scale;
              double stored =
                  s.dtype == DType.F8_E4M3FN
                      ? Bench.round(s.dtype, q)
                      : Math.clamp(
                          Math.rint(q),
                          s.dtype == DType.I8 ? -127 : -8,
                          s.dtype == DType.I8 ? 127 : 7);
              out[i] = stored * scale;
            }
          }
        }
      }
    }
    return out;
  }

  @Test
  void quantizedLinearDecomposes() {
    Cell x = bench.f32(3, 256);
    Cell w = bench.weight(DType.F8_E4M3FN, QuantScheme.FP8_128X128, 1, 20, 256);
    Cell out = bench.out(DType.F32, View.DENSE, 3, 20);
    OperatorSpec spec = new QuantizedLinear(DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_1X128);
    bench.stream.enqueue(
        bench.plan(bench.planner, spec, x, w, out), x.view(), w.view(), out.view());
    double[] rounded =
        quantized(new Storage(DType.F8_E4M3FN, QuantScheme.FP8_1X128), x.values(), 1, 3, 256);
    bench.check("w8a8", out, Reference.linear(rounded, 0, 3, 256, w.values(), 0, 20), 3e-6, 10);
  }

  @Test
  void norms() {
    for (DType wd : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      for (int n : new int[] {1, 20, 84, 100, 129}) {
        Cell x = bench.f32(View.SLICED, 2, 5, n);
        Cell w = bench.of(wd, View.DENSE, bench.numbers(n, 1), n);
        Cell out = bench.out(DType.F32, View.SLICED, 5, n);
        double[] want = Reference.rmsNorm(x.values(), 5, w.values(), 1e-6);
        both("norm " + n, 2e-6, 0.1, want, new RmsNorm(1e-6), x, w, out);
        bench.run(new RmsNorm(1e-6), x, w, x);
        bench.check("norm in place", x, want, 2e-6, 0.1);
        Cell add = bench.f32(5, n);
        Cell residual = bench.f32(View.SLICED, 1, 5, n);
        double[] sum = Reference.plus(residual.values(), add.values());
        Cell out2 = bench.out(DType.F32, View.DENSE, 5, n);
        bench.run(new AddRmsNorm(1e-5), add, w, residual, out2);
        bench.check("residual", residual, sum, 1e-7, 1);
        bench.check("add norm", out2, Reference.rmsNorm(sum, 5, w.values(), 1e-5), 2e-6, 0.1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(RotaryEmbedding.Layout.class)
  void rotary(RotaryEmbedding.Layout layout) {
    for (int[] z : new int[][] {{0, 12, 12}, {8, 20, 30}, {5, 2, 9}}) {
      for (View view : View.values()) {
        int pairs = z[1] / 2;
        Cell x = bench.f32(view, 1, 4, 3, z[2]);
        Cell positions = bench.i32(new double[] {0, 7, -1, 3}, 4);
        Cell cos = bench.f32(View.SLICED, 1, 9, pairs);
        Cell sin = bench.f32(View.DENSE, 1, 9, pairs);
        double[] want = new double[x.values().length];
        for (int i = 0; i < 12; i++) {
          double[] v = Reference.part(x.values(), i * z[2], z[2]);
          Reference.rotate(
              v,
              z[0],
              pairs,
              layout == RotaryEmbedding.Layout.HALF_SPLIT,
              cos.values(),
              sin.values(),
              (int) positions.values()[i / 3]);
          System.arraycopy(v, 0, want, i * z[2], z[2]);
        }
        OperatorSpec spec = new RotaryEmbedding(layout, z[0], z[1]);
        both(
            layout + " " + view,
            1e-6,
            1,
            want,
            spec,
            x,
            positions,
            cos,
            sin,
            bench.out(DType.F32, view, 4, 3, z[2]));
        bench.run(spec, x, positions, cos, sin, x);
        bench.check("in place", x, want, 1e-6, 1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(RotaryEmbedding.Layout.class)
  void kvCacheAppend(RotaryEmbedding.Layout layout) {
    for (DType cd : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      for (int[] z : new int[][] {{32, 12}, {21, 20}}) {
        int width = z[0] + z[1];
        Cell raw = bench.f32(View.SLICED, 1, 3, width);
        Cell w = bench.of(DType.BF16, View.DENSE, bench.numbers(z[0], 1), z[0]);
        Cell cos = bench.f32(11, z[1] / 2);
        Cell sin = bench.f32(11, z[1] / 2);
        Cell positions = bench.i32(new double[] {10, 2, 5}, 3);
        Cell slots = bench.i32(new double[] {6, -1, 0}, 3);
        Cell cache = bench.of(cd, View.SLICED, bench.numbers(8 * width, 1), 8, width);
        Cell other = bench.of(cd, View.DENSE, cache.values(), 8, width);
        double[] want = cache.values().clone();
        for (int t : new int[] {0, 2}) {
          double[] row = Reference.part(raw.values(), t * width, width);
          Reference.rotate(
              row,
              z[0],
              z[1] / 2,
              layout == RotaryEmbedding.Layout.HALF_SPLIT,
              cos.values(),
              sin.values(),
              (int) positions.values()[t]);
          System.arraycopy(
              Reference.rmsNorm(Reference.part(row, 0, z[0]), 1, w.values(), 1e-6),
              0,
              row,
              0,
              z[0]);
          for (int i = 0; i < width; i++) {
            want[(int) slots.values()[t] * width + i] = row[i];
          }
        }
        double ulp = cd == DType.F32 ? 1e-6 : cd == DType.F16 ? 1e-3 : 1e-2;
        OperatorSpec spec = new KvCacheAppend(1e-6, layout);
        bench.run(spec, raw, w, cos, sin, positions, slots, cache);
        bench.check("append " + cd, cache, want, ulp, 0.1);
        bench.runDecomposed(spec, raw, w, cos, sin, positions, slots, other);
        bench.check("append decomposed", other, want, ulp, 0.1);
      }
    }
  }

  @Test
  void softmaxSwigluEmbedding() {
    Cell x = bench.f32(View.SLICED, 5, 2, 3, 37);
    Cell lengths = bench.i32(new double[] {0, 1, 37}, 3);
    double[] want = new double[2 * 3 * 37];
    for (int r = 0; r < 6; r++) {
      double[] row =
          Arrays.stream(Reference.part(x.values(), r * 37, 37)).map(v -> v * 0.7).toArray();
      System.arraycopy(Reference.softmax(row, (int) lengths.values()[r % 3]), 0, want, r * 37, 37);
    }
    both(
        "softmax",
        3e-6,
        0.01,
        want,
        new MaskedSoftmax(0.7),
        x,
        lengths,
        bench.out(DType.F32, View.DENSE, 2, 3, 37));
    bench.run(new MaskedSoftmax(0.7), x, lengths, x);
    bench.check("in place", x, want, 3e-6, 0.01);
    for (View view : View.values()) {
      Cell g = bench.f32(view, 8, 3, 41);
      Cell u = bench.f32(View.DENSE, 1, 3, 41);
      both(
          "swiglu",
          1e-6,
          0.1,
          Reference.swiglu(g.values(), u.values()),
          new SwiGlu(),
          g,
          u,
          bench.out(DType.F32, view, 3, 41));
    }
    for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      Cell table = bench.of(dtype, View.SLICED, bench.numbers(30 * 21, 1), 30, 21);
      Cell ids = bench.i32(new double[] {29, 0, 5, 5}, 4);
      double[] rows =
          IntStream.range(0, 84)
              .mapToDouble(i -> table.values()[(int) ids.values()[i / 21] * 21 + i % 21])
              .toArray();
      both(
          "embedding",
          0,
          0,
          rows,
          new EmbeddingLookup(),
          table,
          ids,
          bench.out(DType.F32, View.DENSE, 4, 21));
    }
  }
}
