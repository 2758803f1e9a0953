package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = op(in)}, elementwise, F32, any strides.
 *
 * @param op the function
 */
public record Unary(Op op) implements PrimitiveSpec {
  /** Functions of one number. */
  public enum Op {
    NEG,
    ABS,
    EXP,
    LOG,
    SQRT,
    RSQRT,
    RECIPROCAL,
    SIGMOID,
    /** x * sigmoid(x). */
    SILU,
    TANH,
    COS,
    SIN
  }

  private static final List<Operand> OPERANDS = List.of(Operand.inPlace("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .dtype(0, DType.F32)
        .dtype(1, DType.F32)
        .shape(1, types.get(0).shape());
  }
}
