package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = (dtype of out) in}: rounds to nearest even; float to integer truncates; F8_E4M3FN
 * and integers saturate, NaN becomes integer 0.
 */
public record Cast() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    DType[] any = {
      DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
    };
    new TypeRules(this, types).shape(1, types.get(0).shape()).dtype(0, any).dtype(1, any);
  }
}
