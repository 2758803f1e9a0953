package dev.halcyon.hal.plan;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.Decomposition;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Collects a composite's steps and lays out their temporaries; memory of dead temporaries is
 * reused.
 */
final class DecompositionBuilder implements Decomposition {
  /** Views of an operand or temporary: the root's number and what to do with it. */
  private record View(int root, TensorType type, UnaryOperator<Tensor> path) implements Ref {
    private Ref then(TensorType next, UnaryOperator<Tensor> step) {
      return new View(root, next, t -> step.apply(path.apply(t)));
    }

    @Override
    public Ref slice(int axis, long start, long length) {
      return then(type.slice(axis, start, length), t -> t.slice(axis, start, length));
    }

    @Override
    public Ref transpose(int axis1, int axis2) {
      return then(type.transpose(axis1, axis2), t -> t.transpose(axis1, axis2));
    }

    @Override
    public Ref reshape(long... dims) {
      return then(type.reshape(dims), t -> t.reshape(dims));
    }

    @Override
    public Ref broadcastTo(Shape shape) {
      return then(type.broadcastTo(shape), t -> t.broadcastTo(shape));
    }

    @Override
    public Ref part(long index) {
      long[] dims = Arrays.copyOfRange(type.shape().dims(), 1, type.rank());
      return then(type.slice(0, index, 1).reshape(dims), t -> t.part(index));
    }
  }

  /** A temporary: roots below the operand count are operands. */
  static final class Temporary {
    final TensorType type;
    int firstStep = Integer.MAX_VALUE;
    int lastStep = -1;
    long offset;

    Temporary(TensorType type) {
      this.type = type;
    }

    long dataBytes() {
      return align(Math.max(1, type.byteSize()));
    }

    long byteSize() {
      return type.quant() instanceof QuantScheme.Blocked b
          ? dataBytes() + align(scaleType(b).byteSize())
          : dataBytes();
    }

    TensorType scaleType(QuantScheme.Blocked b) {
      return TensorType.of(b.scaleFormat().dtype(), b.scaleShape(type.shape()));
    }
  }

  /** A planned step and the views it takes. */
  record Step(Plan plan, int[] roots, List<UnaryOperator<Tensor>> paths) {}

  private final Planner planner;
  private final List<TensorType> operandTypes;
  private final List<Temporary> temporaries = new ArrayList<>();
  private final List<Step> steps = new ArrayList<>();
  private final List<Planner.Missing> missing = new ArrayList<>();

  DecompositionBuilder(Planner planner, CompositeSpec composite, List<TensorType> operandTypes) {
    this.planner = planner;
    this.operandTypes = operandTypes;
    composite.decompose(this);
  }

  /** Every step that cannot be planned. */
  List<Planner.Missing> missing() {
    return List.copyOf(missing);
  }

  /** The plan; only if nothing is missing. */
  OperatorPlan build() {
    long bytes = layOut();
    long stepBytes = steps.stream().mapToLong(s -> s.plan.workspaceBytes()).max().orElse(0);
    return new DecomposedPlan(operandTypes.size(), temporaries, steps, bytes, align(stepBytes));
  }

  /** First fit over the temporaries alive at the same time, in order of birth. */
  private long layOut() {
    long total = 0;
    List<Temporary> placed = new ArrayList<>();
    List<Temporary> order = new ArrayList<>(temporaries);
    order.removeIf(t -> t.lastStep < 0);
    order.sort((a, b) -> Integer.compare(a.firstStep, b.firstStep));
    for (Temporary t : order) {
      List<Temporary> busy = new ArrayList<>(placed);
      busy.removeIf(p -> p.lastStep < t.firstStep || p.firstStep > t.lastStep);
      busy.sort((a, b) -> Long.compare(a.offset, b.offset));
      long offset = 0;
      for (Temporary p : busy) {
        if (p.offset - offset >= t.byteSize()) {
          break;
        }
        offset = Math.max(offset, p.offset + p.byteSize());
      }
      t.offset = offset;
      placed.add(t);
      total = Math.max(total, offset + t.byteSize());
    }
    return total;
  }

  static long align(long bytes) {
    return Math.ceilDiv(bytes, MemoryArena.ALIGNMENT) * MemoryArena.ALIGNMENT;
  }

  @Override
  public Ref operand(int index) {
    return new View(index, operandTypes.get(index), UnaryOperator.identity());
  }

  @Override
  public Ref temporary(DType dtype, long... dims) {
    return root(TensorType.of(dtype, dims));
  }

  @Override
  public Ref quantizedTemporary(DType dtype, QuantScheme.Blocked scheme, long... dims) {
    return root(TensorType.of(dtype, dims).withQuant(scheme));
  }

  private Ref root(TensorType type) {
    temporaries.add(new Temporary(type));
    int index = operandTypes.size() + temporaries.size() - 1;
    return new View(index, type, UnaryOperator.identity());
  }

  @Override
  public void emit(OperatorSpec spec, Ref... operands) {
    List<TensorType> types = new ArrayList<>();
    List<UnaryOperator<Tensor>> paths = new ArrayList<>();
    int[] roots = new int[operands.length];
    for (int i = 0; i < operands.length; i++) {
      View v = (View) operands[i];
      types.add(v.type);
      paths.add(v.path);
      roots[i] = v.root;
      int temporary = v.root - operandTypes.size();
      if (temporary >= 0) {
        Temporary t = temporaries.get(temporary);
        t.firstStep = Math.min(t.firstStep, steps.size());
        t.lastStep = steps.size();
      }
    }
    // one that is missing does not end it: the error names every missing part
    planner.step(spec, types, missing).ifPresent(p -> steps.add(new Step(p, roots, paths)));
  }
}
