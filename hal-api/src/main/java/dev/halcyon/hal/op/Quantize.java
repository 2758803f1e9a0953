package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out, scales(out) = quantise(in)}: for each block, F8_E4M3FN takes {@code s = max(amax,
 * 1e-4) / 448} (a UE8M0 scale is rounded up to a power of two), I8 {@code s = amax / 127}, I4
 * {@code s = m / -8} where m is the element of largest magnitude; stored = round to nearest even of
 * in / s, saturated; s is rounded to its storage first.
 *
 * <p>in: F32 [..., K] dense rows; out: quantised, same shape.
 */
public record Quantize() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).dtype(0, DType.F32).shape(1, types.get(0).shape());
    DType d = types.get(1).dtype();
    r.that(
        types.get(1).isQuantized() && (d == DType.F8_E4M3FN || d == DType.I8 || d == DType.I4),
        HalErrorCode.DTYPE_MISMATCH,
        "out must be f8_e4m3fn, i8 or i4 with scales");
  }
}
