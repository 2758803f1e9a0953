package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code residual += x; out = RmsNorm(residual, weight)}: the seam between two blocks.
 *
 * <p>Operands: x F32 [T, N]; weight [N] F32, F16 or BF16; residual F32 [T, N], updated; out F32 [T,
 * N].
 *
 * @param epsilon added to the mean of squares
 */
public record AddRmsNorm(double epsilon) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("x"), Operand.in("weight"), Operand.inout("residual"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).dtype(0, DType.F32);
    r.dtype(1, DType.F32, DType.F16, DType.BF16)
        .shape(1, r.dim(0, 1))
        .dtype(2, DType.F32)
        .shape(2, types.get(0).shape())
        .dtype(3, DType.F32)
        .shape(3, types.get(0).shape());
  }

  @Override
  public void decompose(Decomposition d) {
    d.emit(new Binary(Binary.Op.ADD), d.operand(0), d.operand(2), d.operand(2));
    d.emit(new RmsNorm(epsilon), d.operand(2), d.operand(1), d.operand(3));
  }
}
