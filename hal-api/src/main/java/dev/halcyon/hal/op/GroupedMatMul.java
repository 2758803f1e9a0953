package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * One matrix product per run of rows: rows {@code [offsets[e], offsets[e+1])} of x with the weight
 * of expert e, {@code out[s, :] = W_e x[s, :]}.
 *
 * <p>Operands: x F32 [S, K]; offsets I32 [E + 1], ascending from 0 to S; weights [E, N, K] floating
 * or quantised, dense or stacked; out F32 [S, N].
 */
public record GroupedMatMul() implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("x"), Operand.in("offsets"), Operand.in("weights"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(2, 3).dtype(0, DType.F32).weight(2);
    r.dtype(1, DType.I32)
        .shape(1, r.dim(2, 0) + 1)
        .shape(2, r.dim(2, 0), r.dim(2, 1), r.dim(0, 1))
        .dtype(3, DType.F32)
        .shape(3, r.dim(0, 0), r.dim(2, 1));
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    Decomposition.Ref offsets = d.operand(1);
    Decomposition.Ref weights = d.operand(2);
    Decomposition.Ref out = d.operand(3);
    long rows = x.dim(0);
    Decomposition.Ref index = d.i32(rows);
    d.emit(new Iota(), index);
    Decomposition.Ref product = d.f32(rows, weights.dim(1));
    Decomposition.Ref begun = d.i32(rows);
    Decomposition.Ref open = d.i32(rows);
    d.emit(new Fill(0), out);
    for (long e = 0; e < weights.dim(0); e++) {
      d.emit(new Linear(Epilogue.NONE), x, weights.part(e), product);
      d.emit(new Binary(Binary.Op.LESS_EQUAL), offsets.slice(0, e, 1), index, begun);
      d.emit(new Binary(Binary.Op.LESS), index, offsets.slice(0, e + 1, 1), open);
      d.emit(new Binary(Binary.Op.MUL), begun, open, begun);
      d.emit(new Select(), begun.reshape(rows, 1), product, out, out);
    }
  }
}
