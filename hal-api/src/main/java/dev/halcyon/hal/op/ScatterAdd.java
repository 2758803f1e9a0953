package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[indices[i], :] += source[i, :]} for ascending i, so duplicates add in a defined order;
 * a negative index is skipped. F32 or I32.
 *
 * <p>indices I32 [M]; source [M, W]; out [N, W].
 */
public record ScatterAdd() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("indices"), Operand.in("source"), Operand.inout("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 1).dtype(0, DType.I32).rank(1, 2).rank(2, 2);
    r.dtype(1, DType.F32, DType.I32).sameDtype(1, 2).shape(1, r.dim(0, 0), r.dim(2, 1));
  }
}
