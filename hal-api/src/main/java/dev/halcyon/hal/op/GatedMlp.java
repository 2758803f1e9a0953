package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * The gated feed-forward block: {@code out = SwiGlu(x G^T, x U^T) D^T}, plus the residual if asked
 * for.
 *
 * <p>Operands: x F32 [T, H]; gate, up [I, H]; down [H, I], floating or quantised; residual F32 [T,
 * H] (RESIDUAL), may be out; out F32 [T, H].
 *
 * @param epilogue NONE or RESIDUAL
 */
public record GatedMlp(Epilogue epilogue) implements CompositeSpec {
  private static final List<Operand> PLAIN =
      List.of(
          Operand.in("x"),
          Operand.in("gate"),
          Operand.in("up"),
          Operand.in("down"),
          Operand.out("out"));
  private static final List<Operand> WITH_RESIDUAL =
      List.of(
          Operand.in("x"),
          Operand.in("gate"),
          Operand.in("up"),
          Operand.in("down"),
          Operand.inPlace("residual"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return epilogue == Epilogue.RESIDUAL ? WITH_RESIDUAL : PLAIN;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 2).dtype(0, DType.F32);
    long tokens = r.dim(0, 0);
    long hidden = r.dim(0, 1);
    long inter = r.dim(1, 0);
    r.that(
            epilogue != Epilogue.BIAS,
            HalErrorCode.INVALID_ARGUMENT,
            "epilogue must be NONE or RESIDUAL")
        .weight(1)
        .weight(2)
        .weight(3)
        .shape(1, inter, hidden)
        .shape(2, inter, hidden)
        .shape(3, hidden, inter);
    for (int i = 4; i < types.size(); i++) {
      r.dtype(i, DType.F32).shape(i, tokens, hidden);
    }
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    long inter = d.operand(1).dim(0);
    Decomposition.Ref gate = d.f32(x.dim(0), inter);
    Decomposition.Ref up = d.f32(x.dim(0), inter);
    d.emit(new Linear(Epilogue.NONE), x, d.operand(1), gate);
    d.emit(new Linear(Epilogue.NONE), x, d.operand(2), up);
    d.emit(new SwiGlu(), gate, up, gate);
    if (epilogue == Epilogue.RESIDUAL) {
      d.emit(new Linear(epilogue), gate, d.operand(3), d.operand(4), d.operand(5));
    } else {
      d.emit(new Linear(epilogue), gate, d.operand(3), d.operand(4));
    }
  }
}
