package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[t, :] = table[ids[t], :]} as F32.
 *
 * <p>Operands: table [V, H] F32, F16 or BF16; ids I32 [T] in [0, V); out F32 [T, H].
 */
public record EmbeddingLookup() implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("table"), Operand.in("ids"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 1);
    r.dtype(0, DType.F32, DType.F16, DType.BF16)
        .dtype(1, DType.I32)
        .dtype(2, DType.F32)
        .shape(2, r.dim(1, 0), r.dim(0, 1));
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref table = d.operand(0);
    Decomposition.Ref out = d.operand(2);
    if (table.type().dtype() == DType.F32) {
      d.emit(new Gather(), table, d.operand(1), out);
      return;
    }
    Decomposition.Ref rows = d.temporary(table.type().dtype(), out.dim(0), out.dim(1));
    d.emit(new Gather(), table, d.operand(1), rows);
    d.emit(new Cast(), rows, out);
  }
}
