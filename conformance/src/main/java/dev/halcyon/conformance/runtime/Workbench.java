package dev.halcyon.conformance.runtime;

import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a case of the runtime works with: a stream and an arena, more of them on request, and short
 * ways to move numbers. Closing it closes all that was made through it, last first.
 */
final class Workbench implements AutoCloseable {
  /** How long {@link #occupy} keeps a stream busy, about. */
  private static final long BUSY_NANOS = 40_000_000L;

  private static final int MOST_BUSY_STEPS = 4000;
  private static final int BUSY_ELEMENTS = 1 << 16;

  private final Subject subject;
  private final Device device;
  private final Planner planner;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final CommandStream stream;
  private final MemoryArena arena;

  /** On the device under test. */
  Workbench(Subject subject) {
    this(subject, subject.device(), subject.planner(Route.PREFERRED));
  }

  private Workbench(Subject subject, Device device, Planner planner) {
    this.subject = subject;
    this.device = device;
    this.planner = planner;
    this.arena = newArena(MemoryArena.Kind.PERSISTENT);
    this.stream = newStream("case");
  }

  /** On another opening of the device, closed with the workbench; for what ruins a device. */
  Workbench fresh() {
    Device other = subject.openFresh();
    Workbench bench = new Workbench(subject, other, new Planner(other, PlacementPolicy.DEFAULT));
    bench.open.addFirst(other);
    open.add(bench);
    return bench;
  }

  Subject subject() {
    return subject;
  }

  Device device() {
    return device;
  }

  Planner planner() {
    return planner;
  }

  CommandStream stream() {
    return stream;
  }

  MemoryArena arena() {
    return arena;
  }

  CommandStream newStream(String label) {
    return keep(device.newStream(label));
  }

  MemoryArena newArena(MemoryArena.Kind kind) {
    return keep(device.newArena(kind, "case"));
  }

  /** Closes {@code resource} with the workbench, if the case has not. */
  <T extends AutoCloseable> T keep(T resource) {
    open.add(resource);
    return resource;
  }

  /** What was enqueued on {@code s} since {@code beginCapture}. */
  CommandGraph endCapture(CommandStream s) {
    return keep(s.endCapture());
  }

  Tensor f32(long... dims) {
    return arena.allocate(TensorType.of(DType.F32, dims));
  }

  Tensor bytes(long count) {
    return arena.allocate(TensorType.of(DType.U8, count));
  }

  /** A tensor with these numbers, on the device when it returns. */
  Tensor f32(float[] values) {
    Tensor t = f32(values.length);
    put(stream, t, values);
    stream.synchronize(Subject.DEADLINE);
    return t;
  }

  Tensor i32(int... values) {
    Tensor t = arena.allocate(TensorType.of(DType.I32, values.length));
    stream.upload(MemorySegment.ofArray(values), t);
    stream.synchronize(Subject.DEADLINE);
    return t;
  }

  void put(CommandStream s, Tensor t, float... values) {
    s.upload(MemorySegment.ofArray(values), t);
  }

  /** The elements of a dense f32 tensor. */
  float[] get(CommandStream s, Tensor t) {
    float[] values = new float[Math.toIntExact(t.type().elementCount())];
    s.download(t, MemorySegment.ofArray(values));
    return values;
  }

  float[] get(Tensor t) {
    return get(stream, t);
  }

  /** The bytes of a dense tensor. */
  byte[] getBytes(Tensor t) {
    byte[] bytes = new byte[Math.toIntExact(t.type().byteSize())];
    stream.download(t, MemorySegment.ofArray(bytes));
    return bytes;
  }

  Plan plan(OperatorSpec spec, Tensor... operands) {
    return planner.plan(spec, Arrays.stream(operands).map(Tensor::type).toList());
  }

  void run(CommandStream s, OperatorSpec spec, Tensor... operands) {
    s.enqueue(plan(spec, operands), operands);
  }

  void run(OperatorSpec spec, Tensor... operands) {
    run(stream, spec, operands);
  }

  void fill(CommandStream s, Tensor t, double value) {
    run(s, new Fill(value), t);
  }

  /** {@code t = t + by}. */
  void add(CommandStream s, Tensor t, Tensor by) {
    run(s, new Binary(Binary.Op.ADD), t, by, t);
  }

  /** Gives a stream work for a while, so that what comes next must really wait for it. */
  void occupy(CommandStream s) {
    Tensor load = f32(BUSY_ELEMENTS);
    add(stream, load, load);
    stream.synchronize(Subject.DEADLINE);
    long begin = System.nanoTime();
    add(stream, load, load);
    stream.synchronize(Subject.DEADLINE);
    long one = Math.max(1, System.nanoTime() - begin);
    long steps = Math.clamp(BUSY_NANOS / one, 2, MOST_BUSY_STEPS);
    for (long i = 0; i < steps; i++) {
      add(s, load, load);
    }
  }

  /**
   * Makes {@code s} fail: gathers a row that its table does not have. The failure, whichever call
   * it comes out of; a device may clamp the index instead, and then the case ends.
   */
  HalException provoke(CommandStream s) {
    Tensor table = f32(4, 8);
    Tensor out = f32(1, 8);
    Tensor beyond = i32(1 << 20);
    try {
      run(s, new Gather(), table, beyond, out);
      s.synchronize(Subject.DEADLINE);
    } catch (HalException e) {
      requireIndexFailure(e);
      return e;
    }
    try {
      get(s, out);
    } catch (HalException e) {
      throw new Unmet("synchronize returned although work had failed: " + e.getMessage());
    }
    throw Inapplicable.notSupported("the device clamps row numbers: no kernel fails on request");
  }

  /** A wrong index on the device is a failed kernel, or named as what it is. */
  static void requireIndexFailure(HalException e) {
    if (e.code() != HalErrorCode.OUT_OF_BOUNDS) {
      Check.requireCode(HalErrorCode.KERNEL_FAILED, e, "gather of a row beyond its table");
    }
  }

  @Override
  public void close() {
    RuntimeException failed = null;
    for (AutoCloseable resource : open.reversed()) {
      try {
        resource.close();
      } catch (RuntimeException e) {
        failed = failed == null ? e : failed;
      } catch (Exception e) {
        failed = failed == null ? new IllegalStateException(e) : failed;
      }
    }
    if (failed != null) {
      throw failed;
    }
  }
}
