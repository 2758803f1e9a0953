package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every primitive against plain double arithmetic, under every kind of view. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class PrimitiveCases {
  private final Bench bench;

  PrimitiveCases(String... options) {
    bench = new Bench(options);
  }

  @AfterAll
  void close() {
    bench.close();
  }

  private static double unary(Unary.Op op, double x) {
    return switch (op) {
      case NEG -> -x;
      case ABS -> Math.abs(x);
      case EXP -> Math.exp(x);
      case LOG -> Math.log(x);
      case SQRT -> Math.sqrt(x);
      case RSQRT -> 1 / Math.sqrt(x);
      case RECIPROCAL -> 1 / x;
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case SILU -> x / (1 + Math.exp(-x));
      case TANH -> Math.tanh(x);
      case COS -> Math.cos(x);
      case SIN -> Math.sin(x);
    };
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void unary(View view) {
    for (Unary.Op op : Unary.Op.values()) {
      boolean positive = op == Unary.Op.LOG || op == Unary.Op.SQRT || op == Unary.Op.RSQRT;
      double[] x = bench.numbers(5 * 7 * 11, 9);
      if (positive) {
        x = Arrays.stream(x).map(Math::abs).toArray();
      }
      Cell in = bench.of(DType.F32, view, x, 5, 7, 11);
      Cell out = bench.out(DType.F32, View.values()[(view.ordinal() + 1) % 4], 5, 7, 11);
      bench.run(new Unary(op), in, out);
      double[] want = Arrays.stream(in.values()).map(v -> unary(op, v)).toArray();
      bench.check(op + " " + view, out, want, 1e-6, 0.1);
      bench.run(new Unary(op), in, in);
      bench.check(op + " in place", in, want, 1e-6, 0.1);
    }
  }

  private static double binary(Binary.Op op, double a, double b, boolean integer) {
    return switch (op) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> integer ? b == 0 ? 0 : Math.floor(a / b) : a / b;
      case MOD ->
          b == 0 && integer
              ? 0
              : integer ? Math.floorMod((long) a, (long) b) : a - Math.floor(a / b) * b;
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
      case LESS_EQUAL -> a <= b ? 1 : 0;
    };
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void binary(View view) {
    for (DType dtype : new DType[] {DType.F32, DType.I32}) {
      boolean integer = dtype == DType.I32;
      for (Binary.Op op : Binary.Op.values()) {
        double[] left =
            integer ? shifted(bench.integers(3 * 5 * 13, 41), -20) : bench.numbers(3 * 5 * 13, 4);
        double[] right =
            integer ? shifted(bench.integers(5 * 13, 9), -4) : bench.numbers(5 * 13, 4);
        left[3] = right[3];
        Cell a = bench.of(dtype, view, left, 3, 5, 13);
        Cell b = bench.of(dtype, view, right, 5, 13);
        Cell row = bench.of(dtype, View.DENSE, Arrays.copyOf(right, 5), 5, 1);
        Cell out = bench.out(dtype, view, 3, 5, 13);
        bench.run(new Binary(op), a, b, out);
        double[] want =
            IntStream.range(0, left.length)
                .mapToDouble(i -> binary(op, a.values()[i], b.values()[i % 65], integer))
                .toArray();
        bench.check(op + " " + view + dtype, out, want, 1e-6, op == Binary.Op.MOD ? 10 : 1);
        Cell out2 = bench.out(dtype, View.DENSE, 3, 5, 13);
        bench.run(new Binary(op), row, a, out2);
        double[] want2 =
            IntStream.range(0, left.length)
                .mapToDouble(i -> binary(op, row.values()[i / 13 % 5], a.values()[i], integer))
                .toArray();
        bench.check(op + " broadcast column", out2, want2, 1e-6, op == Binary.Op.MOD ? 10 : 1);
      }
    }
  }

  private static double[] shifted(double[] v, int by) {
    return Arrays.stream(v).map(x -> x + by).toArray();
  }

  @Test
  void integerCorners() {
    double min = Integer.MIN_VALUE;
    Cell a = bench.i32(new double[] {min, min, 7, -7, 7, -7, 0, 5}, 8);
    Cell b = bench.i32(new double[] {-1, 2, 2, 2, -2, -2, 0, 0}, 8);
    Cell out = bench.out(DType.I32, View.DENSE, 8);
    bench.run(new Binary(Binary.Op.DIV), a, b, out);
    bench.checkExact("div", out, new double[] {min, min / 2, 3, -4, -4, 3, 0, 0});
    bench.run(new Binary(Binary.Op.MOD), a, b, out);
    bench.checkExact("mod", out, new double[] {0, 0, 1, 1, -1, -1, 0, 0});
  }

  @Test
  void notANumberAndInfinity() {
    double nan = Double.NaN;
    double inf = Double.POSITIVE_INFINITY;
    Cell a = bench.of(DType.F32, View.DENSE, new double[] {nan, 1, nan, inf, -inf, 0}, 6);
    Cell b = bench.of(DType.F32, View.DENSE, new double[] {1, nan, nan, 1, 1, -0.0}, 6);
    Cell out = bench.out(DType.F32, View.DENSE, 6);
    bench.run(new Binary(Binary.Op.MAX), a, b, out);
    bench.checkExact("max", out, new double[] {nan, nan, nan, inf, 1, 0});
    bench.run(new Binary(Binary.Op.MIN), a, b, out);
    bench.checkExact("min", out, new double[] {nan, nan, nan, 1, -inf, 0});
    bench.run(new Binary(Binary.Op.DIV), b, bench.of(DType.F32, View.DENSE, new double[6], 6), out);
    bench.checkExact("div", out, new double[] {inf, nan, nan, inf, inf, nan});
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void select(View view) {
    for (DType condition : new DType[] {DType.F32, DType.I32, DType.U8}) {
      for (DType dtype : new DType[] {DType.F32, DType.I32}) {
        Cell c = bench.of(condition, view, bench.integers(4 * 9, 2), 4, 9);
        Cell a = bench.of(dtype, view, bench.integers(4 * 9, 100), 4, 9);
        Cell b = bench.of(dtype, View.DENSE, bench.integers(9, 100), 9);
        Cell out = bench.out(dtype, view, 2, 4, 9);
        bench.run(new Select(), c, a, b, out);
        bench.checkExact(
            "select " + view,
            out,
            IntStream.range(0, 72)
                .mapToDouble(i -> c.values()[i % 36] != 0 ? a.values()[i % 36] : b.values()[i % 9])
                .toArray());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void fillIotaCopy(View view) {
    for (DType dtype : DType.values()) {
      if (dtype == DType.I4) {
        continue;
      }
      if (dtype != DType.F8_E4M3FN) {
        Cell filled = bench.out(dtype, view, 3, 10);
        bench.run(new Fill(3), filled);
        bench.checkExact(
            "fill " + dtype, filled, IntStream.range(0, 30).mapToDouble(i -> 3).toArray());
      }
      Cell in = bench.of(dtype, view, bench.integers(3 * 5 * 7, 100), 3, 5, 7);
      Cell out = bench.out(dtype, View.values()[(view.ordinal() + 2) % 4], 3, 5, 7);
      bench.run(new Copy(), in, out);
      bench.checkExact("copy " + dtype + view, out, in.values());
    }
    for (DType dtype : new DType[] {DType.F32, DType.I32}) {
      Cell out = bench.out(dtype, view, 3, 10);
      bench.run(new Iota(), out);
      bench.checkExact("iota", out, IntStream.range(0, 30).mapToDouble(i -> i % 10).toArray());
    }
  }

  @Test
  void copyNibbles() {
    Cell in = bench.of(DType.I4, View.DENSE, shifted(bench.integers(3 * 7, 16), -8), 3, 7);
    Cell out = bench.of(DType.I4, View.DENSE, new double[21], 3, 7);
    bench.run(new Copy(), in, out);
    bench.checkExact("copy i4", out, in.values());
  }

  @Test
  void fillRounds() {
    Cell f = bench.out(DType.BF16, View.DENSE, 3);
    bench.run(new Fill(1.00390625000001), f);
    bench.checkExact("bf16 above the tie", f, new double[] {1.0078125, 1.0078125, 1.0078125});
    Cell inf = bench.out(DType.F32, View.DENSE, 2);
    bench.run(new Fill(Double.NEGATIVE_INFINITY), inf);
    bench.checkExact(
        "-inf", inf, new double[] {Double.NEGATIVE_INFINITY, Double.NEGATIVE_INFINITY});
    Cell scalar = bench.out(DType.F32, View.DENSE);
    bench.run(new Fill(5), scalar);
    bench.checkExact("rank 0", scalar, new double[] {5});
    bench.run(new Fill(5), bench.out(DType.F32, View.DENSE, 0, 4));
  }

  @Test
  void castEveryPair() {
    double inf = Double.POSITIVE_INFINITY;
    double[] special = {
      0,
      -0.0,
      1,
      -1,
      0.5,
      1.5,
      2.5,
      65504,
      65519.99,
      65520,
      1e-8,
      5.9604645e-8,
      2.98e-8,
      8.9e-8,
      6.1e-5,
      448,
      449,
      464,
      500,
      -448,
      0.001953125,
      0.0009765625,
      0.0009765626,
      0.0029,
      1e38,
      3e38,
      1e-38,
      1e-40,
      1e-45,
      127.4,
      127.6,
      128,
      -128.9,
      255.7,
      256,
      -3,
      2147483520.0,
      2147483648.0,
      -2147483648.0,
      3e9,
      9.3e18,
      -9.3e18,
      inf,
      -inf,
      Double.NaN,
      16777217,
      1.00390625,
      1.01171875
    };
    DType[] all = {
      DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
    };
    for (DType from : all) {
      double[] values =
          from.isFloating()
              ? join(
                  special,
                  bench.numbers(200, 300),
                  bench.numbers(100, 0.01),
                  bench.numbers(50, 1e-4))
              : join(
                  bench.integers(40, 256),
                  new double[] {-1, -128, 127, 128, 255, 256, 65535, 16777217, 2147483647.0});
      Cell in = bench.of(from, View.SLICED, values, values.length);
      for (DType to : all) {
        Cell out = bench.out(to, View.STEPPED, values.length);
        bench.run(new Cast(), in, out);
        bench.checkExact(
            from + " to " + to, out, Arrays.stream(in.values()).map(v -> cast(to, v)).toArray());
      }
    }
  }

  private static double cast(DType to, double v) {
    return switch (to) {
      case F32, F16, BF16, F8_E4M3FN -> Bench.round(to, v);
      case I64 -> (long) v;
      case I32 -> (int) v;
      case I8 -> Math.clamp((long) v, -128, 127);
      case U8 -> Math.clamp((long) v, 0, 255);
      case I4 -> throw new AssertionError();
    };
  }

  private static double[] join(double[]... parts) {
    return Arrays.stream(parts).flatMapToDouble(Arrays::stream).toArray();
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void reduce(View view) {
    for (long n : new long[] {1, 5, 37, 300}) {
      for (DType dtype : new DType[] {DType.F32, DType.I32}) {
        double[] v =
            dtype == DType.I32
                ? shifted(bench.integers(6 * n, 1000), -500)
                : bench.numbers(6 * n, 1);
        Cell in = bench.of(dtype, view, v, 2, 3, n);
        for (Reduce.Op op : Reduce.Op.values()) {
          Cell out = bench.out(dtype, view == View.TRANSPOSED ? View.DENSE : view, 2, 3, 1);
          bench.run(new Reduce(op), in, out);
          double[] want = new double[6];
          for (int r = 0; r < 6; r++) {
            double[] row = Arrays.copyOfRange(in.values(), (int) (r * n), (int) ((r + 1) * n));
            want[r] =
                switch (op) {
                  case SUM -> Arrays.stream(row).sum();
                  case MAX -> Arrays.stream(row).max().orElseThrow();
                  case MIN -> Arrays.stream(row).min().orElseThrow();
                };
          }
          bench.check(op + " " + view + " of " + n, out, want, 1e-6, dtype == DType.I32 ? 0 : 10);
        }
      }
    }
  }

  @Test
  void reduceCorners() {
    Cell empty = bench.of(DType.F32, View.DENSE, new double[0], 2, 0);
    double[] neutral = {0, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY};
    for (Reduce.Op op : Reduce.Op.values()) {
      Cell out = bench.out(DType.F32, View.DENSE, 2, 1);
      bench.run(new Reduce(op), empty, out);
      double n = neutral[op.ordinal()];
      bench.checkExact("empty " + op, out, new double[] {n, n});
      Cell one = bench.out(DType.F32, View.DENSE, 1, 1);
      double[] v = bench.numbers(40, 1);
      v[17] = Double.NaN;
      bench.run(new Reduce(op), bench.of(DType.F32, View.DENSE, v, 1, 40), one);
      bench.checkExact("nan " + op, one, new double[] {Double.NaN});
    }
    Cell i = bench.out(DType.I32, View.DENSE, 1);
    bench.run(new Reduce(Reduce.Op.MAX), bench.i32(new double[0], 0), i);
    bench.checkExact("empty i32", i, new double[] {Integer.MIN_VALUE});
  }

  /** Indices of the largest, the lowest index first on ties, NaN as -inf. */
  private static int[] order(double[] row) {
    return IntStream.range(0, row.length)
        .boxed()
        .sorted(
            (i, j) -> {
              int c = Double.compare(value(row[j]), value(row[i]));
              return c != 0 ? c : Integer.compare(i, j);
            })
        .mapToInt(i -> i)
        .toArray();
  }

  private static double value(double v) {
    return Double.isNaN(v) ? Double.NEGATIVE_INFINITY : v + 0.0;
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void choose(View view) {
    for (int n : new int[] {1, 6, 40, 133}) {
      double[] v = shifted(bench.integers(3L * n, Math.max(2, n / 2)), -3);
      if (n > 6) {
        v[0] = Double.NaN;
        v[n + 2] = Double.POSITIVE_INFINITY;
        Arrays.fill(v, 2 * n, 3 * n, n == 40 ? Double.NaN : Double.NEGATIVE_INFINITY);
      }
      Cell in = bench.of(DType.F32, view, v, 3, n);
      Cell best = bench.out(DType.I32, View.DENSE, 3, 1);
      bench.run(new ArgMax(), in, best);
      double[] want = new double[3];
      for (int r = 0; r < 3; r++) {
        want[r] = order(Arrays.copyOfRange(v, r * n, (r + 1) * n))[0];
      }
      bench.checkExact("argmax " + view + n, best, want);
      for (int k : new int[] {1, Math.min(n, 4), n}) {
        Cell values = bench.out(DType.F32, View.SLICED, 3, k);
        Cell indices = bench.out(DType.I32, View.STEPPED, 3, k);
        bench.run(new TopK(k), in, values, indices);
        double[] wantValues = new double[3 * k];
        double[] wantIndices = new double[3 * k];
        for (int r = 0; r < 3; r++) {
          double[] row = Arrays.copyOfRange(v, r * n, (r + 1) * n);
          int[] o = order(row);
          for (int j = 0; j < k; j++) {
            wantIndices[r * k + j] = o[j];
            wantValues[r * k + j] = Double.isNaN(row[o[j]]) ? Double.NEGATIVE_INFINITY : row[o[j]];
          }
        }
        bench.checkExact("topk indices " + view + n + "/" + k, indices, wantIndices);
        bench.checkExact("topk values", values, wantValues);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void gather(View view) {
    for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.I8, DType.I64}) {
      Cell table = bench.of(dtype, view, bench.integers(9 * 4 * 5, 100), 9, 4, 5);
      Cell index = bench.of(DType.I32, view, new double[] {8, 0, -1, 3, 3, 7}, 2, 3);
      Cell out = bench.out(dtype, view, 2, 3, 4, 5);
      bench.run(new Gather(), table, index, out);
      double[] want = new double[120];
      for (int i = 0; i < 120; i++) {
        int id = (int) index.values()[i / 20];
        want[i] = id < 0 ? 0 : table.values()[id * 20 + i % 20];
      }
      bench.checkExact("gather " + dtype + view, out, want);
    }
    Cell scalars = bench.of(DType.I32, view, bench.integers(6, 50), 6);
    Cell index = bench.of(DType.I32, view, new double[] {5, -1, 2}, 3);
    Cell out = bench.out(DType.I32, view, 3);
    bench.run(new Gather(), scalars, index, out);
    bench.checkExact(
        "gather scalars", out, new double[] {scalars.values()[5], 0, scalars.values()[2]});
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void scatter(View view) {
    for (DType dtype : new DType[] {DType.F32, DType.I32}) {
      Cell index = bench.of(DType.I32, view, new double[] {2, 0, 2, -1, 4, 2}, 6);
      Cell source = bench.of(dtype, view, shifted(bench.integers(6 * 70, 50), -9), 6, 70);
      Cell out = bench.of(dtype, view, bench.integers(5 * 70, 50), 5, 70);
      bench.run(new ScatterAdd(), index, source, out);
      double[] want = out.values().clone();
      for (int i = 0; i < 6; i++) {
        for (int c = 0; c < 70 && index.values()[i] >= 0; c++) {
          want[(int) index.values()[i] * 70 + c] += source.values()[i * 70 + c];
        }
      }
      bench.checkExact("scatter add " + view, out, want);
    }
    for (DType dtype : new DType[] {DType.F32, DType.F16, DType.U8, DType.I64}) {
      Cell index = bench.of(DType.I32, view, new double[] {2, 0, -1, 4}, 4);
      Cell source = bench.of(dtype, view, bench.integers(4 * 7, 50), 4, 7);
      Cell out = bench.of(dtype, view, bench.integers(5 * 7, 50), 5, 7);
      bench.run(new ScatterUpdate(), index, source, out);
      double[] want = out.values().clone();
      for (int i = 0; i < 4; i++) {
        for (int c = 0; c < 7 && index.values()[i] >= 0; c++) {
          want[(int) index.values()[i] * 7 + c] = source.values()[i * 7 + c];
        }
      }
      bench.checkExact("scatter update " + view, out, want);
    }
  }

  @ParameterizedTest
  @EnumSource(View.class)
  void matMul(View view) {
    DType[] types = {DType.F32, DType.F16, DType.BF16};
    long[][] sizes = {{1, 1, 1}, {1, 33, 5}, {3, 50, 17}, {6, 7, 40}, {2, 130, 3}};
    for (DType a : types) {
      for (DType b : types) {
        for (long[] s : sizes) {
          for (View right : new View[] {view, View.TRANSPOSED}) {
            Cell left = bench.of(a, view, bench.numbers(6 * s[0] * s[1], 1), 2, 3, s[0], s[1]);
            Cell other = bench.of(b, right, bench.numbers(6 * s[1] * s[2], 1), 2, 3, s[1], s[2]);
            Cell out = bench.out(DType.F32, view, 2, 3, s[0], s[2]);
            bench.run(new MatMul(), left, other, out);
            bench.check(
                "matmul " + a + b + Arrays.toString(s) + view + right,
                out,
                product(left.values(), other.values(), 6, 6, s[0], s[1], s[2]),
                1e-6,
                10);
          }
        }
      }
    }
  }

  @Test
  void matMulBroadcast() {
    Cell left = bench.f32(4, 5, 20);
    Cell right = bench.f32(1, 20, 9);
    Cell spread =
        new Cell(right.root(), right.view().broadcastTo(Shape.of(4, 20, 9)), right.values());
    Cell out = bench.out(DType.F32, View.DENSE, 4, 5, 9);
    bench.run(new MatMul(), left, spread, out);
    bench.check("broadcast", out, product(left.values(), right.values(), 4, 1, 5, 20, 9), 1e-6, 10);
    Cell none = bench.of(DType.F32, View.DENSE, new double[0], 3, 0);
    Cell nothing = bench.of(DType.F32, View.DENSE, new double[0], 0, 2);
    Cell zeros = bench.out(DType.F32, View.DENSE, 3, 2);
    bench.run(new MatMul(), none, nothing, zeros);
    bench.checkExact("empty sum", zeros, new double[6]);
    assertEquals(6, zeros.values().length);
  }

  private static double[] product(
      double[] a, double[] b, int batches, int bBatches, long m, long k, long n) {
    double[] out = new double[(int) (batches * m * n)];
    for (int i = 0; i < batches; i++) {
      int at = i % bBatches;
      for (int r = 0; r < m; r++) {
        for (int c = 0; c < n; c++) {
          double sum = 0;
          for (int j = 0; j < k; j++) {
            sum += a[(int) ((i * m + r) * k + j)] * b[(int) ((at * k + j) * n + c)];
          }
          out[(int) ((i * m + r) * n + c)] = sum;
        }
      }
    }
    return out;
  }
}
