package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = x W^T}, plus what the epilogue adds.
 *
 * <p>Operands: x F32 [M, K]; weight [N, K] of any floating dtype or quantised; bias F32 [N] (BIAS)
 * or residual F32 [M, N] (RESIDUAL); out F32 [M, N]. x is not rounded to the dtype of the weight.
 *
 * @param epilogue what is added
 */
public record Linear(Epilogue epilogue) implements CompositeSpec {
  @Override
  public List<Operand> operands() {
    return switch (epilogue) {
      case NONE -> List.of(Operand.in("x"), Operand.in("weight"), Operand.out("out"));
      case BIAS ->
          List.of(Operand.in("x"), Operand.in("weight"), Operand.in("bias"), Operand.out("out"));
      case RESIDUAL ->
          List.of(
              Operand.in("x"),
              Operand.in("weight"),
              Operand.inPlace("residual"),
              Operand.out("out"));
    };
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 2).dtype(0, DType.F32).weight(1);
    int out = types.size() - 1;
    long m = r.dim(0, 0);
    long n = r.dim(1, 0);
    r.shape(1, n, r.dim(0, 1)).dtype(out, DType.F32).shape(out, m, n);
    switch (epilogue) {
      case NONE -> {}
      case BIAS -> r.dtype(2, DType.F32).shape(2, n);
      case RESIDUAL -> r.dtype(2, DType.F32).shape(2, m, n);
    }
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref weight = d.operand(1);
    if (weight.type().isQuantized() || weight.type().dtype() == DType.F8_E4M3FN) {
      weight = d.asF32(weight);
    }
    Decomposition.Ref b = weight.transpose(0, 1);
    if (epilogue == Epilogue.NONE) {
      d.emit(new MatMul(), d.operand(0), b, d.operand(2));
      return;
    }
    Decomposition.Ref out = d.operand(3);
    Decomposition.Ref product = d.f32(out.dim(0), out.dim(1));
    d.emit(new MatMul(), d.operand(0), b, product);
    d.emit(new Binary(Binary.Op.ADD), product, d.operand(2), out);
  }
}
