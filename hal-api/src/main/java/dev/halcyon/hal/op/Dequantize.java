package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = stored(in) * scale(in)} in f32; in is quantised [..., R, K] (or [K]), out F32 of the
 * same shape.
 */
public record Dequantize() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .shape(1, types.get(0).shape())
        .dtype(1, DType.F32)
        .that(types.get(0).isQuantized(), HalErrorCode.DTYPE_MISMATCH, "in must carry scales");
  }
}
