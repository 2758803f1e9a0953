package dev.halcyon.hal.plan;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Executes the steps of a decomposition; temporaries and the steps' own scratch lie in the
 * workspace.
 */
final class DecomposedPlan implements OperatorPlan {
  private final int operandCount;
  private final List<DecompositionBuilder.Temporary> temporaries;
  private final List<DecompositionBuilder.Step> steps;
  private final long temporaryBytes;
  private final long stepBytes;

  DecomposedPlan(
      int operandCount,
      List<DecompositionBuilder.Temporary> temporaries,
      List<DecompositionBuilder.Step> steps,
      long temporaryBytes,
      long stepBytes) {
    this.operandCount = operandCount;
    this.temporaries = List.copyOf(temporaries);
    this.steps = List.copyOf(steps);
    this.temporaryBytes = temporaryBytes;
    this.stepBytes = stepBytes;
  }

  @Override
  public long workspaceBytes() {
    return temporaryBytes + stepBytes;
  }

  @Override
  public String implementation() {
    return steps.size() + " steps";
  }

  @Override
  public boolean isRecordable() {
    return steps.stream().allMatch(s -> s.plan().implementation().isRecordable());
  }

  @Override
  public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
    Tensor[] roots = new Tensor[operandCount + temporaries.size()];
    System.arraycopy(operands, 0, roots, 0, operandCount);
    for (int i = 0; i < temporaries.size(); i++) {
      DecompositionBuilder.Temporary t = temporaries.get(i);
      if (t.lastStep >= 0) {
        roots[operandCount + i] = carve(workspace.orElseThrow(), t);
      }
    }
    List<BoundOperator> bound = new ArrayList<>(steps.size());
    boolean complete = false;
    try {
      for (DecompositionBuilder.Step step : steps) {
        bound.add(bind(step, roots, workspace));
      }
      complete = true;
    } finally {
      if (!complete) {
        bound.forEach(BoundOperator::close);
      }
    }
    return new Sequence(bound.toArray(BoundOperator[]::new));
  }

  private BoundOperator bind(
      DecompositionBuilder.Step step, Tensor[] roots, Optional<Tensor> workspace) {
    Tensor[] arguments = new Tensor[step.roots().length];
    for (int i = 0; i < arguments.length; i++) {
      arguments[i] = step.paths().get(i).apply(roots[step.roots()[i]]);
    }
    long bytes = step.plan().workspaceBytes();
    Optional<Tensor> scratch =
        bytes == 0
            ? Optional.empty()
            : Optional.of(workspace.orElseThrow().slice(0, temporaryBytes, bytes));
    return step.plan().implementation().bind(arguments, scratch);
  }

  private static Tensor carve(Tensor workspace, DecompositionBuilder.Temporary t) {
    Tensor data = workspace.viewAs(t.offset, t.type.dense());
    if (t.type.quant() instanceof dev.halcyon.hal.tensor.QuantScheme.Blocked b) {
      return data.withScales(workspace.viewAs(t.offset + t.dataBytes(), t.scaleType(b)), b);
    }
    return data;
  }

  private record Sequence(BoundOperator[] bound) implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      for (BoundOperator b : bound) {
        b.enqueue(stream);
      }
    }

    @Override
    public void close() {
      for (BoundOperator b : bound) {
        b.close();
      }
    }
  }
}
