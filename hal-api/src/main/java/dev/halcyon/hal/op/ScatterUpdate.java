package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[indices[i], :] = source[i, :]}; other rows keep their content; a negative index is
 * skipped. Indices must not repeat.
 *
 * <p>indices I32 [M]; source [M, W]; out [N, W], same dtype.
 */
public record ScatterUpdate() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("indices"), Operand.in("source"), Operand.inout("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 1).dtype(0, DType.I32).rank(1, 2).rank(2, 2);
    r.sameDtype(1, 2)
        .shape(1, r.dim(0, 0), r.dim(2, 1))
        .that(
            !types.get(1).isQuantized()
                && !types.get(2).isQuantized()
                && types.get(2).dtype() != DType.I4,
            HalErrorCode.DTYPE_MISMATCH,
            "source and out must be unquantised, whole bytes");
  }
}
