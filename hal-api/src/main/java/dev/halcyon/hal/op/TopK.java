package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * The k largest of the last axis in descending order; the lowest index wins ties; NaN counts as,
 * and is returned as, -inf.
 *
 * <p>in F32 [..., N]; values F32 [..., k]; indices I32 [..., k].
 *
 * @param k at least 1, at most N
 */
public record TopK(int k) implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("in"), Operand.out("values"), Operand.out("indices"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 1).dtype(0, DType.F32);
    r.dtype(1, DType.F32)
        .dtype(2, DType.I32)
        .that(k >= 1 && k <= r.dim(0, -1), HalErrorCode.INVALID_ARGUMENT, "k must be in [1, N]")
        .shape(1, types.get(0).shape().with(-1, k))
        .shape(2, types.get(0).shape().with(-1, k));
  }
}
