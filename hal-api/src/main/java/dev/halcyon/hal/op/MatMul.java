package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[..., m, n] = sum_k a[..., m, k] * b[..., k, n]} with f32 accumulation. Transposes and
 * batch broadcasts are views of the operands.
 *
 * <p>a [B..., M, K], b [B..., K, N] in F32, F16 or BF16, any strides; out F32 [B..., M, N].
 */
public record MatMul() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("a"), Operand.in("b"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 2).rank(1, types.get(0).rank());
    r.dtype(0, DType.F32, DType.F16, DType.BF16)
        .dtype(1, DType.F32, DType.F16, DType.BF16)
        .dtype(2, DType.F32)
        .shape(1, types.get(0).shape().with(-2, r.dim(0, -1)).with(-1, r.dim(1, -1)))
        .shape(2, types.get(0).shape().with(-1, r.dim(1, -1)));
  }
}
