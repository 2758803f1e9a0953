package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;

/**
 * A node with its inputs, being mapped on a device.
 *
 * @param node what ONNX asks for
 * @param opset version of the operator set
 * @param inputs their contents; empty where absent
 * @param emit takes the operators
 */
record Call(OnnxNode node, int opset, List<Optional<OnnxTensor>> inputs, Emitter emit) {
  boolean has(int input) {
    return input < inputs.size() && inputs.get(input).isPresent();
  }

  /**
   * The content of an input, on the host: for shapes, axes and other things that decide what is
   * enqueued.
   */
  OnnxTensor host(int input) {
    if (!has(input)) {
      throw new NotMapped("input " + input + " is absent");
    }
    return inputs.get(input).get();
  }

  OnnxType type(int input) {
    return host(input).type();
  }

  Shape shape(int input) {
    return host(input).shape();
  }

  /** An input on the device, in the storage of its type. */
  Tensor in(int input) {
    return emit.upload(host(input));
  }

  /** A floating input in F32, which holds each of its numbers. */
  Tensor f32(int input) {
    if (!type(input).isFloating()) {
      throw new NotMapped(type(input) + " where the HAL computes in F32 alone");
    }
    return emit.cast(floating(input), DType.F32);
  }

  /** A floating input in a dtype that holds each of its numbers. */
  Tensor floating(int input) {
    return switch (type(input)) {
      case FLOAT8E5M2 -> emit.e5m2(host(input));
      case FLOAT8E8M0 -> emit.e8m0(host(input));
      default -> in(input);
    };
  }

  /**
   * An integer input in I32.
   *
   * @throws NotMapped if I32 cannot hold one of its numbers
   */
  Tensor i32(int input) {
    requireWithin(input, Integer.MIN_VALUE, Integer.MAX_VALUE, "I32");
    return emit.cast(in(input), DType.I32);
  }

  /** An integer input in F32, exactly. */
  Tensor integersAsF32(int input) {
    requireWithin(input, -(1 << 24), 1 << 24, "F32");
    return emit.cast(in(input), DType.F32);
  }

  /**
   * The input in the dtype that the HAL computes it in: F32 for floating types, I32 for integers.
   */
  Tensor computable(int input) {
    return type(input).isFloating() ? f32(input) : i32(input);
  }

  private void requireWithin(int input, long low, long high, String dtype) {
    for (long v : host(input).integers()) {
      boolean unsignedWrap = host(input).type() == OnnxType.UINT64 && v < 0;
      if (v < low || v > high || unsignedWrap) {
        throw new NotMapped(
            type(input)
                + " is computed in "
                + dtype
                + ", which cannot hold "
                + (unsignedWrap ? Long.toUnsignedString(v) : Long.toString(v)));
      }
    }
  }

  /** Indices along an axis of extent {@code n} in I32; negative ones counted from the end. */
  Tensor indices(int input, long n) {
    Tensor i = i32(input);
    Tensor negative = emit.binary(Binary.Op.LESS, i, 0);
    return emit.select(negative, emit.binary(Binary.Op.ADD, i, n), i);
  }

  /** A tensor computed in F32 or I32 as an output of {@code type}; integers wrap around. */
  Result result(OnnxType type, Tensor t) {
    Tensor inRange = type.isInteger() && t.dtype() == DType.I32 ? wrap(t, type) : t;
    return new Result(type, emit.dense(emit.cast(inRange, type.storage())));
  }

  List<Result> only(OnnxType type, Tensor t) {
    return List.of(result(type, t));
  }

  /** The numbers modulo the range of a type of less than 32 bits. */
  private Tensor wrap(Tensor t, OnnxType type) {
    if (type.bits() >= 32 || type == OnnxType.BOOL) {
      return t;
    }
    long range = 1L << type.bits();
    if (!type.isSigned()) {
      return emit.binary(Binary.Op.MOD, t, range);
    }
    Tensor shifted = emit.binary(Binary.Op.ADD, t, range / 2);
    return emit.binary(Binary.Op.SUB, emit.binary(Binary.Op.MOD, shifted, range), range / 2);
  }

  /** {@code t} rounded to a floating type and back, as an operator of that type stores it. */
  Tensor rounded(Tensor t, OnnxType type) {
    return emit.cast(emit.cast(t, type.storage()), DType.F32);
  }

  /** An axis of an input of {@code rank} axes; negative ones count from the end. */
  static int axis(long axis, int rank) {
    long a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= Math.max(1, rank)) {
      throw new NotMapped("axis " + axis + " of " + rank + " axes");
    }
    return (int) a;
  }

  /** The integers of an input, or of an attribute in older operator sets; empty if absent. */
  Optional<long[]> integers(int input, String attribute) {
    return has(input) ? Optional.of(host(input).integers()) : node.integers(attribute);
  }

  /** Axes of an input or attribute in ascending order; empty if absent or none. */
  int[] axes(int input, int rank) {
    return LongStream.of(integers(input, "axes").orElse(new long[0]))
        .mapToInt(a -> axis(a, rank))
        .sorted()
        .distinct()
        .toArray();
  }

  void requireOpset(int least, String why) {
    if (opset < least) {
      throw new NotMapped("operator set " + opset + ": " + why);
    }
  }
}
