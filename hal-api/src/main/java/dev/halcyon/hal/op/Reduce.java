package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Reduces the last axis: in [..., N] to out [..., 1], F32 (accumulated in f32 or better) or I32. An
 * empty axis gives the neutral element (SUM 0, MAX -inf, MIN +inf; I32 the extremes).
 *
 * @param op the reduction; MAX and MIN give NaN if any element is
 */
public record Reduce(Op op) implements PrimitiveSpec {
  /** Reductions. */
  public enum Op {
    SUM,
    MAX,
    MIN
  }

  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 1).dtype(0, DType.F32, DType.I32);
    r.sameDtype(0, 1).dtype(1, DType.F32, DType.I32).shape(1, types.get(0).shape().with(-1, 1));
  }
}
