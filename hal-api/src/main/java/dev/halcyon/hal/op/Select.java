package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = condition != 0 ? a : b}, elementwise with broadcasting to the shape of out.
 *
 * <p>condition F32, I32 or U8; a, b, out F32 or I32 alike.
 */
public record Select() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(
          Operand.inPlace("condition"),
          Operand.inPlace("a"),
          Operand.inPlace("b"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types)
        .dtype(0, DType.F32, DType.I32, DType.U8)
        .dtype(3, DType.F32, DType.I32)
        .sameDtype(1, 3)
        .sameDtype(2, 3)
        .broadcasts(0, types.get(3).shape())
        .broadcasts(1, types.get(3).shape())
        .broadcasts(2, types.get(3).shape());
  }
}
