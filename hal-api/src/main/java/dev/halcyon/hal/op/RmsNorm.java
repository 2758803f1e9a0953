package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[t, :] = x[t, :] / sqrt(mean(x[t, :]^2) + epsilon) * weight}.
 *
 * <p>Operands: x F32 [T, N], adjacent in the last axis; weight [N] F32, F16 or BF16; out F32 [T,
 * N].
 *
 * @param epsilon added to the mean of squares
 */
public record RmsNorm(double epsilon) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.inPlace("x"), Operand.in("weight"), Operand.out("out"));

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
        .shape(2, types.get(0).shape());
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    long rows = x.dim(0);
    long n = x.dim(1);
    Decomposition.Ref squares = d.f32(rows, n);
    Decomposition.Ref mean = d.f32(rows, 1);
    d.emit(new Binary(Binary.Op.MUL), x, x, squares);
    d.emit(new Reduce(Reduce.Op.SUM), squares, mean);
    d.emit(new Binary(Binary.Op.DIV), mean, d.scalar(n), mean);
    d.emit(new Binary(Binary.Op.ADD), mean, d.scalar(epsilon), mean);
    d.emit(new Unary(Unary.Op.RSQRT), mean, mean);
    d.emit(new Binary(Binary.Op.MUL), x, mean, squares);
    d.emit(new Binary(Binary.Op.MUL), squares, d.asF32(d.operand(1)), d.operand(2));
  }
}
