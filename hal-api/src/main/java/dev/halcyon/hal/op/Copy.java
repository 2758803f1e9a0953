package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** {@code out = in}, same shape and dtype, any strides on both sides. */
public record Copy() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.in("in"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).shape(1, types.get(0).shape()).sameDtype(0, 1);
    r.that(
            !types.get(0).isQuantized() && !types.get(1).isQuantized(),
            HalErrorCode.DTYPE_MISMATCH,
            "operands must be unquantised: copy data and scales, each as what it is")
        .that(
            types.get(0).dtype() != DType.I4
                || types.get(0).isContiguous() && types.get(1).isContiguous(),
            HalErrorCode.SHAPE_MISMATCH,
            "packed i4 copies only between dense tensors");
  }
}
