package dev.halcyon.hal.spi;

import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** What a device can execute natively. Thread-safe. */
public interface OperatorLibrary {
  /**
   * Whether {@code spec} runs natively on operands of {@code types}, which passed {@link
   * OperatorSpec#check}.
   */
  Support support(OperatorSpec spec, List<TensorType> types);

  /** A plan; called only after {@link #support} said {@link Support.Native}. May compile. */
  OperatorPlan plan(OperatorSpec spec, List<TensorType> types);
}
