package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.List;

/**
 * Linear quantisation with given scales and zero points. The HAL's Quantize chooses scales itself
 * and knows no zero points, so these are combinations of Binary and Cast.
 */
final class QuantOperators {
  /**
   * Adding and subtracting it rounds an F32 below 2^22 in magnitude to the nearest even integer.
   */
  private static final double ROUNDER = 0x1.8p23;

  /** Beyond every quantised integer less every zero point; below 2^22. */
  private static final double FAR = 0x1p20;

  private QuantOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.exact(
            "QuantizeLinear",
            "Binary DIV, rounding by Binary ADD and SUB, clamping by MAX and MIN, Cast",
            QuantOperators::quantize),
        MappedOperator.exact(
            "DequantizeLinear", "Binary SUB, Cast, Binary MUL", QuantOperators::dequantize));
  }

  /** One number per tensor, axis or block, repeated for every element of the input. */
  private static Tensor spread(Call c, Tensor t) {
    Emitter e = c.emit();
    Shape x = c.shape(0);
    if (t.shape().rank() == 0 || t.shape().elementCount() == 1 && t.shape().rank() <= 1) {
      return t.reshape(1);
    }
    int axis = Call.axis(c.node().integer("axis", 1), x.rank());
    long block = c.node().integer("block_size", 0);
    if (block == 0) {
      if (t.shape().rank() != 1 || t.dim(0) != x.dim(axis)) {
        throw new NotMapped("scales " + t.shape() + " for axis " + axis + " of " + x);
      }
      long[] dims = new long[x.rank()];
      Arrays.fill(dims, 1);
      dims[axis] = t.dim(0);
      return t.reshape(dims);
    }
    // [.., blocks, ..] to [.., blocks, block, ..] to [.., blocks * block, ..], of which x is a part
    long[] split = insert(t.shape().dims(), axis + 1, 1);
    long[] repeated = insert(t.shape().dims(), axis + 1, block);
    Tensor whole = e.copy(t.reshape(split).broadcastTo(Shape.of(repeated)));
    return whole
        .reshape(t.shape().with(axis, t.dim(axis) * block).dims())
        .slice(axis, 0, x.dim(axis));
  }

  private static long[] insert(long[] dims, int at, long extent) {
    long[] more = new long[dims.length + 1];
    System.arraycopy(dims, 0, more, 0, at);
    more[at] = extent;
    System.arraycopy(dims, at, more, at + 1, dims.length - at);
    return more;
  }

  private static List<Result> quantize(Call c) {
    Emitter e = c.emit();
    OnnxType to = outputType(c);
    to.storage();
    OnnxType precision = precision(c);
    Tensor scaled =
        e.binary(Binary.Op.DIV, e.cast(c.computable(0), DType.F32), spread(c, c.f32(1)));
    scaled = c.rounded(scaled, precision);
    if (to.isFloating()) {
      if (c.node().integer("saturate", 1) == 0) {
        throw new NotMapped("QuantizeLinear without saturation");
      }
      return c.only(to, scaled);
    }
    Tensor bounded = e.binary(Binary.Op.MIN, e.binary(Binary.Op.MAX, scaled, -FAR), FAR);
    Tensor whole = e.binary(Binary.Op.SUB, e.binary(Binary.Op.ADD, bounded, ROUNDER), ROUNDER);
    Tensor q = e.cast(whole, DType.I32);
    if (c.has(2)) {
      q = e.binary(Binary.Op.ADD, q, spread(c, c.i32(2)));
    }
    q = e.binary(Binary.Op.MAX, q, to.lowest());
    return c.only(to, e.binary(Binary.Op.MIN, q, to.highest()));
  }

  private static OnnxType outputType(Call c) {
    if (c.has(2)) {
      return c.type(2);
    }
    long asked = c.node().integer("output_dtype", 0);
    return asked == 0
        ? OnnxType.UINT8
        : OnnxType.of(asked).orElseThrow(() -> new NotMapped("output_dtype " + asked));
  }

  /** The type that the quotient is computed in. */
  private static OnnxType precision(Call c) {
    long asked = c.node().integer("precision", 0);
    if (asked != 0) {
      return OnnxType.of(asked).orElseThrow(() -> new NotMapped("precision " + asked));
    }
    return c.type(1);
  }

  private static List<Result> dequantize(Call c) {
    Emitter e = c.emit();
    Tensor x = c.computable(0);
    if (c.has(2)) {
      x = e.binary(Binary.Op.SUB, x, spread(c, c.computable(2)));
    }
    Tensor product = e.binary(Binary.Op.MUL, e.cast(x, DType.F32), spread(c, c.f32(1)));
    long asked = c.node().integer("output_dtype", 0);
    OnnxType to =
        asked == 0
            ? c.type(1)
            : OnnxType.of(asked).orElseThrow(() -> new NotMapped("output_dtype " + asked));
    return c.only(to, product);
  }
}
