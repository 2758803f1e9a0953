package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Enqueues operators of the HAL on the device under test, each into a new temporary. Tensors live
 * until the subject settles. Views cost nothing; every number is computed on the device.
 */
final class Emitter {
  private final Subject subject;
  private final Set<String> operators = new LinkedHashSet<>();
  private final Set<String> placements = new LinkedHashSet<>();
  private final long launchesBefore;

  Emitter(Subject subject) {
    this.subject = subject;
    this.launchesBefore = subject.stream().launches();
  }

  /** Names of the operators enqueued so far, each once. */
  String implementation() {
    return String.join(", ", operators);
  }

  /** Where they ran, each placement once. */
  String placement() {
    return String.join(", ", placements);
  }

  long launches() {
    return subject.stream().launches() - launchesBefore;
  }

  /** Enqueues one operator. */
  void run(OperatorSpec spec, Tensor... operands) {
    Plan plan =
        subject
            .planner(Route.PREFERRED)
            .plan(spec, Arrays.stream(operands).map(Tensor::type).toList());
    operators.add(spec.name());
    placements.add(plan.placement().name());
    subject.stream().enqueue(plan, operands);
  }

  /** A dense tensor whose content is undefined. */
  Tensor temporary(DType dtype, Shape shape) {
    return subject.scratch().allocate(TensorType.of(dtype, shape));
  }

  Tensor temporary(DType dtype, long... dims) {
    return temporary(dtype, Shape.of(dims));
  }

  /**
   * The content of a file on the device, in the storage of its type.
   *
   * @throws NotMapped if the HAL has no storage for it, or a number does not fit that storage
   */
  Tensor upload(OnnxTensor t) {
    DType storage = t.type().storage();
    if (t.type() == OnnxType.INT4 && t.size() > 0) {
      return unpack(t);
    }
    Tensor target = temporary(storage, t.shape());
    if (t.size() > 0) {
      byte[] bytes = t.type().isNative() ? t.data() : widened(t);
      subject.stream().upload(MemorySegment.ofArray(bytes), target);
    }
    return target;
  }

  /** Packed I4 is read by dequantising with scale 1, which is exact. */
  private Tensor unpack(OnnxTensor t) {
    Tensor packed = temporary(DType.I4, t.size());
    subject.stream().upload(MemorySegment.ofArray(t.data()), packed);
    Tensor numbers = temporary(DType.F32, t.size());
    run(
        new Dequantize(),
        packed.withScales(
            fill(DType.F32, Shape.of(1), 1), (QuantScheme.Blocked) QuantScheme.perChannel()),
        numbers);
    return cast(numbers, DType.I32).reshape(t.shape().dims());
  }

  /** FLOAT8E5M2 is the upper byte of F16: the device puts it there. */
  Tensor e5m2(OnnxTensor t) {
    long n = t.size();
    Tensor bytes = temporary(DType.U8, n);
    Tensor halves = fill(DType.U8, Shape.of(2 * n), 0);
    if (n > 0) {
      subject.stream().upload(MemorySegment.ofArray(t.data()), bytes);
      copy(bytes.reshape(n, 1), halves.reshape(n, 2).slice(1, 1, 1));
    }
    return halves.viewAs(0, TensorType.of(DType.F16, t.shape()));
  }

  /**
   * FLOAT8E8M0 is what the HAL has as a scale: ones with a scale each are dequantised, in F32.
   *
   * @throws NotMapped for NaN, which scales cannot be
   */
  Tensor e8m0(OnnxTensor t) {
    for (byte b : t.data()) {
      if (b == -1) {
        throw new NotMapped("FLOAT8E8M0 is read as scales, which are never NaN");
      }
    }
    long n = t.size();
    Tensor scales = temporary(DType.U8, 1, n);
    if (n > 0) {
      subject.stream().upload(MemorySegment.ofArray(t.data()), scales);
    }
    Tensor ones = fill(DType.I8, Shape.of(1, n), 1);
    Tensor numbers = temporary(DType.F32, 1, n);
    run(
        new Dequantize(),
        ones.withScales(scales, new QuantScheme.Blocked(1, 1, QuantScheme.ScaleFormat.UE8M0)),
        numbers);
    return numbers.reshape(t.shape().dims());
  }

  private static byte[] widened(OnnxTensor t) {
    ByteBuffer b = ByteBuffer.allocate(4 * t.size()).order(ByteOrder.LITTLE_ENDIAN);
    for (long v : t.integers()) {
      if (v != (int) v) {
        throw new NotMapped(t.type() + " is held in I32, which cannot hold " + v);
      }
      b.putInt((int) v);
    }
    return b.array();
  }

  /** Waits and reads a dense tensor. */
  byte[] download(Tensor t) {
    byte[] bytes = new byte[Math.toIntExact(t.type().byteSize())];
    if (bytes.length > 0) {
      subject.stream().download(t, MemorySegment.ofArray(bytes));
    }
    return bytes;
  }

  Tensor fill(DType dtype, Shape shape, double value) {
    Tensor t = temporary(dtype, shape);
    run(new Fill(value), t);
    return t;
  }

  /** One F32 element, to broadcast. */
  Tensor f32(double value) {
    return fill(DType.F32, Shape.of(1), value);
  }

  /** One I32 element, to broadcast. */
  Tensor i32(long value) {
    return fill(DType.I32, Shape.of(1), value);
  }

  /** One element of the dtype of {@code like}, to broadcast. */
  Tensor scalar(Tensor like, double value) {
    return fill(like.dtype(), Shape.of(1), value);
  }

  /** {@code 0 .. n - 1} along {@code axis} of a shape of extent 1 in all {@code rank} others. */
  Tensor iota(long n, int axis, int rank) {
    Tensor t = temporary(DType.I32, n);
    run(new Iota(), t);
    long[] dims = new long[rank];
    Arrays.fill(dims, 1);
    dims[axis] = n;
    return t.reshape(dims);
  }

  /** {@code t} itself if it has this dtype. */
  Tensor cast(Tensor t, DType dtype) {
    if (t.dtype() == dtype) {
      return t;
    }
    Tensor out = temporary(dtype, t.shape());
    run(new Cast(), t, out);
    return out;
  }

  Tensor copy(Tensor t) {
    Tensor out = temporary(t.dtype(), t.shape());
    run(new Copy(), t, out);
    return out;
  }

  void copy(Tensor from, Tensor to) {
    run(new Copy(), from, to);
  }

  /** {@code t} itself if it is dense. */
  Tensor dense(Tensor t) {
    return t.type().isContiguous() ? t : copy(t);
  }

  Tensor reshape(Tensor t, long... dims) {
    return dense(t).reshape(dims);
  }

  Tensor reshape(Tensor t, Shape shape) {
    return reshape(t, shape.dims());
  }

  Tensor unary(Unary.Op op, Tensor t) {
    Tensor out = temporary(DType.F32, t.shape());
    run(new Unary(op), t, out);
    return out;
  }

  /** Of two tensors of one dtype, with broadcasting. */
  Tensor binary(Binary.Op op, Tensor a, Tensor b) {
    Tensor out = temporary(a.dtype(), broadcast(a.shape(), b.shape()));
    run(new Binary(op), a, b, out);
    return out;
  }

  Tensor binary(Binary.Op op, Tensor a, double b) {
    return binary(op, a, scalar(a, b));
  }

  /** {@code condition != 0 ? a : b}, with broadcasting. */
  Tensor select(Tensor condition, Tensor a, Tensor b) {
    Shape shape = broadcast(condition.shape(), broadcast(a.shape(), b.shape()));
    Tensor out = temporary(a.dtype(), shape);
    run(new Select(), condition, a, b, out);
    return out;
  }

  /** Reduces the last axis to extent 1. */
  Tensor reduce(Reduce.Op op, Tensor t) {
    Tensor out = temporary(t.dtype(), t.shape().with(-1, 1));
    run(new Reduce(op), t, out);
    return out;
  }

  /** The product of the last two axes; both have the same leading axes. */
  Tensor matMul(Tensor a, Tensor b) {
    Tensor out = temporary(DType.F32, a.shape().with(-1, b.dim(-1)));
    run(new MatMul(), a, b, out);
    return out;
  }

  /** Rows of a table by I32 indices. */
  Tensor gather(Tensor table, Tensor indices) {
    long[] rows = indices.shape().dims();
    long[] dims = Arrays.copyOf(rows, rows.length + table.shape().rank() - 1);
    for (int i = 1; i < table.shape().rank(); i++) {
      dims[rows.length + i - 1] = table.dim(i);
    }
    Tensor out = temporary(table.dtype(), dims);
    run(new Gather(), table, indices, out);
    return out;
  }

  /** The view whose axis i is axis {@code order[i]} of {@code t}. */
  static Tensor permute(Tensor t, int... order) {
    int[] now = new int[order.length];
    for (int i = 0; i < now.length; i++) {
      now[i] = i;
    }
    Tensor view = t;
    for (int i = 0; i < order.length; i++) {
      int j = i;
      while (now[j] != order[i]) {
        j++;
      }
      if (j != i) {
        view = view.transpose(i, j);
        now[j] = now[i];
        now[i] = order[i];
      }
    }
    return view;
  }

  /** The view with {@code axis} moved to {@code target}, the others in their order. */
  static Tensor move(Tensor t, int axis, int target) {
    int rank = t.shape().rank();
    int[] order = new int[rank];
    int next = 0;
    for (int i = 0; i < rank; i++) {
      if (i == target) {
        order[i] = axis;
        continue;
      }
      if (next == axis) {
        next++;
      }
      order[i] = next++;
    }
    return permute(t, order);
  }

  /**
   * The shape that two shapes broadcast to.
   *
   * @throws NotMapped if they do not
   */
  static Shape broadcast(Shape a, Shape b) {
    long[] dims = new long[Math.max(a.rank(), b.rank())];
    for (int i = 1; i <= dims.length; i++) {
      long x = i > a.rank() ? 1 : a.dim(-i);
      long y = i > b.rank() ? 1 : b.dim(-i);
      if (x != y && x != 1 && y != 1) {
        throw new NotMapped("shapes " + a + " and " + b + " do not broadcast");
      }
      dims[dims.length - i] = x == 1 ? y : x;
    }
    return Shape.of(dims);
  }
}
