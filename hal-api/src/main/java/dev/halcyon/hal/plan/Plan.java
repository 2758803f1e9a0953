package dev.halcyon.hal.plan;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.op.Operand;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * How a device executes one spec on one list of operand types. Immutable, thread-safe, free to
 * keep.
 */
public final class Plan {
  private final Device device;
  private final OperatorSpec spec;
  private final List<TensorType> types;
  private final List<Operand> operands;
  private final Placement placement;
  private final OperatorPlan implementation;

  Plan(
      Device device,
      OperatorSpec spec,
      List<TensorType> types,
      Placement placement,
      OperatorPlan implementation) {
    this.device = device;
    this.spec = spec;
    this.types = types;
    this.operands = spec.operands();
    this.placement = placement;
    this.implementation = implementation;
  }

  public Device device() {
    return device;
  }

  public OperatorSpec spec() {
    return spec;
  }

  /** The operand types it was made for. */
  public List<TensorType> types() {
    return types;
  }

  /** The formal operands of the spec. */
  public List<Operand> operands() {
    return operands;
  }

  public Placement placement() {
    return placement;
  }

  public long workspaceBytes() {
    return implementation.workspaceBytes();
  }

  /**
   * What executes it.
   *
   * @apiNote For streams and graphs; users enqueue plans.
   */
  public OperatorPlan implementation() {
    return implementation;
  }

  @Override
  public String toString() {
    return spec + " " + placement + " (" + implementation.implementation() + ")";
  }
}
