package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.IntStream;

/** Reductions over any axes: these are moved to the end and merged into one. */
final class ReduceOperators {
  private ReduceOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.close(
            "ReduceSum", "Reduce SUM", c -> reduce(c, (e, x) -> sum(e, bounded(c, x, 1)))),
        MappedOperator.exact(
            "ReduceMax", "Reduce MAX", c -> reduce(c, (e, x) -> extreme(c, Reduce.Op.MAX, x))),
        MappedOperator.exact(
            "ReduceMin", "Reduce MIN", c -> reduce(c, (e, x) -> extreme(c, Reduce.Op.MIN, x))),
        MappedOperator.close(
            "ReduceMean", "Reduce SUM, Binary DIV", c -> reduce(c, ReduceOperators::mean)),
        MappedOperator.close(
            "ReduceSumSquare",
            "Binary MUL, Reduce SUM",
            c -> reduce(c, (e, x) -> sum(e, e.binary(Binary.Op.MUL, bounded(c, x, 2), x)))),
        MappedOperator.close(
            "ReduceL1",
            "Unary ABS, Reduce SUM",
            c -> reduce(c, (e, x) -> sum(e, e.unary(Unary.Op.ABS, floating(x))))),
        MappedOperator.close(
            "ReduceL2",
            "Binary MUL, Reduce SUM, Unary SQRT",
            c ->
                reduce(
                    c,
                    (e, x) ->
                        e.unary(Unary.Op.SQRT, sum(e, e.binary(Binary.Op.MUL, floating(x), x))))),
        MappedOperator.close(
            "ReduceLogSum",
            "Reduce SUM, Unary LOG",
            c -> reduce(c, (e, x) -> e.unary(Unary.Op.LOG, sum(e, floating(x))))),
        MappedOperator.close(
            "ReduceLogSumExp",
            "Reduce MAX, Binary SUB, Unary EXP, Reduce SUM, Unary LOG, Binary ADD",
            c -> reduce(c, ReduceOperators::logSumExp)));
  }

  /** Reduces the last axis of [rows, n] to [rows, 1]. */
  private interface Rows extends BiFunction<Emitter, Tensor, Tensor> {}

  private static List<Result> reduce(Call c, Rows rows) {
    Emitter e = c.emit();
    Tensor x = c.computable(0);
    int rank = x.shape().rank();
    int[] axes = c.axes(1, rank);
    if (axes.length == 0 && c.node().integer("noop_with_empty_axes", 0) == 0) {
      axes = IntStream.range(0, rank).toArray();
    }
    int[] reduced = axes;
    int[] kept =
        IntStream.range(0, rank)
            .filter(i -> IntStream.of(reduced).noneMatch(a -> a == i))
            .toArray();
    long outer = 1;
    for (int k : kept) {
      outer *= x.dim(k);
    }
    long inner = 1;
    for (int r : reduced) {
      inner *= x.dim(r);
    }
    int[] order = IntStream.concat(IntStream.of(kept), IntStream.of(reduced)).toArray();
    Tensor matrix = e.reshape(Emitter.permute(x, order), outer, inner);
    Shape shape = x.shape();
    for (int r : reduced) {
      shape = shape.with(r, 1);
    }
    if (c.node().integer("keepdims", 1) == 0) {
      Shape all = shape;
      shape = Shape.of(IntStream.of(kept).mapToLong(all::dim).toArray());
    }
    return c.only(c.type(0), rows.apply(e, matrix).reshape(shape.dims()));
  }

  private static Tensor sum(Emitter e, Tensor x) {
    return e.reduce(Reduce.Op.SUM, x);
  }

  /** Sums of 32 bits wrap around as those of ONNX; wider ones must not leave I32. */
  private static Tensor bounded(Call c, Tensor x, int power) {
    if (x.dtype() == DType.I32 && c.type(0).bits() == 64) {
      double largest = 0;
      for (long v : c.host(0).integers()) {
        largest = Math.max(largest, Math.pow(Math.abs((double) v), power));
      }
      if (largest * x.dim(1) >= 0x1p31) {
        throw new NotMapped(c.type(0) + " is computed in I32, which a sum may leave");
      }
    }
    return x;
  }

  private static Tensor floating(Tensor x) {
    if (x.dtype() != DType.F32) {
      throw new NotMapped("integers, whose result is rounded");
    }
    return x;
  }

  /** An empty set gives the least or largest number of the type, which for F32 is infinite. */
  private static Tensor extreme(Call c, Reduce.Op op, Tensor x) {
    Tensor r = c.emit().reduce(op, x);
    OnnxType type = c.type(0);
    if (type.isFloating() || type.bits() >= 32) {
      return r;
    }
    return op == Reduce.Op.MAX
        ? c.emit().binary(Binary.Op.MAX, r, type.lowest())
        : c.emit().binary(Binary.Op.MIN, r, type.highest());
  }

  private static Tensor mean(Emitter e, Tensor x) {
    return e.binary(Binary.Op.DIV, sum(e, floating(x)), x.dim(1));
  }

  /** With the largest element taken out, so that exp cannot overflow. */
  private static Tensor logSumExp(Emitter e, Tensor x) {
    Tensor max = e.reduce(Reduce.Op.MAX, floating(x));
    // of an empty or all -inf row, and of one with +inf: differences of infinities are avoided
    Tensor finite = e.binary(Binary.Op.MAX, max, -Float.MAX_VALUE);
    finite = e.binary(Binary.Op.MIN, finite, Float.MAX_VALUE);
    Tensor total = sum(e, e.unary(Unary.Op.EXP, e.binary(Binary.Op.SUB, x, finite)));
    return e.binary(Binary.Op.ADD, e.unary(Unary.Op.LOG, total), finite);
  }
}
