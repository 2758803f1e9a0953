package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = gate * sigmoid(gate) * up}, elementwise.
 *
 * <p>Operands: gate, up, out F32 [T, N]; out may be gate or up.
 */
public record SwiGlu() implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.inPlace("gate"), Operand.inPlace("up"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .rank(0, 2)
        .dtype(0, DType.F32)
        .dtype(1, DType.F32)
        .dtype(2, DType.F32)
        .shape(1, types.get(0).shape())
        .shape(2, types.get(0).shape());
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref t = d.f32(d.operand(0).dim(0), d.operand(0).dim(1));
    d.emit(new Unary(Unary.Op.SILU), d.operand(0), t);
    d.emit(new Binary(Binary.Op.MUL), t, d.operand(1), d.operand(2));
  }
}
