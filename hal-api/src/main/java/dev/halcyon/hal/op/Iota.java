package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** {@code out[..., i] = i}, the index along the last axis. F32 or I32. */
public record Iota() implements PrimitiveSpec {
  private static final List<Operand> OPERANDS = List.of(Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    new TypeRules(this, types).dtype(0, DType.F32, DType.I32).minRank(0, 1);
  }
}
