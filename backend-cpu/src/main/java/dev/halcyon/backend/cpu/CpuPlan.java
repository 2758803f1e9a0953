package dev.halcyon.backend.cpu;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorPlan;
import java.util.Optional;

/**
 * An operator that runs on this device.
 *
 * @param implementation the kernel, for reports
 * @param workspaceBytes scratch it needs
 * @param binder makes it ready to run
 */
record CpuPlan(String implementation, long workspaceBytes, Binder binder) implements OperatorPlan {
  /** Fixes operands. */
  interface Binder {
    /**
     * Fixes operands.
     *
     * @param workspace address of the scratch, 0 if none is needed
     */
    BoundOperator bind(Tensor[] operands, long workspace);
  }

  static CpuPlan of(String implementation, Binder binder) {
    return new CpuPlan(implementation, 0, binder);
  }

  /** For operands without elements. */
  static CpuPlan nothing() {
    return of("nothing to do", (operands, workspace) -> stream -> {});
  }

  @Override
  public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
    return binder.bind(operands, workspace.isEmpty() ? 0 : CpuTypes.address(workspace.get()));
  }

  /** Several commands as one. */
  record Sequence(BoundOperator... steps) implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      for (BoundOperator s : steps) {
        s.enqueue(stream);
      }
    }

    @Override
    public void close() {
      for (BoundOperator s : steps) {
        s.close();
      }
    }
  }
}
