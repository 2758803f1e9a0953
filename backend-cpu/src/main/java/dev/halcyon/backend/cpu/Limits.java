package dev.halcyon.backend.cpu;

import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Optional;

/**
 * What the kernels ask of operands beyond what the API checks; the first that is not met is the
 * answer.
 */
final class Limits {
  private final OperatorSpec spec;
  private final List<TensorType> types;
  private Optional<Support.Unsupported> first = Optional.empty();

  Limits(OperatorSpec spec, List<TensorType> types) {
    this.spec = spec;
    this.types = types;
    for (int i = 0; i < types.size(); i++) {
      that(types.get(i).elementCount() > 0, "shape", name(i) + " has no elements");
    }
  }

  private String name(int operand) {
    return "'" + spec.operands().get(operand).name() + "' " + types.get(operand);
  }

  Limits that(boolean holds, String reason, String detail) {
    if (!holds && first.isEmpty()) {
      first = Optional.of(new Support.Unsupported(reason, detail));
    }
    return this;
  }

  /** Operands whose last axis is adjacent. */
  Limits adjacent(int... operands) {
    for (int i : operands) {
      that(types.get(i).isRowContiguous(), "layout", name(i) + " is not adjacent in its last axis");
    }
    return this;
  }

  /** Operands whose rows are adjacent and lie at even distances over all leading axes. */
  Limits evenRows(int... operands) {
    for (int i : operands) {
      that(
          CpuTypes.evenRows(types.get(i)).isPresent(),
          "layout",
          name(i) + " has rows at uneven distances");
    }
    return this;
  }

  Limits dense(int... operands) {
    for (int i : operands) {
      that(types.get(i).isContiguous(), "layout", name(i) + " is not dense");
    }
    return this;
  }

  /** Matrices, or stacks of matrices, a weight descriptor can describe. */
  Limits weight(int... operands) {
    for (int i : operands) {
      TensorType t = types.get(i);
      that(CpuTypes.isWeight(t.dtype()), "dtype", name(i) + " has no kernel for its dtype");
      that(
          isKernelWeight(t),
          "layout",
          name(i) + " has rows that begin or blocks that end inside a byte");
    }
    return this;
  }

  /** Whether a weight descriptor can describe the matrices of {@code t}. */
  static boolean isKernelWeight(TensorType t) {
    if (!CpuTypes.isWeight(t.dtype()) || !t.isRowContiguous()) {
      return false;
    }
    if (t.dtype() != DType.I4) {
      return true;
    }
    for (int axis = 0; axis < t.rank() - 1; axis++) {
      if (t.dim(axis) > 1 && (t.strides().stride(axis) & 1) != 0) {
        return false;
      }
    }
    return !(t.quant() instanceof QuantScheme.Blocked b) || (b.blockColumns() & 1) == 0;
  }

  /** The verdict: unsupported for the first limit not met, else native by {@code detail}. */
  Support verdict(String detail) {
    return first.isPresent() ? first.get() : new Support.Native(detail);
  }
}
