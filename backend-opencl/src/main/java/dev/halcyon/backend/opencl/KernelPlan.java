package dev.halcyon.backend.opencl;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorPlan;
import java.util.List;
import java.util.Optional;

/** A plan of kernel launches in order; none for empty tensors. */
final class KernelPlan implements OperatorPlan {
  private final String implementation;
  private final long workspaceBytes;
  private final KernelCall[] calls;

  KernelPlan(
      OpenClDevice device, String implementation, long workspaceBytes, List<KernelCall> calls) {
    this.implementation = implementation;
    this.workspaceBytes = workspaceBytes;
    this.calls = calls.toArray(KernelCall[]::new);
    device.own(calls.stream().map(KernelCall::pool).toList(), this);
  }

  @Override
  public long workspaceBytes() {
    return workspaceBytes;
  }

  @Override
  public String implementation() {
    return implementation;
  }

  @Override
  public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
    KernelPool.Kernel[] kernels = new KernelPool.Kernel[calls.length];
    for (int i = 0; i < calls.length; i++) {
      kernels[i] = calls[i].bind(operands, workspace);
    }
    return new Bound(this, kernels);
  }

  /** Keeps its plan reachable, and with it the pools its kernels go back to. */
  private record Bound(KernelPlan plan, KernelPool.Kernel[] kernels) implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      LaunchTarget target = (LaunchTarget) stream;
      for (int i = 0; i < kernels.length; i++) {
        target.launch(kernels[i], plan.calls[i]);
      }
    }

    @Override
    public void close() {
      for (int i = 0; i < kernels.length; i++) {
        plan.calls[i].pool().giveBack(kernels[i]);
      }
    }
  }
}
