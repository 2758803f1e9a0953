package dev.halcyon.hal;

import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Operand;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * An in-order queue of a device. What is enqueued may run at once or later; only {@link #download},
 * {@link #synchronize} and {@link Fence#await} wait. The first failure of enqueued work poisons the
 * stream: later calls throw {@code STREAM_POISONED} with that failure as cause, until the stream is
 * closed. Rejected arguments do not poison.
 *
 * <p>One thread at a time; a second one gets {@code WRONG_THREAD}.
 */
public final class CommandStream implements AutoCloseable {
  /** How long {@link #close} waits for enqueued work. */
  public static final Duration CLOSE_DEADLINE = Duration.ofSeconds(60);

  /** Fences kept before those already passed are freed. */
  private static final int KEPT_FENCES = 64;

  private static final boolean DEBUG_SYNC = Boolean.getBoolean("halcyon.debug.sync");

  private final Device device;
  private final BackendStream backend;
  private final String label;
  private final LeakTracker tracker;
  private final StreamOwner owner = new StreamOwner();
  private final Planner transfers;
  private final List<Fence> fences = new ArrayList<>();
  private final MemoryArena workspaceArena;
  private Optional<Tensor> workspace = Optional.empty();
  private List<CommandGraph.Command> capture;
  private HalException failure;

  CommandStream(Device device, BackendStream backend, String label) {
    this.device = device;
    this.backend = backend;
    this.label = label;
    this.tracker = LeakTracker.track(this, toString());
    this.transfers = new Planner(device, PlacementPolicy.DEFAULT);
    this.workspaceArena = new MemoryArena(device, MemoryArena.Kind.SCRATCH, label + " workspace");
  }

  public Device device() {
    return device;
  }

  /**
   * Copies host memory (heap or native) into a dense tensor; {@code source} may be reused on
   * return.
   */
  public void upload(MemorySegment source, Tensor target) {
    boolean entered = owner.enter(this);
    try {
      requireTransfer(target, source.byteSize(), "upload to");
      if (target.type().byteSize() > 0) {
        run(() -> backend.upload(source, target.buffer(), target.byteOffset()));
      }
    } finally {
      owner.exit(entered);
    }
  }

  /**
   * Copies a dense tensor to host memory (heap or native) and waits for it and everything before
   * it.
   */
  public void download(Tensor source, MemorySegment target) {
    boolean entered = owner.enter(this);
    try {
      requireTransfer(source, target.byteSize(), "download of");
      if (source.type().byteSize() > 0) {
        run(() -> backend.download(source.buffer(), source.byteOffset(), target));
      }
    } finally {
      owner.exit(entered);
    }
  }

  private void requireTransfer(Tensor tensor, long hostBytes, String what) {
    requireUsable(tensor);
    if (capture != null) {
      throw HalException.of(HalErrorCode.CAPTURE_STATE, what + " host memory during capture")
          .on(toString())
          .remedy("transfer before beginCapture or after endCapture")
          .build();
    }
    if (!tensor.type().isContiguous() || hostBytes != tensor.type().byteSize()) {
      throw HalException.of(
              HalErrorCode.SHAPE_MISMATCH,
              what + " " + tensor.type() + " with " + hostBytes + " host bytes")
          .on(toString())
          .remedy("pass a dense tensor and exactly " + tensor.type().byteSize() + " bytes")
          .build();
    }
  }

  /** Copies {@code source} to {@code target}, of the same shape and dtype, any strides. */
  public void copy(Tensor source, Tensor target) {
    enqueue(transfers.plan(new Copy(), source.type(), target.type()), source, target);
  }

  /** Sets every element of {@code target}. */
  public void fill(Tensor target, double value) {
    enqueue(transfers.plan(new Fill(value), target.type()), target);
  }

  /**
   * Enqueues a plan.
   *
   * @param operands of exactly the planned types, in the order of the spec
   * @throws HalException {@code INVALID_ARGUMENT}, {@code WRONG_DEVICE}, {@code USE_AFTER_CLOSE},
   *     {@code ALIASED_OPERANDS}
   */
  public void enqueue(Plan plan, Tensor... operands) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireOperands(plan, operands);
      if (capture != null) {
        capture.add(new CommandGraph.Command(plan, operands.clone()));
        return;
      }
      requireNotPoisoned();
      BoundOperator bound = plan.implementation().bind(operands, workspace(plan.workspaceBytes()));
      try {
        run(
            () -> {
              bound.enqueue(backend);
              debugSync(plan);
            });
      } finally {
        bound.close();
      }
    } finally {
      owner.exit(entered);
    }
  }

  private void debugSync(Plan plan) {
    if (DEBUG_SYNC) {
      try {
        backend.synchronize(CLOSE_DEADLINE);
      } catch (HalException e) {
        throw HalException.of(e.code(), e.what())
            .on(plan + " on " + this)
            .remedy(e.remedy())
            .cause(e)
            .build();
      }
    }
  }

  private Optional<Tensor> workspace(long bytes) {
    if (bytes == 0) {
      return Optional.empty();
    }
    if (workspace.isEmpty() || workspace.get().dim(0) < bytes) {
      // earlier work may still use the old one: the arena frees it only after waiting for the
      // device
      workspace = Optional.empty();
      workspaceArena.reset();
      workspace = Optional.of(workspaceArena.allocate(TensorType.of(DType.U8, bytes)));
    }
    return workspace;
  }

  private void requireOperands(Plan plan, Tensor[] operands) {
    List<TensorType> types = plan.types();
    List<Operand> formal = plan.operands();
    if (plan.device() != device) {
      throw HalException.of(
              HalErrorCode.WRONG_DEVICE, plan + " was made for " + plan.device().uri())
          .on(toString())
          .remedy("plan on the device of the stream")
          .build();
    }
    if (operands.length != types.size()) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              plan + " takes " + types.size() + " operands, got " + operands.length)
          .on(toString())
          .build();
    }
    for (int i = 0; i < operands.length; i++) {
      Tensor t = operands[i];
      requireUsable(t);
      if (t.type() != types.get(i) && !t.type().equals(types.get(i))) {
        throw HalException.of(
                HalErrorCode.SHAPE_MISMATCH,
                plan
                    + ": operand '"
                    + formal.get(i).name()
                    + "' is "
                    + t.type()
                    + ", planned for "
                    + types.get(i))
            .on(toString())
            .remedy("plan for the operands' own types")
            .build();
      }
    }
    requireNoAlias(plan, operands, this);
  }

  /** Refuses outputs that overlap other operands or themselves. */
  static void requireNoAlias(Plan plan, Tensor[] operands, Object where) {
    for (int o = 0; o < operands.length; o++) {
      if (plan.operands().get(o).role().isWritten()) {
        requireNoAlias(plan, operands, o, where);
      }
    }
  }

  private static void requireNoAlias(Plan plan, Tensor[] operands, int o, Object where) {
    if (operands[o].repeatsElements()) {
      throw HalException.of(
              HalErrorCode.ALIASED_OPERANDS,
              plan + ": output '" + plan.operands().get(o).name() + "' repeats elements")
          .on(where.toString())
          .remedy("write to a tensor that is not broadcast")
          .build();
    }
    for (int i = 0; i < operands.length; i++) {
      if (i == o || !operands[o].overlaps(operands[i])) {
        continue;
      }
      boolean inPlace =
          plan.operands().get(i).role() == Operand.Role.IN_PLACE
              && operands[o].isSameView(operands[i]);
      if (!inPlace) {
        throw HalException.of(
                HalErrorCode.ALIASED_OPERANDS,
                plan
                    + ": output '"
                    + plan.operands().get(o).name()
                    + "' overlaps '"
                    + plan.operands().get(i).name()
                    + "'")
            .on(where.toString())
            .remedy(
                "use separate memory, or exactly the same view where the operator allows in place")
            .build();
      }
    }
  }

  private void requireUsable(Tensor t) {
    requireOpen();
    if (t.device() != device) {
      throw HalException.of(HalErrorCode.WRONG_DEVICE, t + " is not on the device of the stream")
          .on(toString())
          .remedy("copy it through the host, or use a stream of its device")
          .build();
    }
    t.requireLive();
  }

  /** Marks this point of the stream. */
  public Fence record() {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireNotCapturing("record");
      BackendFence[] made = new BackendFence[1];
      run(() -> made[0] = backend.record());
      if (fences.size() >= KEPT_FENCES) {
        fences.removeIf(Fence::retireIfPassed);
      }
      Fence fence = new Fence(device, made[0]);
      fences.add(fence);
      return fence;
    } finally {
      owner.exit(entered);
    }
  }

  /**
   * Lets what is enqueued here from now on wait for {@code fence}, of any stream of this device.
   */
  public void waitFor(Fence fence) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireNotCapturing("waitFor");
      if (fence.device() != device) {
        throw HalException.of(HalErrorCode.WRONG_DEVICE, "fence of " + fence.device().uri())
            .on(toString())
            .remedy("await it on the host")
            .build();
      }
      run(() -> fence.waitOn(backend));
    } finally {
      owner.exit(entered);
    }
  }

  /** From here to {@link #endCapture} enqueued plans are collected instead of executed. */
  public void beginCapture() {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireNotCapturing("beginCapture");
      capture = new ArrayList<>();
    } finally {
      owner.exit(entered);
    }
  }

  /**
   * The plans enqueued since {@link #beginCapture}, bound to their operands and ready to replay.
   */
  public CommandGraph endCapture() {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      if (capture == null) {
        throw HalException.of(HalErrorCode.CAPTURE_STATE, "endCapture without beginCapture")
            .on(toString())
            .build();
      }
      List<CommandGraph.Command> commands = capture;
      capture = null;
      return new CommandGraph(this, label + " graph", commands);
    } finally {
      owner.exit(entered);
    }
  }

  /** Forgets a capture begun and not ended; no effect otherwise. */
  public void abortCapture() {
    boolean entered = owner.enter(this);
    try {
      capture = null;
    } finally {
      owner.exit(entered);
    }
  }

  /** Enqueues a captured graph; bitwise the same as enqueueing its plans one by one. */
  public void replay(CommandGraph graph) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireNotCapturing("replay");
      if (graph.device() != device) {
        throw HalException.of(
                HalErrorCode.WRONG_DEVICE, graph + " belongs to " + graph.device().uri())
            .on(toString())
            .build();
      }
      requireNotPoisoned();
      graph.replay(this);
    } finally {
      owner.exit(entered);
    }
  }

  /**
   * Waits for everything enqueued.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED}, or the failure of enqueued work
   */
  public void synchronize(Duration deadline) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      requireNotCapturing("synchronize");
      requireNotPoisoned();
      try {
        backend.synchronize(deadline);
      } catch (HalException e) {
        if (e.code() != HalErrorCode.DEADLINE_EXCEEDED) {
          failure = e;
        }
        throw e;
      }
    } finally {
      owner.exit(entered);
    }
  }

  /** Kernels and library calls given to the device so far, without copies. */
  public long launches() {
    return backend.launches();
  }

  interface Step {
    void run();
  }

  /** Gives work to the device; a failure poisons this stream. */
  void run(Step step) {
    requireNotPoisoned();
    try {
      step.run();
    } catch (HalException e) {
      failure = e;
      throw e;
    } catch (RuntimeException e) {
      failure =
          HalException.of(HalErrorCode.NATIVE_CALL_FAILED, "the backend failed unexpectedly: " + e)
              .on(toString())
              .remedy("report this with the stack trace")
              .cause(e)
              .build();
      throw failure;
    }
  }

  BackendStream backend() {
    return backend;
  }

  boolean isClosed() {
    return tracker.isClosed();
  }

  private void requireNotPoisoned() {
    if (failure != null) {
      throw poisoned();
    }
  }

  private HalException poisoned() {
    return HalException.of(
            HalErrorCode.STREAM_POISONED, "an earlier command failed: " + failure.what())
        .on(toString())
        .remedy("close this stream and continue on a new one; " + failure.remedy())
        .cause(failure)
        .build();
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the stream is closed")
          .on(toString())
          .build();
    }
  }

  private void requireNotCapturing(String what) {
    if (capture != null) {
      throw HalException.of(HalErrorCode.CAPTURE_STATE, what + " during capture")
          .on(toString())
          .remedy("call endCapture first")
          .build();
    }
  }

  /**
   * Waits for enqueued work and frees the stream. Failures of that work are not reported here.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED} if the work does not end: the stream stays open,
   *     because its memory is in use; close it again later
   */
  @Override
  public void close() {
    boolean entered = owner.enter(this);
    try {
      if (tracker.isClosed()) {
        return;
      }
      try {
        backend.synchronize(CLOSE_DEADLINE);
      } catch (HalException e) {
        if (e.code() == HalErrorCode.DEADLINE_EXCEEDED) {
          throw e;
        }
        // reported when it happened, or by this stream's poison; closing must go on
        failure = failure == null ? e : failure;
      }
      if (!tracker.close()) {
        return;
      }
      capture = null;
      try {
        fences.forEach(f -> f.retire(failure));
        fences.clear();
        workspaceArena.closeIdle();
      } finally {
        device.childClosed(this);
        backend.close();
      }
    } finally {
      owner.exit(entered);
    }
  }

  @Override
  public String toString() {
    return "stream '" + label + "' on " + device.uri();
  }
}
