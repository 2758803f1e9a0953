package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.Strides;
import java.util.Arrays;
import java.util.List;

/** Operators that read, write or give indices. */
final class IndexOperators {
  private IndexOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.exact("Gather", "Gather of rows", IndexOperators::gather),
        MappedOperator.exact(
            "GatherElements",
            "Iota and Binary for places in the flat input, Gather",
            IndexOperators::gatherElements),
        MappedOperator.exact(
            "ScatterElements",
            "places as for GatherElements; ScatterUpdate, ScatterAdd, or Gather, Binary and"
                + " ScatterUpdate per position of the axis",
            IndexOperators::scatterElements),
        MappedOperator.exact(
            "TopK", "TopK; of the negated input for the smallest", IndexOperators::topK),
        MappedOperator.exact("ArgMax", "ArgMax", c -> arg(c, Extreme.LARGEST)),
        MappedOperator.exact(
            "ArgMin", "ArgMax of the negated input", c -> arg(c, Extreme.SMALLEST)));
  }

  private enum Extreme {
    LARGEST,
    SMALLEST
  }

  private static List<Result> gather(Call c) {
    Emitter e = c.emit();
    Tensor data = c.in(0);
    int axis = Call.axis(c.node().integer("axis", 0), data.shape().rank());
    Tensor table = e.dense(Emitter.move(data, axis, 0));
    Tensor rows = e.gather(table, c.indices(1, data.dim(axis)));
    // [indices..., before, after] to [before, indices..., after]
    int indexRank = c.shape(1).rank();
    int[] order = new int[rows.shape().rank()];
    for (int i = 0; i < order.length; i++) {
      if (i < axis) {
        order[i] = indexRank + i;
      } else if (i < axis + indexRank) {
        order[i] = i - axis;
      } else {
        order[i] = i;
      }
    }
    return List.of(new Result(c.type(0), e.dense(Emitter.permute(rows, order))));
  }

  /**
   * Where in flat data of {@code shape} the element of each index lies: its own coordinates, but
   * the index along {@code axis}. I32, of the shape of the indices.
   */
  private static Tensor places(Call c, Shape shape, int axis) {
    Emitter e = c.emit();
    int rank = shape.rank();
    long[] strides = Strides.contiguous(shape).toArray();
    Tensor at = e.binary(Binary.Op.MUL, c.indices(1, shape.dim(axis)), strides[axis]);
    for (int i = 0; i < rank; i++) {
      if (i != axis) {
        Tensor along = e.iota(c.shape(1).dim(i), i, rank);
        at = e.binary(Binary.Op.ADD, at, e.binary(Binary.Op.MUL, along, strides[i]));
      }
    }
    return at;
  }

  private static List<Result> gatherElements(Call c) {
    Tensor data = c.in(0);
    int axis = Call.axis(c.node().integer("axis", 0), data.shape().rank());
    Tensor flat = data.reshape(data.shape().elementCount());
    return List.of(new Result(c.type(0), c.emit().gather(flat, places(c, data.shape(), axis))));
  }

  private static List<Result> scatterElements(Call c) {
    Emitter e = c.emit();
    Shape shape = c.shape(0);
    if (c.type(0) != c.type(2)) {
      throw new NotMapped(c.type(0) + " with " + c.type(2));
    }
    int axis = Call.axis(c.node().integer("axis", 0), shape.rank());
    Tensor at = places(c, shape, axis);
    String reduction = c.node().text("reduction", "none");
    if (reduction.equals("none")) {
      Tensor out = e.copy(c.in(0));
      Tensor column = out.reshape(shape.elementCount(), 1);
      long n = at.shape().elementCount();
      e.run(new ScatterUpdate(), at.reshape(n), c.in(2).reshape(n, 1), column);
      return List.of(new Result(c.type(0), out));
    }
    Tensor out = e.copy(c.computable(0));
    Tensor column = out.reshape(shape.elementCount(), 1);
    Tensor updates = c.computable(2);
    if (reduction.equals("add")) {
      long n = at.shape().elementCount();
      e.run(new ScatterAdd(), at.reshape(n), updates.reshape(n, 1), column);
    } else {
      accumulate(e, reduction(reduction), axis, at, updates, column);
    }
    return c.only(c.type(0), out);
  }

  private static Binary.Op reduction(String name) {
    return switch (name) {
      case "mul" -> Binary.Op.MUL;
      case "max" -> Binary.Op.MAX;
      case "min" -> Binary.Op.MIN;
      default -> throw new NotMapped("reduction " + name);
    };
  }

  /** One position of the axis after the other: within one, no place occurs twice. */
  private static void accumulate(
      Emitter e, Binary.Op op, int axis, Tensor at, Tensor updates, Tensor column) {
    for (long i = 0; i < at.dim(axis); i++) {
      Tensor places = e.copy(at.slice(axis, i, 1));
      long n = places.shape().elementCount();
      Tensor now = e.gather(column, places.reshape(n));
      Tensor more = e.copy(updates.slice(axis, i, 1)).reshape(n, 1);
      e.run(new ScatterUpdate(), places.reshape(n), e.binary(op, now, more), column);
    }
  }

  private static List<Result> topK(Call c) {
    c.requireOpset(10, "k of TopK was an attribute");
    Emitter e = c.emit();
    OnnxType type = c.type(0);
    Tensor x = type.isFloating() ? c.f32(0) : c.integersAsF32(0);
    int axis = Call.axis(c.node().integer("axis", -1), x.shape().rank());
    int k = Math.toIntExact(c.host(1).integers()[0]);
    boolean smallest = c.node().integer("largest", 1) == 0;
    int last = x.shape().rank() - 1;
    Tensor rows = e.dense(Emitter.move(x, axis, last));
    Tensor values = e.temporary(DType.F32, rows.shape().with(-1, k));
    Tensor indices = e.temporary(DType.I32, rows.shape().with(-1, k));
    if (k > 0) {
      e.run(new TopK(k), smallest ? e.unary(Unary.Op.NEG, rows) : rows, values, indices);
      values = smallest ? e.unary(Unary.Op.NEG, values) : values;
    }
    return List.of(
        c.result(type, Emitter.move(values, last, axis)),
        c.result(OnnxType.INT64, Emitter.move(indices, last, axis)));
  }

  private static List<Result> arg(Call c, Extreme extreme) {
    Emitter e = c.emit();
    Tensor x = c.type(0).isFloating() ? c.f32(0) : c.integersAsF32(0);
    int axis = Call.axis(c.node().integer("axis", 0), x.shape().rank());
    boolean lastOfEqual = c.node().integer("select_last_index", 0) != 0;
    long n = x.dim(axis);
    Tensor ordered = extreme == Extreme.SMALLEST ? e.unary(Unary.Op.NEG, x) : x;
    Tensor front = e.dense(Emitter.move(ordered, axis, 0));
    if (lastOfEqual) {
      front = e.gather(front, fromEnd(e, e.iota(n, 0, 1), n));
    }
    Tensor rows = e.dense(Emitter.move(front, 0, x.shape().rank() - 1));
    Tensor index = e.temporary(DType.I32, rows.shape().with(-1, 1));
    e.run(new ArgMax(), rows, index);
    if (lastOfEqual) {
      index = fromEnd(e, index, n);
    }
    long[] dims = x.shape().with(axis, 1).dims();
    if (c.node().integer("keepdims", 1) == 0) {
      long[] rest = Arrays.copyOf(dims, dims.length - 1);
      System.arraycopy(dims, axis + 1, rest, axis, rest.length - axis);
      dims = rest;
    }
    return c.only(OnnxType.INT64, index.reshape(dims));
  }

  /** {@code n - 1 - index}. */
  private static Tensor fromEnd(Emitter e, Tensor index, long n) {
    return e.binary(Binary.Op.SUB, e.scalar(index, n - 1), index);
  }
}
