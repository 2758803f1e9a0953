package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = value} in every element.
 *
 * @param value converted to the dtype of out, rounding to nearest even
 */
public record Fill(double value) implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .dtype(0, DType.F32, DType.F16, DType.BF16, DType.I64, DType.I32, DType.I8, DType.U8);
  }
}
