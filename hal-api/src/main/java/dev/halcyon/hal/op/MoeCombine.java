package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Brings expert outputs back to their tokens: {@code out[t, :] = sum_j weights[t, j] * h[p(t, j),
 * :]} where {@code slots[p(t, j)] = t * k + j}, plus the residual if asked for.
 *
 * <p>Operands: h F32 [T * k, N]; slots I32 [T * k] of {@link MoeDispatch}; weights F32 [T, k];
 * residual F32 [T, N] (RESIDUAL), may be out; out F32 [T, N].
 *
 * @param epilogue NONE or RESIDUAL
 */
public record MoeCombine(Epilogue epilogue) implements CompositeSpec {
  private static final List<Operand> PLAIN =
      List.of(Operand.in("h"), Operand.in("slots"), Operand.in("weights"), Operand.out("out"));
  private static final List<Operand> WITH_RESIDUAL =
      List.of(
          Operand.in("h"),
          Operand.in("slots"),
          Operand.in("weights"),
          Operand.inPlace("residual"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return epilogue == Epilogue.RESIDUAL ? WITH_RESIDUAL : PLAIN;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(2, 2).dtype(0, DType.F32);
    long rows = r.dim(2, 0) * r.dim(2, 1);
    r.that(
            epilogue != Epilogue.BIAS,
            HalErrorCode.INVALID_ARGUMENT,
            "epilogue must be NONE or RESIDUAL")
        .shape(0, rows, r.dim(0, 1))
        .dtype(1, DType.I32)
        .shape(1, rows)
        .dtype(2, DType.F32);
    for (int i = 3; i < types.size(); i++) {
      r.dtype(i, DType.F32).shape(i, r.dim(2, 0), r.dim(0, 1));
    }
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref h = d.operand(0);
    Decomposition.Ref weights = d.operand(2);
    long tokens = weights.dim(0);
    long k = weights.dim(1);
    long n = h.dim(1);
    Decomposition.Ref index = d.i32(tokens * k);
    d.emit(new Iota(), index);
    Decomposition.Ref inverse = d.i32(tokens * k, 1);
    d.emit(new ScatterUpdate(), d.operand(1), index.reshape(tokens * k, 1), inverse);
    Decomposition.Ref rows = d.f32(tokens * k, n);
    d.emit(new Gather(), h, inverse.reshape(tokens * k), rows);
    Decomposition.Ref weighted = d.f32(tokens, k, n);
    d.emit(
        new Binary(Binary.Op.MUL),
        rows.reshape(tokens, k, n),
        weights.reshape(tokens, k, 1),
        weighted);
    Decomposition.Ref out = d.operand(operands().size() - 1);
    if (epilogue == Epilogue.NONE) {
      d.emit(new Reduce(Reduce.Op.SUM), weighted.transpose(1, 2), out.reshape(tokens, n, 1));
      return;
    }
    Decomposition.Ref sum = d.f32(tokens, n, 1);
    d.emit(new Reduce(Reduce.Op.SUM), weighted.transpose(1, 2), sum);
    d.emit(new Binary(Binary.Op.ADD), sum.reshape(tokens, n), d.operand(3), out);
  }
}
