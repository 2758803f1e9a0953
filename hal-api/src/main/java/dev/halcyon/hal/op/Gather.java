package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Rows of a table: {@code out[i..., :] = table[indices[i...], :]}; a negative index gives a row of
 * zeros.
 *
 * <p>table [N, R...]; indices I32 [M...]; out [M..., R...], same dtype as table. An index of N or
 * more is an error that backends may report or clamp, never an access outside the table.
 */
public record Gather() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("table"), Operand.in("indices"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 1).dtype(1, DType.I32).sameDtype(0, 2);
    long[] index = types.get(1).shape().dims();
    long[] table = types.get(0).shape().dims();
    long[] out = new long[index.length + table.length - 1];
    System.arraycopy(index, 0, out, 0, index.length);
    System.arraycopy(table, 1, out, index.length, table.length - 1);
    r.shape(2, out)
        .that(
            !types.get(0).isQuantized()
                && !types.get(2).isQuantized()
                && types.get(0).dtype() != DType.I4,
            HalErrorCode.DTYPE_MISMATCH,
            "table and out must be unquantised, whole bytes");
  }
}
