package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * The index of the largest element of the last axis, the lowest on ties; NaN counts as -inf (all
 * NaN gives 0).
 *
 * <p>in F32 [..., N] with N at least 1; out I32 [..., 1].
 */
public record ArgMax() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 1).dtype(0, DType.F32).dtype(1, DType.I32);
    r.that(r.dim(0, -1) >= 1, HalErrorCode.SHAPE_MISMATCH, "the last axis must not be empty")
        .shape(1, types.get(0).shape().with(-1, 1));
  }
}
