package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;

/**
 * The feed-forward part of a mixture of experts after gating, touching only the chosen experts:
 * {@code out[t] = sum_j weights[t, j] * mlp_{ids[t, j]}(x[t])}, plus the shared expert's {@code
 * mlp_shared(x[t])} (SHARED), plus the residual (RESIDUAL); {@code mlp(x) = D SwiGlu(G x, U x)}.
 *
 * <p>Operands: x F32 [T, H]; weights F32 [T, k]; ids I32 [T, k] in [0, E); gate, up [E, I, H]; down
 * [E, H, I], floating or quantised, dense or stacked; sharedGate, sharedUp [J, H], sharedDown [H,
 * J] (SHARED); residual F32 [T, H] (RESIDUAL), may be out; out F32 [T, H].
 *
 * @param shared whether there is a shared expert
 * @param epilogue NONE or RESIDUAL
 */
public record MoeFfn(Shared shared, Epilogue epilogue) implements CompositeSpec {
  /** Whether a shared expert sees every token. */
  public enum Shared {
    NONE,
    SHARED
  }

  @Override
  public List<Operand> operands() {
    List<Operand> list = new ArrayList<>();
    for (String name : List.of("x", "weights", "ids", "gate", "up", "down")) {
      list.add(Operand.in(name));
    }
    if (shared == Shared.SHARED) {
      for (String name : List.of("sharedGate", "sharedUp", "sharedDown")) {
        list.add(Operand.in(name));
      }
    }
    if (epilogue == Epilogue.RESIDUAL) {
      list.add(Operand.inPlace("residual"));
    }
    list.add(Operand.out("out"));
    return List.copyOf(list);
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 2).rank(3, 3).dtype(0, DType.F32);
    long tokens = r.dim(0, 0);
    long hidden = r.dim(0, 1);
    long experts = r.dim(3, 0);
    long inter = r.dim(3, 1);
    r.that(
            epilogue != Epilogue.BIAS,
            HalErrorCode.INVALID_ARGUMENT,
            "epilogue must be NONE or RESIDUAL")
        .dtype(1, DType.F32)
        .shape(1, tokens, r.dim(1, 1))
        .dtype(2, DType.I32)
        .shape(2, tokens, r.dim(1, 1))
        .weight(3)
        .weight(4)
        .weight(5)
        .shape(3, experts, inter, hidden)
        .shape(4, experts, inter, hidden)
        .shape(5, experts, hidden, inter);
    int next = 6;
    if (shared == Shared.SHARED) {
      r.rank(6, 2).weight(6).weight(7).weight(8);
      long wide = r.dim(6, 0);
      r.shape(6, wide, hidden).shape(7, wide, hidden).shape(8, hidden, wide);
      next = 9;
    }
    for (int i = next; i < types.size(); i++) {
      r.dtype(i, DType.F32).shape(i, tokens, hidden);
    }
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    Decomposition.Ref ids = d.operand(2);
    Decomposition.Ref gate = d.operand(3);
    long hidden = x.dim(1);
    long inter = gate.dim(1);
    long rows = ids.type().elementCount();
    int experts = Math.toIntExact(gate.dim(0));
    Decomposition.Ref out = d.operand(operands().size() - 1);
    Decomposition.Ref offsets = d.i32(experts + 1L);
    Decomposition.Ref slots = d.i32(rows);
    d.emit(new MoeDispatch(experts), ids, offsets, slots);
    Decomposition.Ref tokens = d.i32(rows);
    d.emit(new Binary(Binary.Op.DIV), slots, d.intScalar(ids.dim(1)), tokens);
    Decomposition.Ref gathered = d.f32(rows, hidden);
    d.emit(new Gather(), x, tokens, gathered);
    Decomposition.Ref g = d.f32(rows, inter);
    Decomposition.Ref u = d.f32(rows, inter);
    d.emit(new GroupedMatMul(), gathered, offsets, gate, g);
    d.emit(new GroupedMatMul(), gathered, offsets, d.operand(4), u);
    d.emit(new SwiGlu(), g, u, g);
    Decomposition.Ref h = d.f32(rows, hidden);
    d.emit(new GroupedMatMul(), g, offsets, d.operand(5), h);
    Decomposition.Ref routed = shared == Shared.SHARED ? d.f32(x.dim(0), hidden) : out;
    if (epilogue == Epilogue.RESIDUAL) {
      Decomposition.Ref residual = d.operand(operands().size() - 2);
      d.emit(new MoeCombine(epilogue), h, slots, d.operand(1), residual, routed);
    } else {
      d.emit(new MoeCombine(epilogue), h, slots, d.operand(1), routed);
    }
    if (shared == Shared.SHARED) {
      d.emit(
          new GatedMlp(Epilogue.RESIDUAL),
          x,
          d.operand(6),
          d.operand(7),
          d.operand(8),
          routed,
          out);
    }
  }
}
