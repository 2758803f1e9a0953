package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/** Collects what is enqueued in place of one operator; temporaries lie in its workspace. */
final class Commands {
  private static final long ALIGNMENT = 256;

  private final Planner planner;
  private final Planner decomposing;
  private final Tensor workspace;
  private final List<BoundOperator> bound = new ArrayList<>();
  private long used;

  Commands(Planner planner, Planner decomposing, Tensor workspace) {
    this.planner = planner;
    this.decomposing = decomposing;
    this.workspace = workspace;
  }

  List<BoundOperator> bound() {
    return bound;
  }

  /** Workspace that is enough for a few copies of all operands. */
  static long workspaceBytes(List<TensorType> types) {
    return types.stream().mapToLong(t -> 64 * t.elementCount() + 64 * ALIGNMENT).sum() + 4096;
  }

  Tensor temporary(DType dtype, long... dims) {
    TensorType type = TensorType.of(dtype, dims);
    Tensor t = workspace.viewAs(used, type);
    used += Math.ceilDiv(Math.max(1, type.byteSize()), ALIGNMENT) * ALIGNMENT;
    return t;
  }

  void run(OperatorSpec spec, Tensor... operands) {
    run(planner, spec, operands);
  }

  /** By decomposition into the primitives of the healthy device. */
  void decomposed(OperatorSpec spec, Tensor... operands) {
    run(decomposing, spec, operands);
  }

  private void run(Planner by, OperatorSpec spec, Tensor... operands) {
    Plan plan = by.plan(spec, Arrays.stream(operands).map(Tensor::type).toList());
    long bytes = plan.workspaceBytes();
    Optional<Tensor> scratch =
        bytes == 0 ? Optional.empty() : Optional.of(temporary(DType.U8, bytes));
    bound.add(plan.implementation().bind(operands, scratch));
  }

  /** Something with the stream itself. */
  void raw(Consumer<BackendStream> work) {
    bound.add(work::accept);
  }

  /** A dense copy. */
  Tensor dense(Tensor t) {
    Tensor copy = temporary(t.dtype(), t.shape().dims());
    run(new Copy(), t, copy);
    return copy;
  }

  /** Computes an f32 tensor on the host from dense f32 tensors. */
  void onHost(Tensor out, Function<float[][], float[]> computation, Tensor... inputs) {
    Tensor result = temporary(DType.F32, out.shape().dims());
    raw(
        stream -> {
          float[][] values =
              Arrays.stream(inputs).map(t -> floats(stream, t)).toArray(float[][]::new);
          upload(stream, MemorySegment.ofArray(computation.apply(values)), result);
        });
    run(new Copy(), result, out);
  }

  /** Computes an i32 tensor on the host from dense f32 tensors. */
  void indicesOnHost(Tensor out, Function<float[][], int[]> computation, Tensor... inputs) {
    Tensor result = temporary(DType.I32, out.shape().dims());
    raw(
        stream -> {
          float[][] values =
              Arrays.stream(inputs).map(t -> floats(stream, t)).toArray(float[][]::new);
          upload(stream, MemorySegment.ofArray(computation.apply(values)), result);
        });
    run(new Copy(), result, out);
  }

  static void upload(BackendStream stream, MemorySegment values, Tensor to) {
    if (values.byteSize() > 0) {
      stream.upload(values, to.buffer(), to.byteOffset());
    }
  }

  static float[] floats(BackendStream stream, Tensor t) {
    float[] values = new float[Math.toIntExact(t.type().elementCount())];
    if (values.length > 0) {
      stream.download(t.buffer(), t.byteOffset(), MemorySegment.ofArray(values));
    }
    return values;
  }

  static int[] ints(BackendStream stream, Tensor t) {
    int[] values = new int[Math.toIntExact(t.type().elementCount())];
    if (values.length > 0) {
      stream.download(t.buffer(), t.byteOffset(), MemorySegment.ofArray(values));
    }
    return values;
  }

  /** The bytes of a dense tensor of {@code t}'s extents that begins at {@code offset}. */
  Tensor bytesAt(Tensor t, long offset) {
    Tensor copy = temporary(t.dtype(), t.shape().dims());
    long bytes = Math.min(t.type().byteSize(), t.buffer().byteSize() - offset);
    if (bytes > 0) {
      raw(s -> s.copy(t.buffer(), offset, copy.buffer(), copy.byteOffset(), bytes));
    }
    return copy;
  }
}
