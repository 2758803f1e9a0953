package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Optional;

/**
 * The operators of the healthy device, some of them replaced by what a {@link KernelBug} makes of
 * them.
 */
final class FaultyOperators implements OperatorLibrary {
  private final OperatorLibrary healthy;
  private final Optional<Fault> fault;
  private final Device device;
  private final Planner planner;
  private final Planner decomposing;

  FaultyOperators(BackendDevice healthy, Optional<Fault> fault) {
    this.healthy = healthy.operators();
    this.fault = fault;
    this.device = new Device(healthy);
    this.planner = new Planner(device, PlacementPolicy.DEFAULT);
    this.decomposing = new Planner(device, PlacementPolicy.DECOMPOSED);
  }

  private Optional<KernelBug> bug(OperatorSpec spec, List<TensorType> types) {
    return fault.flatMap(f -> KernelBugs.of(f, spec, types));
  }

  @Override
  public Support support(OperatorSpec spec, List<TensorType> types) {
    if (fault.isPresent() && KernelBugs.leavesToDecomposition(fault.get(), spec)) {
      return new Support.Unsupported("operator", "left to its decomposition");
    }
    return bug(spec, types).isPresent()
        ? new Support.Native("faulty " + spec.name())
        : healthy.support(spec, types);
  }

  @Override
  public OperatorPlan plan(OperatorSpec spec, List<TensorType> types) {
    Optional<KernelBug> bug = bug(spec, types);
    return bug.isPresent()
        ? new Buggy(spec, types, bug.get())
        : new Healthy(healthy.plan(spec, types));
  }

  void close() {
    device.close();
  }

  /** A plan of the healthy device on a faulty stream. */
  private record Healthy(OperatorPlan plan) implements OperatorPlan {
    @Override
    public long workspaceBytes() {
      return plan.workspaceBytes();
    }

    @Override
    public String implementation() {
      return plan.implementation();
    }

    @Override
    public boolean isRecordable() {
      return plan.isRecordable();
    }

    @Override
    public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
      return new Sequence(List.of(plan.bind(operands, workspace)));
    }
  }

  private final class Buggy implements OperatorPlan {
    private final OperatorSpec spec;
    private final List<TensorType> types;
    private final KernelBug bug;

    Buggy(OperatorSpec spec, List<TensorType> types, KernelBug bug) {
      this.spec = spec;
      this.types = types;
      this.bug = bug;
    }

    @Override
    public long workspaceBytes() {
      return Commands.workspaceBytes(types);
    }

    @Override
    public String implementation() {
      return "faulty " + spec.name();
    }

    @Override
    public boolean isRecordable() {
      return false;
    }

    @Override
    public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
      Commands commands = new Commands(planner, decomposing, workspace.orElseThrow());
      bug.emit(commands, operands);
      return new Sequence(List.copyOf(commands.bound()));
    }
  }

  private record Sequence(List<BoundOperator> bound) implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      BackendStream on = FaultyStream.unwrap(stream);
      bound.forEach(b -> b.enqueue(on));
    }

    @Override
    public void close() {
      bound.forEach(BoundOperator::close);
    }
  }
}
