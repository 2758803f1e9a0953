package dev.halcyon.hal.testing;

import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.PrimitiveSpec;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** The primitives, element by element. */
final class Primitives {
  private Primitives() {}

  static void run(PrimitiveSpec spec, Elements[] t) {
    switch (spec) {
      case Fill f -> each(dims(t[0]), i -> t[0].set(f.value(), i));
      case Iota o -> each(dims(t[0]), i -> t[0].set(i[i.length - 1], i));
      case Copy c -> each(dims(t[1]), i -> t[1].setSame(t[0], i, i));
      case Cast c -> each(dims(t[1]), i -> t[1].set(cast(t[0].get(i), t[1].dtype()), i));
      case Quantize q -> quantize(t[0], t[1]);
      case Dequantize d -> each(dims(t[1]), i -> t[1].set(t[0].value(i), i));
      case Gather g -> gather(t[0], t[1], t[2]);
      case ScatterAdd s -> scatter(t[0], t[1], t[2], (a, b) -> sum(t[2].dtype(), a, b));
      case ScatterUpdate s -> scatter(t[0], t[1], t[2], (a, b) -> b);
      case Unary u -> each(dims(t[1]), i -> t[1].set(unary(u.op(), t[0].get(i)), i));
      case Binary b -> each(dims(t[2]), i -> t[2].set(binary(b.op(), t[0], t[1], i), i));
      case Reduce r -> each(dims(t[1]), i -> t[1].set(reduce(r.op(), t[0], i), i));
      case MatMul m -> each(dims(t[2]), i -> t[2].set(dot(t[0], t[1], i), i));
      case Select s ->
          each(
              dims(t[3]),
              i -> t[3].set(broadcast(t[0], i) != 0 ? broadcast(t[1], i) : broadcast(t[2], i), i));
      case TopK k -> topK(k.k(), t[0], t[1], t[2]);
      case ArgMax a -> each(dims(t[1]), i -> t[1].set(descending(t[0], i).getFirst(), i));
    }
  }

  static long[] dims(Elements e) {
    return e.type.shape().dims();
  }

  /**
   * Calls {@code body} with every index of {@code dims}, row-major; each call has an array of its
   * own.
   */
  static void each(long[] dims, Consumer<long[]> body) {
    long n = Arrays.stream(dims).reduce(1, (a, b) -> a * b);
    for (long flat = 0; flat < n; flat++) {
      long[] index = new long[dims.length];
      long rest = flat;
      for (int a = dims.length - 1; a >= 0; a--) {
        index[a] = rest % dims[a];
        rest /= dims[a];
      }
      body.accept(index);
    }
  }

  private static double cast(double v, DType to) {
    if (to.isFloating()) {
      return v;
    }
    return Double.isNaN(v) ? 0 : v < 0 ? Math.ceil(v) : Math.floor(v);
  }

  private static double broadcast(Elements e, long[] index) {
    int rank = e.type.rank();
    long[] own = Arrays.copyOfRange(index, index.length - rank, index.length);
    for (int a = 0; a < rank; a++) {
      own[a] = e.type.dim(a) == 1 ? 0 : own[a];
    }
    return e.get(own);
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
      case SILU -> x == Double.NEGATIVE_INFINITY ? Double.NaN : x / (1 + Math.exp(-x));
      case TANH -> Math.tanh(x);
      case COS -> Math.cos(x);
      case SIN -> Math.sin(x);
    };
  }

  private static double binary(Binary.Op op, Elements left, Elements right, long[] i) {
    double a = broadcast(left, i);
    double b = broadcast(right, i);
    if (left.dtype() == DType.I32) {
      return integer(op, (int) a, (int) b);
    }
    return switch (op) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MOD -> {
        double r = a % b;
        yield r != 0 && r < 0 != b < 0 ? r + b : r;
      }
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
      case LESS_EQUAL -> a <= b ? 1 : 0;
    };
  }

  private static int integer(Binary.Op op, int a, int b) {
    return switch (op) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> b == 0 ? 0 : Math.floorDiv(a, b);
      case MOD -> b == 0 ? 0 : Math.floorMod(a, b);
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
      case LESS_EQUAL -> a <= b ? 1 : 0;
    };
  }

  private static long[] withLast(long[] index, long last) {
    long[] i = index.clone();
    i[i.length - 1] = last;
    return i;
  }

  private static double reduce(Reduce.Op op, Elements in, long[] row) {
    double acc =
        switch (op) {
          case SUM -> 0;
          case MAX -> in.dtype() == DType.I32 ? Integer.MIN_VALUE : Double.NEGATIVE_INFINITY;
          case MIN -> in.dtype() == DType.I32 ? Integer.MAX_VALUE : Double.POSITIVE_INFINITY;
        };
    for (long j = 0; j < in.type.dim(-1); j++) {
      double v = in.get(withLast(row, j));
      acc =
          switch (op) {
            case SUM -> sum(in.dtype(), acc, v);
            case MAX -> Math.max(acc, v);
            case MIN -> Math.min(acc, v);
          };
    }
    return acc;
  }

  /** I32 wraps around, as adders do. */
  private static double sum(DType dtype, double a, double b) {
    return dtype == DType.I32 ? (int) a + (int) b : a + b;
  }

  private static double dot(Elements a, Elements b, long[] i) {
    int n = i.length;
    double acc = 0;
    for (long k = 0; k < a.type.dim(-1); k++) {
      long[] left = withLast(i, k);
      long[] right = i.clone();
      right[n - 2] = k;
      acc += a.get(left) * b.get(right);
    }
    return acc;
  }

  /** Indices of a row in descending order of value, the lowest first on ties, NaN as -inf. */
  private static List<Integer> descending(Elements in, long[] row) {
    Comparator<Integer> byValue = Comparator.comparingDouble(j -> key(in, row, j));
    return IntStream.range(0, (int) in.type.dim(-1)).boxed().sorted(byValue.reversed()).toList();
  }

  private static double key(Elements in, long[] row, int j) {
    double v = in.get(withLast(row, j));
    return Double.isNaN(v) ? Double.NEGATIVE_INFINITY : v + 0.0;
  }

  private static void topK(int k, Elements in, Elements values, Elements indices) {
    long[] rows = in.type.shape().with(-1, 1).dims();
    each(
        rows,
        row -> {
          List<Integer> order = descending(in, row);
          for (int j = 0; j < k; j++) {
            values.set(key(in, row, order.get(j)), withLast(row, j));
            indices.set(order.get(j), withLast(row, j));
          }
        });
  }

  private static void gather(Elements table, Elements indices, Elements out) {
    int n = indices.type.rank();
    each(
        dims(out),
        i -> {
          int row = indices.getInt(Arrays.copyOf(i, n));
          if (row < 0) {
            out.set(0, i);
            return;
          }
          if (row >= table.type.dim(0)) {
            throw new IllegalStateException("gather of row " + row + " of " + table.type);
          }
          long[] from = new long[table.type.rank()];
          from[0] = row;
          System.arraycopy(i, n, from, 1, from.length - 1);
          out.setSame(table, i, from);
        });
  }

  private interface Combine {
    double of(double old, double added);
  }

  private static void scatter(Elements indices, Elements source, Elements out, Combine combine) {
    each(
        dims(source),
        i -> {
          int row = indices.getInt(i[0]);
          if (row >= 0) {
            out.set(combine.of(out.get(row, i[1]), source.get(i)), row, i[1]);
          }
        });
  }

  private static void quantize(Elements in, Elements out) {
    QuantScheme.Blocked b = (QuantScheme.Blocked) out.type.quant();
    Map<List<Long>, Double> largest = new HashMap<>();
    each(
        dims(in),
        i -> {
          double v = in.get(i);
          largest.merge(block(b, out, i), v, (x, y) -> Math.abs(y) > Math.abs(x) ? y : x);
        });
    largest.forEach(
        (block, m) -> {
          long[] at = block.stream().mapToLong(Long::longValue).toArray();
          double s = (float) scaleOf(out.dtype(), m);
          boolean power = b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0;
          out.scales.set(power ? exponent(s) : s, at);
        });
    each(
        dims(in),
        i -> {
          double s = out.scale(i);
          out.set(s == 0 ? 0 : (float) (in.get(i) / s), i);
        });
  }

  private static double exponent(double s) {
    int e = Math.getExponent(s);
    return Math.clamp((Math.scalb(1.0, e) < s ? e + 1 : e) + 127, 0, 254);
  }

  private static double scaleOf(DType dtype, double m) {
    return switch (dtype) {
      case F8_E4M3FN -> Math.max(Math.abs(m), (double) 1e-4f) / 448;
      case I8 -> Math.abs(m) / 127;
      case I4 -> m / -8;
      default -> throw new IllegalStateException("quantise to " + dtype);
    };
  }

  private static List<Long> block(QuantScheme.Blocked b, Elements out, long[] i) {
    return Arrays.stream(Elements.scaleIndex(b, out.type, i)).boxed().toList();
  }
}
