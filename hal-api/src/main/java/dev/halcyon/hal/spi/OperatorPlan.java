package dev.halcyon.hal.spi;

import dev.halcyon.hal.Tensor;
import java.util.Optional;

/** How a device executes one spec on one list of operand types. Thread-safe, immutable. */
public interface OperatorPlan {
  /** Scratch bytes an execution needs; 0 for none. */
  long workspaceBytes();

  /** The kernel or library function, for reports. */
  String implementation();

  /**
   * Whether its executions only give work to the stream, without waiting: what a native graph can
   * hold.
   */
  default boolean isRecordable() {
    return true;
  }

  /**
   * Fixes operands and workspace.
   *
   * @param operands of the planned types, in the order of the spec; never modified
   * @param workspace u8 [at least workspaceBytes], aligned to 256 bytes; empty if none is needed
   * @implSpec Resolve addresses, offsets and kernel arguments here, so that {@link
   *     BoundOperator#enqueue} is cheap and allocates nothing: graphs bind once and enqueue often.
   *     Device values (positions, routing ids, block tables) are read when the command executes,
   *     never here.
   */
  BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace);
}
