package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
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
import java.util.Comparator;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every primitive on every tier against element-by-element double arithmetic, in all layouts. */
class PrimitivesTest {
  private static final String TIERS = "dev.halcyon.backend.cpu.CpuFixture#tiers";

  @ParameterizedTest
  @MethodSource(TIERS)
  void unary(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Unary.Op op : Unary.Op.values()) {
        for (Tensor x : f.layouts(DType.F32, 37, 41)) {
          if (op == Unary.Op.LOG || op == Unary.Op.SQRT || op == Unary.Op.RSQRT) {
            Values.write(x, Arrays.stream(Values.read(x)).map(v -> Math.abs(v) + 0.01).toArray());
          }
          double[] in = Values.read(x);
          Tensor y = f.empty(DType.F32, 37, 41);
          f.run(new Unary(op), x, y);
          double[] expected = Arrays.stream(in).map(function(op)).toArray();
          Values.assertNear(expected, Values.read(y), 2e-7, op + " of " + x.type());
          f.run(new Unary(op), x, x);
          Values.assertNear(expected, Values.read(x), 2e-7, op + " in place of " + x.type());
        }
      }
    }
  }

  private static DoubleUnaryOperator function(Unary.Op op) {
    return switch (op) {
      case NEG -> x -> -x;
      case ABS -> Math::abs;
      case EXP -> Math::exp;
      case LOG -> Math::log;
      case SQRT -> Math::sqrt;
      case RSQRT -> x -> 1 / Math.sqrt(x);
      case RECIPROCAL -> x -> 1 / x;
      case SIGMOID -> x -> 1 / (1 + Math.exp(-x));
      case SILU -> x -> x / (1 + Math.exp(-x));
      case TANH -> Math::tanh;
      case COS -> Math::cos;
      case SIN -> Math::sin;
    };
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void binary(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Binary.Op op : Binary.Op.values()) {
        for (Tensor a : f.layouts(DType.F32, 19, 23)) {
          for (Tensor b :
              new Tensor[] {
                f.f32(19, 23), f.f32(23), f.f32(19, 1), f.f32(1), f.f32(23, 19).transpose(0, 1)
              }) {
            Tensor y = f.empty(DType.F32, 19, 23);
            f.run(new Binary(op), a, b, y);
            double[] x = Values.read(a);
            double[] z = Values.read(b.broadcastTo(Shape.of(19, 23)));
            double[] expected =
                IntStream.range(0, x.length)
                    .mapToDouble(i -> function(op).applyAsDouble(x[i], z[i]))
                    .toArray();
            Values.assertNear(expected, Values.read(y), 4e-7, op + " " + a.type() + " " + b.type());
          }
        }
      }
    }
  }

  private static DoubleBinaryOperator function(Binary.Op op) {
    return switch (op) {
      case ADD -> Double::sum;
      case SUB -> (a, b) -> a - b;
      case MUL -> (a, b) -> a * b;
      case DIV -> (a, b) -> (float) (a / b);
      case MOD ->
          (a, b) -> {
            double r = a % b;
            return r != 0 && r < 0 != b < 0 ? r + b : r;
          };
      case MAX -> Math::max;
      case MIN -> Math::min;
      case EQUAL -> (a, b) -> a == b ? 1 : 0;
      case LESS -> (a, b) -> a < b ? 1 : 0;
      case LESS_EQUAL -> (a, b) -> a <= b ? 1 : 0;
    };
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void integers(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor a = f.ints(-9, 9, 31, 7);
      Tensor b = f.ints(-3, 4, 7);
      for (Binary.Op op : Binary.Op.values()) {
        Tensor y = f.empty(DType.I32, 31, 7);
        f.run(new Binary(op), a, b, y);
        int[] x = Values.ints(a);
        int[] z = Values.ints(b);
        int[] expected = new int[x.length];
        for (int i = 0; i < x.length; i++) {
          int p = x[i];
          int q = z[i % 7];
          expected[i] =
              switch (op) {
                case DIV -> q == 0 ? 0 : (int) Math.floor((double) p / q);
                case MOD -> q == 0 ? 0 : p - q * (int) Math.floor((double) p / q);
                default -> (int) function(op).applyAsDouble(p, q);
              };
        }
        assertArrayEquals(expected, Values.ints(y), op.toString());
      }
      Tensor sum = f.empty(DType.I32, 31, 1);
      f.run(new Reduce(Reduce.Op.SUM), a, sum);
      for (int r = 0; r < 31; r++) {
        int[] row = Arrays.copyOfRange(Values.ints(a), 7 * r, 7 * r + 7);
        assertEquals(Arrays.stream(row).sum(), Values.ints(sum)[r]);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void select(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType c : new DType[] {DType.F32, DType.I32, DType.U8}) {
        Tensor condition = f.empty(c, 11, 1);
        Values.write(condition, IntStream.range(0, 11).mapToDouble(i -> i % 3).toArray());
        Tensor a = f.f32(13);
        Tensor b = f.f32(13, 11).transpose(0, 1);
        Tensor y = f.empty(DType.F32, 11, 13);
        f.run(new Select(), condition, a, b, y);
        double[] av = Values.read(a);
        double[] bv = Values.read(b);
        double[] expected = new double[143];
        Arrays.setAll(expected, i -> i / 13 % 3 != 0 ? av[i % 13] : bv[i]);
        assertArrayEquals(expected, Values.read(y));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void reduce(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (int n : new int[] {0, 1, 3, 64, 1001}) {
        for (Tensor x : f.layouts(DType.F32, 17, n)) {
          double[] in = Values.read(x);
          for (Reduce.Op op : Reduce.Op.values()) {
            Tensor y = f.empty(DType.F32, 17, 1);
            f.run(new Reduce(op), x, y);
            double[] expected = new double[17];
            for (int r = 0; r < 17; r++) {
              double[] row = Arrays.copyOfRange(in, r * n, r * n + n);
              expected[r] =
                  switch (op) {
                    case SUM -> Arrays.stream(row).sum();
                    case MAX -> Arrays.stream(row).max().orElse(Double.NEGATIVE_INFINITY);
                    case MIN -> Arrays.stream(row).min().orElse(Double.POSITIVE_INFINITY);
                  };
            }
            Values.assertNear(expected, Values.read(y), 1e-6, op + " of " + x.type());
          }
        }
      }
      Tensor nan = f.of(DType.F32, new double[] {1, Double.NaN, 2}, 1, 3);
      Tensor y = f.empty(DType.F32, 1, 1);
      f.run(new Reduce(Reduce.Op.MAX), nan, y);
      assertEquals(Double.NaN, Values.read(y)[0]);
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void fillAndIota(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t :
          new DType[] {
            DType.F32, DType.F16, DType.BF16, DType.I64, DType.I32, DType.I8, DType.U8
          }) {
        Tensor base = f.empty(t, 9, 14);
        Tensor y = base.slice(1, 3, 5);
        f.run(new Fill(3), y);
        double[] expected = new double[9 * 14];
        Arrays.setAll(expected, i -> i % 14 >= 3 && i % 14 < 8 ? 3 : 0);
        assertArrayEquals(expected, Values.read(base), t.toString());
      }
      Tensor i = f.empty(DType.I32, 300, 4).transpose(0, 1);
      f.run(new Iota(), i);
      double[] expected = new double[1200];
      Arrays.setAll(expected, k -> k % 300);
      assertArrayEquals(expected, Values.read(i));
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void copy(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t : DType.values()) {
        if (t == DType.I4) {
          continue;
        }
        for (Tensor x : f.layouts(t, 33, 65)) {
          Tensor y = f.empty(t, 65, 33).transpose(0, 1);
          f.run(new Copy(), x, y);
          assertArrayEquals(Values.read(x), Values.read(y), x.type().toString());
        }
      }
      Tensor deep = f.f32(2, 3, 2, 2, 3, 2, 2, 2);
      Tensor view = deep.transpose(0, 7).transpose(1, 4).transpose(2, 6);
      Tensor y = f.empty(DType.F32, view.shape().dims());
      f.run(new Copy(), view, y);
      assertArrayEquals(Values.read(view), Values.read(y));
      Tensor nibbles = f.empty(DType.I4, 5, 7);
      Values.write(nibbles, IntStream.range(0, 35).mapToDouble(i -> i % 16 - 8).toArray());
      Tensor other = f.empty(DType.I4, 5, 7);
      f.run(new Copy(), nibbles, other);
      assertArrayEquals(Values.read(nibbles), Values.read(other));
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void cast(String tier) {
    DType[] all = {
      DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
    };
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType from : all) {
        for (DType to : all) {
          double[] v = f.random.doubles(900, from == DType.U8 ? 0 : -300, 300).toArray();
          Tensor x = f.of(from, v, 30, 30);
          double[] in = Values.read(x);
          Tensor expected = f.of(to, Arrays.stream(in).map(d -> round(d, to)).toArray(), 30, 30);
          Tensor y = f.empty(to, 30, 30);
          f.run(new Cast(), x, y);
          assertArrayEquals(Values.read(expected), Values.read(y), from + " to " + to);
          Tensor strided = f.empty(to, 30, 60).slice(1, 7, 30);
          f.run(new Cast(), x, strided);
          assertArrayEquals(
              Values.read(expected), Values.read(strided), from + " to strided " + to);
        }
      }
      double[] special = {
        Double.NaN, 1e9, -1e9, 1e-9, -0.0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e-40
      };
      Tensor x = f.of(DType.F32, special, 8);
      Tensor bytes = f.empty(DType.I8, 8);
      f.run(new Cast(), x, bytes);
      assertArrayEquals(new int[] {0, 127, -128, 0, 0, 127, -128, 0}, Values.ints(bytes));
      Tensor f8 = f.empty(DType.F8_E4M3FN, 8);
      f.run(new Cast(), x, f8);
      assertArrayEquals(
          new double[] {Double.NaN, 448, -448, 0, -0.0, 448, -448, 0}, Values.read(f8));
    }
  }

  private static double round(double v, DType to) {
    return switch (to) {
      case I64, I32 -> (double) (long) v;
      case I8 -> Math.clamp((long) v, -128, 127);
      case U8 -> Math.clamp((long) v, 0, 255);
      default -> v;
    };
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void gather(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t : new DType[] {DType.F32, DType.BF16, DType.I8, DType.I64}) {
        for (Tensor table : f.layouts(t, 12, 9)) {
          Tensor ids = f.ints(-1, 12, 7, 6).transpose(0, 1);
          Tensor y = f.empty(t, 6, 7, 9);
          f.run(new Gather(), table, ids, y);
          double[] rows = Values.read(table);
          int[] id = Values.ints(ids);
          double[] expected = new double[378];
          Arrays.setAll(expected, i -> id[i / 9] < 0 ? 0 : rows[id[i / 9] * 9 + i % 9]);
          assertArrayEquals(expected, Values.read(y), table.type().toString());
        }
      }
      Tensor bad = f.ints(new int[] {3, 12}, 2);
      Tensor table = f.f32(12, 2);
      Tensor y = f.empty(DType.F32, 2, 2);
      HalException e = assertThrows(HalException.class, () -> f.run(new Gather(), table, bad, y));
      assertEquals(HalErrorCode.OUT_OF_BOUNDS, e.code());
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void scatter(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int[] where = {4, -1, 2, 4, 0};
      for (Tensor source : f.layouts(DType.F32, 5, 300)) {
        Tensor y = f.f32(300, 6).transpose(0, 1);
        double[] expected = Values.read(y);
        double[] s = Values.read(source);
        for (int i = 0; i < 5; i++) {
          for (int c = 0; c < 300 && where[i] >= 0; c++) {
            expected[where[i] * 300 + c] += s[i * 300 + c];
          }
        }
        f.run(new ScatterAdd(), f.ints(where, 5), source, y);
        Values.assertNear(expected, Values.read(y), 1e-6, "add");
      }
      int[] once = {5, 0, -1, 3, 1};
      for (Tensor source : f.layouts(DType.F16, 5, 300)) {
        Tensor y = f.uniform(DType.F16, 6, 300);
        double[] expected = Values.read(y);
        double[] s = Values.read(source);
        for (int i = 0; i < 5; i++) {
          for (int c = 0; c < 300 && once[i] >= 0; c++) {
            expected[once[i] * 300 + c] = s[i * 300 + c];
          }
        }
        f.run(new ScatterUpdate(), f.ints(once, 5), source, y);
        assertArrayEquals(expected, Values.read(y));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void topKAndArgMax(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (int n : new int[] {1, 2, 63, 64, 65, 300}) {
        for (Tensor x : f.layouts(DType.F32, 8, n)) {
          // few distinct values: ties everywhere
          double[] v = Arrays.stream(Values.read(x)).map(d -> Math.rint(d * 4)).toArray();
          if (n > 2) {
            v[1] = Double.NaN;
            v[2] = Double.NEGATIVE_INFINITY;
          }
          Values.write(x, v);
          for (int k : new int[] {1, Math.min(n, 8), n}) {
            Tensor values = f.empty(DType.F32, 8, k);
            Tensor ids = f.empty(DType.I32, 8, k);
            f.run(new TopK(k), x, values, ids);
            for (int r = 0; r < 8; r++) {
              int[] expected = order(v, r, n, k);
              assertArrayEquals(
                  expected,
                  Arrays.copyOfRange(Values.ints(ids), r * k, r * k + k),
                  "row " + r + " k " + k + " of " + x.type());
            }
          }
          Tensor id = f.empty(DType.I32, 8, 1);
          f.run(new ArgMax(), x, id);
          for (int r = 0; r < 8; r++) {
            assertEquals(order(v, r, n, 1)[0], Values.ints(id)[r], "row " + r + " of " + x.type());
          }
        }
      }
      Tensor none =
          f.of(DType.F32, new double[] {Double.NaN, Double.NEGATIVE_INFINITY, Double.NaN}, 1, 3);
      Tensor id = f.ints(new int[] {7}, 1, 1);
      f.run(new ArgMax(), none, id);
      assertEquals(0, Values.ints(id)[0]);
    }
  }

  private static int[] order(double[] v, int row, int n, int k) {
    return IntStream.range(0, n)
        .boxed()
        .sorted(
            Comparator.comparingDouble(
                (Integer i) -> {
                  double d = v[row * n + i];
                  return Double.isNaN(d) ? Double.POSITIVE_INFINITY : -d + 0.0;
                }))
        .mapToInt(i -> i)
        .limit(k)
        .toArray();
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void matMul(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      DType[] types = {DType.F32, DType.F16, DType.BF16};
      int[][] sizes = {{1, 1, 1}, {3, 5, 7}, {2, 65, 130}, {33, 17, 64}, {1, 200, 301}, {4, 3, 0}};
      for (DType at : types) {
        for (DType bt : types) {
          for (int[] s : sizes) {
            for (Tensor a : f.layouts(at, s[0], s[2])) {
              for (Tensor b : f.layouts(bt, s[2], s[1])) {
                Tensor y = f.empty(DType.F32, s[0], s[1]);
                f.run(new MatMul(), a, b, y);
                double[] expected = Oracle.matMul(Values.read(a), Values.read(b), s[0], s[1], s[2]);
                Values.assertNear(
                    expected, Values.read(y), 1e-6 * (4 + s[2]), a.type() + " " + b.type());
              }
            }
          }
        }
      }
      Tensor y = f.empty(DType.F32, 9, 11).transpose(0, 1);
      Tensor a = f.f32(11, 30);
      Tensor b = f.f32(9, 30).transpose(0, 1);
      f.run(new MatMul(), a, b, y);
      Values.assertNear(
          Oracle.matMul(Values.read(a), Values.read(b), 11, 9, 30),
          Values.read(y),
          1e-5,
          "transposed out");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void batchedMatMul(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor a = f.f32(5, 3, 4, 6).transpose(0, 1);
      Tensor b =
          f.uniform(DType.BF16, 1, 5, 7, 6).broadcastTo(Shape.of(3, 5, 7, 6)).transpose(2, 3);
      Tensor y = f.empty(DType.F32, 3, 5, 4, 7);
      f.run(new MatMul(), a, b, y);
      double[] av = Values.read(a);
      double[] bv = Values.read(b);
      double[] got = Values.read(y);
      for (int i = 0; i < 15; i++) {
        double[] expected =
            Oracle.matMul(
                Arrays.copyOfRange(av, i * 24, i * 24 + 24),
                Arrays.copyOfRange(bv, i * 42, i * 42 + 42),
                4,
                7,
                6);
        Values.assertNear(
            expected, Arrays.copyOfRange(got, i * 28, i * 28 + 28), 1e-5, "batch " + i);
      }
    }
  }
}
