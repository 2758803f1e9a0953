package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = a op b}, elementwise with broadcasting of a and b to the shape of out, F32 or I32
 * throughout.
 *
 * @param op the function
 */
public record Binary(Op op) implements PrimitiveSpec {
  /** Functions of two numbers. */
  public enum Op {
    ADD,
    SUB,
    MUL,
    /** I32: floor division. Division by zero: F32 IEEE, I32 gives 0. */
    DIV,
    /** The remainder with the sign of the divisor; I32 by zero gives 0. */
    MOD,
    /** F32: NaN if either is NaN. */
    MAX,
    /** F32: NaN if either is NaN. */
    MIN,
    /** 1 or 0 in the dtype of out, like the other comparisons. */
    EQUAL,
    LESS,
    LESS_EQUAL
  }

  private static final List<Operand> OPERANDS =
      List.of(Operand.inPlace("a"), Operand.inPlace("b"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .dtype(0, DType.F32, DType.I32)
        .sameDtype(0, 1)
        .dtype(1, DType.F32, DType.I32)
        .sameDtype(0, 2)
        .dtype(2, DType.F32, DType.I32)
        .broadcasts(0, types.get(2).shape())
        .broadcasts(1, types.get(2).shape());
  }
}
