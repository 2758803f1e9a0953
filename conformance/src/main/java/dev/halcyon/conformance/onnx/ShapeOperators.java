package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Operators that move elements: views of the input, copied by the device. They take every type that
 * has a storage.
 */
final class ShapeOperators {
  private ShapeOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.exact("Identity", "Copy", c -> moved(c, c.in(0))),
        MappedOperator.exact("Reshape", "Copy", ShapeOperators::reshape),
        MappedOperator.exact("Flatten", "Copy", ShapeOperators::flatten),
        MappedOperator.exact("Squeeze", "Copy", ShapeOperators::squeeze),
        MappedOperator.exact("Unsqueeze", "Copy", ShapeOperators::unsqueeze),
        MappedOperator.exact("Expand", "Copy of a broadcast view", ShapeOperators::expand),
        MappedOperator.exact("Transpose", "Copy of a permuted view", ShapeOperators::transpose),
        MappedOperator.exact("Concat", "Copy into slices", ShapeOperators::concat),
        MappedOperator.exact("Split", "Copy of slices", ShapeOperators::split),
        MappedOperator.exact("SplitToSequence", "Copy of slices", ShapeOperators::splitToSequence),
        MappedOperator.exact(
            "Slice", "Copy of a slice; Gather where a step is not 1", ShapeOperators::slice));
  }

  private static List<Result> moved(Call c, Tensor view) {
    return List.of(new Result(c.type(0), c.emit().copy(view)));
  }

  private static List<Result> reshape(Call c) {
    c.requireOpset(5, "the shape of Reshape was an attribute");
    Shape in = c.shape(0);
    long[] wanted = c.host(1).integers();
    boolean zeroIsZero = c.node().integer("allowzero", 0) != 0;
    long known = 1;
    int open = -1;
    for (int i = 0; i < wanted.length; i++) {
      if (wanted[i] == 0 && !zeroIsZero) {
        wanted[i] = in.dim(i);
      }
      if (wanted[i] == -1) {
        open = i;
      } else {
        known *= wanted[i];
      }
    }
    if (open >= 0) {
      wanted[open] = known == 0 ? 0 : in.elementCount() / known;
    }
    return moved(c, c.in(0).reshape(wanted));
  }

  private static List<Result> flatten(Call c) {
    Shape in = c.shape(0);
    long requested = c.node().integer("axis", 1);
    long axis = requested < 0 ? requested + in.rank() : requested;
    long rows = 1;
    for (int i = 0; i < axis; i++) {
      rows *= in.dim(i);
    }
    long columns = 1;
    for (int i = (int) axis; i < in.rank(); i++) {
      columns *= in.dim(i);
    }
    return moved(c, c.in(0).reshape(rows, columns));
  }

  private static List<Result> squeeze(Call c) {
    Shape in = c.shape(0);
    int[] axes = c.axes(1, in.rank());
    long[] dims =
        IntStream.range(0, in.rank())
            .filter(
                i -> axes.length == 0 ? in.dim(i) != 1 : IntStream.of(axes).noneMatch(a -> a == i))
            .mapToLong(in::dim)
            .toArray();
    return moved(c, c.in(0).reshape(dims));
  }

  private static List<Result> unsqueeze(Call c) {
    Shape in = c.shape(0);
    int rank = in.rank() + c.integers(1, "axes").orElse(new long[0]).length;
    int[] axes = c.axes(1, rank);
    long[] dims = new long[rank];
    int next = 0;
    for (int i = 0; i < rank; i++) {
      int axis = i;
      dims[i] = IntStream.of(axes).anyMatch(a -> a == axis) ? 1 : in.dim(next++);
    }
    return moved(c, c.in(0).reshape(dims));
  }

  private static List<Result> expand(Call c) {
    Shape target = Emitter.broadcast(c.shape(0), Shape.of(c.host(1).integers()));
    return moved(c, c.in(0).broadcastTo(target));
  }

  private static List<Result> transpose(Call c) {
    int rank = c.shape(0).rank();
    int[] order =
        c.node()
            .integers("perm")
            .map(p -> Arrays.stream(p).mapToInt(i -> Call.axis(i, rank)).toArray())
            .orElseGet(() -> IntStream.range(0, rank).map(i -> rank - 1 - i).toArray());
    return moved(c, Emitter.permute(c.in(0), order));
  }

  private static List<Result> concat(Call c) {
    Shape first = c.shape(0);
    int axis = Call.axis(c.node().integer("axis", 1), first.rank());
    long total = 0;
    for (int i = 0; i < c.inputs().size(); i++) {
      if (c.type(i) != c.type(0)) {
        throw new NotMapped(c.type(0) + " with " + c.type(i));
      }
      total += c.shape(i).dim(axis);
    }
    Tensor out = c.emit().temporary(c.type(0).storage(), first.with(axis, total));
    long at = 0;
    for (int i = 0; i < c.inputs().size(); i++) {
      long n = c.shape(i).dim(axis);
      c.emit().copy(c.in(i), out.slice(axis, at, n));
      at += n;
    }
    return List.of(new Result(c.type(0), out));
  }

  private static List<Result> split(Call c) {
    int axis = Call.axis(c.node().integer("axis", 0), c.shape(0).rank());
    long n = c.shape(0).dim(axis);
    long[] lengths =
        c.integers(1, "split")
            .orElseGet(() -> even(n, c.node().integer("num_outputs", c.node().outputs().size())));
    return parts(c, axis, lengths);
  }

  /** Equal parts, the last one smaller if they do not divide the extent. */
  private static long[] even(long n, long parts) {
    long[] lengths = new long[(int) parts];
    long length = Math.ceilDiv(n, parts);
    Arrays.fill(lengths, length);
    lengths[lengths.length - 1] = n - length * (parts - 1);
    return lengths;
  }

  private static List<Result> parts(Call c, int axis, long[] lengths) {
    Tensor in = c.in(0);
    List<Result> parts = new ArrayList<>();
    long at = 0;
    for (long length : lengths) {
      parts.add(new Result(c.type(0), c.emit().copy(in.slice(axis, at, length))));
      at += length;
    }
    return parts;
  }

  private static List<Result> splitToSequence(Call c) {
    int axis = Call.axis(c.node().integer("axis", 0), c.shape(0).rank());
    long n = c.shape(0).dim(axis);
    if (c.has(1) && c.shape(1).rank() == 1) {
      return parts(c, axis, c.host(1).integers());
    }
    long length = c.has(1) ? c.host(1).integers()[0] : 1;
    long[] lengths = new long[(int) Math.ceilDiv(n, length)];
    Arrays.fill(lengths, length);
    if (n % length != 0) {
      lengths[lengths.length - 1] = n % length;
    }
    List<Result> parts = parts(c, axis, lengths);
    if (c.has(1) || c.node().integer("keepdims", 1) != 0) {
      return parts;
    }
    long[] dims =
        IntStream.range(0, c.shape(0).rank())
            .filter(i -> i != axis)
            .mapToLong(c.shape(0)::dim)
            .toArray();
    return parts.stream().map(r -> new Result(r.type(), r.tensor().reshape(dims))).toList();
  }

  private static List<Result> slice(Call c) {
    Tensor t = c.in(0);
    int rank = t.shape().rank();
    long[] starts = c.integers(1, "starts").orElseThrow(() -> new NotMapped("no starts"));
    long[] ends = c.integers(2, "ends").orElseThrow(() -> new NotMapped("no ends"));
    long[] axes =
        c.integers(3, "axes")
            .orElseGet(() -> IntStream.range(0, starts.length).asLongStream().toArray());
    long[] steps = c.has(4) ? c.host(4).integers() : new long[0];
    for (int i = 0; i < starts.length; i++) {
      int axis = Call.axis(axes[i], rank);
      t = slice(c.emit(), t, axis, starts[i], ends[i], i < steps.length ? steps[i] : 1);
    }
    return moved(c, t);
  }

  private static Tensor slice(Emitter e, Tensor t, int axis, long start, long end, long step) {
    if (step == 0) {
      throw new NotMapped("a step of 0");
    }
    long n = t.dim(axis);
    if (n == 0) {
      return t;
    }
    // a backward slice begins at the last element at most, and may end before the first, at -1
    long high = step > 0 ? n : n - 1;
    long from = Math.clamp(start < 0 ? start + n : start, 0, high);
    long to = Math.clamp(end < 0 ? end + n : end, step > 0 ? 0 : -1, high);
    long length = Math.max(0, Math.ceilDiv(to - from, step));
    if (step == 1 || length == 0) {
      return t.slice(axis, length == 0 ? 0 : from, length);
    }
    Tensor index = e.binary(Binary.Op.MUL, e.iota(length, 0, 1), step);
    index = e.binary(Binary.Op.ADD, index, from);
    Tensor table = e.dense(Emitter.move(t, axis, 0));
    return Emitter.move(e.gather(table, index), 0, axis);
  }
}
