package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import java.util.List;

/** Conversions of element types. */
final class CastOperators {
  /**
   * Half way between the largest number of FLOAT8E4M3FN, 448, and the next one its exponent range
   * would hold, 480: what is larger in magnitude is out of range (a tie rounds to the even 448).
   */
  private static final double E4M3_LIMIT = 464;

  private CastOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.exact("Cast", "Cast", CastOperators::cast),
        MappedOperator.exact("CastLike", "Cast", c -> convert(c, c.type(1))));
  }

  private static List<Result> cast(Call c) {
    long to = c.node().integer("to", 0);
    return convert(
        c, OnnxType.of(to).orElseThrow(() -> new NotMapped("Cast to the unknown type " + to)));
  }

  private static List<Result> convert(Call c, OnnxType to) {
    OnnxType from = c.type(0);
    to.storage();
    Emitter e = c.emit();
    if (from == to) {
      return List.of(new Result(to, e.copy(c.in(0))));
    }
    if (to == OnnxType.BOOL) {
      Tensor zero = e.binary(Binary.Op.EQUAL, c.computable(0), 0);
      return c.only(to, e.binary(Binary.Op.EQUAL, zero, 0));
    }
    if (to.isFloating()) {
      Tensor x = from.isFloating() ? c.floating(0) : from == OnnxType.UINT32 ? c.i32(0) : c.in(0);
      return List.of(new Result(to, toFloating(c, x, to)));
    }
    if (from.isFloating()) {
      return fromFloating(c, to);
    }
    return c.only(to, to.bits() <= 32 ? lowBits(c) : c.i32(0));
  }

  private static Tensor toFloating(Call c, Tensor x, OnnxType to) {
    Emitter e = c.emit();
    Tensor converted = e.cast(x, to.storage());
    if (to != OnnxType.FLOAT8E4M3FN || c.node().integer("saturate", 1) != 0) {
      return converted;
    }
    // without saturation what is out of range is NaN
    Tensor wide = e.cast(x, DType.F32);
    Tensor beyond = e.binary(Binary.Op.LESS, e.f32(E4M3_LIMIT), e.unary(Unary.Op.ABS, wide));
    return e.cast(e.select(beyond, e.f32(Double.NaN), e.cast(converted, DType.F32)), to.storage());
  }

  /** Truncates; what leaves a narrow type wraps around as in C. */
  private static List<Result> fromFloating(Call c, OnnxType to) {
    for (int i = 0; i < c.host(0).size(); i++) {
      double v = c.host(0).number(i);
      if (to != OnnxType.INT64 && Math.abs(v) >= 0x1p31) {
        throw new NotMapped(to + " is computed in I32, which cannot hold " + v);
      }
    }
    if (to == OnnxType.INT64) {
      return c.only(to, c.f32(0));
    }
    return c.only(to, c.emit().cast(c.f32(0), DType.I32));
  }

  /** The low 32 bits of an integer input. */
  private static Tensor lowBits(Call c) {
    return c.type(0) == OnnxType.UINT32 ? c.in(0) : c.i32(0);
  }
}
