package dev.halcyon.backend.emulated;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * An in-order queue with a worker thread of its own: enqueueing returns at once, the worker
 * executes. The first failure stops the stream: what follows is dropped, and the next call throws
 * it. Maps to: CUstream, aclrtStream, cl_command_queue.
 */
final class EmulatedStream implements BackendStream, LaunchTarget {
  /** Commands copy what they upload; beyond this much not yet executed, an upload waits. */
  private static final long MOST_STAGED_BYTES = 64 << 20;

  private static final Duration TRANSFER_DEADLINE = Duration.ofMinutes(10);

  /** What the worker does at one point of the queue. */
  private interface Work {
    void run();
  }

  /**
   * One entry of the queue.
   *
   * @param name for errors
   * @param work dropped if the stream has failed before
   * @param event passed afterwards in any case
   */
  private record Command(String name, Work work, Optional<EmulatedEvent> event) {}

  private final EmulatedDevice device;
  private final String where;
  private final Optional<Jitter> jitter;
  private final Thread worker;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // all of the following under the lock
  private final Queue<Command> queue = new ArrayDeque<>();
  private long enqueued;
  private long completed;
  private long launches;
  private long stagedBytes;
  private Optional<HalException> failure = Optional.empty();
  private boolean closed;

  EmulatedStream(EmulatedDevice device, String label, Optional<Jitter> jitter) {
    this.device = device;
    this.where = "stream '" + label + "' on " + device;
    this.jitter = jitter;
    this.worker = Thread.ofPlatform().daemon().name(where).start(this::work);
  }

  /** The worker: takes one command after the other until the stream is closed. */
  private void work() {
    while (true) {
      Command command;
      Optional<HalException> failedBefore;
      lock.lock();
      try {
        while (queue.isEmpty() && !closed) {
          changed.awaitUninterruptibly();
        }
        if (queue.isEmpty()) {
          return;
        }
        command = queue.remove();
        failedBefore = failure;
      } finally {
        lock.unlock();
      }
      Optional<HalException> failedNow = failedBefore.isPresent() ? failedBefore : execute(command);
      command.event.ifPresent(e -> e.pass(failedNow));
      lock.lock();
      try {
        failure = failedNow;
        completed++;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  private Optional<HalException> execute(Command command) {
    jitter.ifPresent(Jitter::pause);
    try {
      device.faults().requirePresent();
      command.work.run();
      return Optional.empty();
    } catch (HalException e) {
      return Optional.of(e);
    } catch (EmulatedFault e) {
      return Optional.of(EmulatedErrors.failure(e, command.name, where));
    } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
      EmulatedFault fault = new EmulatedFault(EmulatedErrors.Status.LAUNCH_FAILED, e.toString());
      fault.initCause(e);
      return Optional.of(EmulatedErrors.failure(fault, command.name, where));
    }
  }

  private void enqueue(String name, int kernels, Work work) {
    enqueue(new Command(name, work, Optional.empty()), kernels);
  }

  private void enqueue(Command command, int kernels) {
    device.requirePresent(command.name);
    lock.lock();
    try {
      requireHealthy();
      queue.add(command);
      enqueued++;
      launches += kernels;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void requireHealthy() {
    if (failure.isPresent()) {
      throw EmulatedErrors.again(failure.get());
    }
  }

  @Override
  public void launch(Launch launch) {
    enqueue(launch.name(), 1, () -> device.execute(launch));
  }

  /** Enqueues all launches of a graph as one command. */
  void launchAll(String name, List<Launch> launches) {
    enqueue(name, launches.size(), () -> launches.forEach(device::execute));
  }

  @Override
  public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    long size = source.byteSize();
    long address = ((EmulatedMemory) target).address() + targetOffset;
    if (size > MOST_STAGED_BYTES / 4) {
      // too much to stage: waits and copies from here, as drivers do with pageable memory
      synchronize(TRANSFER_DEADLINE);
      checked("upload", () -> device.memory().write(address, size).copyFrom(source));
      return;
    }
    stage(size);
    MemorySegment staged = MemorySegment.ofArray(source.toArray(ValueLayout.JAVA_BYTE));
    enqueue(
        "upload",
        0,
        () -> {
          unstage(size);
          device.memory().write(address, size).copyFrom(staged);
        });
  }

  private void stage(long size) {
    lock.lock();
    try {
      if (!Deadline.after(TRANSFER_DEADLINE)
          .await(nanos -> stagedBytes + size <= MOST_STAGED_BYTES || isIdle() || waits(nanos))) {
        throw EmulatedErrors.deadline(TRANSFER_DEADLINE, where);
      }
      stagedBytes = isIdle() ? size : stagedBytes + size;
    } finally {
      lock.unlock();
    }
  }

  private void unstage(long size) {
    lock.lock();
    try {
      stagedBytes -= size;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    synchronize(TRANSFER_DEADLINE);
    long address = ((EmulatedMemory) source).address() + sourceOffset;
    checked("download", () -> target.copyFrom(device.memory().read(address, target.byteSize())));
  }

  /** Copies on the calling thread; a fault there is the caller's. */
  private void checked(String name, Work work) {
    device.requirePresent(name);
    try {
      work.run();
    } catch (EmulatedFault e) {
      throw EmulatedErrors.failure(e, name, where);
    }
  }

  @Override
  public void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    long from = ((EmulatedMemory) source).address() + sourceOffset;
    long to = ((EmulatedMemory) target).address() + targetOffset;
    enqueue(
        "copy",
        0,
        () -> device.memory().write(to, bytes).copyFrom(device.memory().read(from, bytes)));
  }

  @Override
  public BackendFence record() {
    EmulatedEvent event = new EmulatedEvent(where);
    enqueue(new Command("record", () -> {}, Optional.of(event)), 0);
    return event;
  }

  /** The failure of the work before the fence becomes this stream's: it has nothing to go on. */
  @Override
  public void waitFor(BackendFence fence) {
    // an event is always passed in the end, also on a failed stream and on a lost device
    enqueue("waitFor", 0, () -> fence.await(Duration.ofDays(365)));
  }

  @Override
  public void synchronize(Duration deadline) {
    lock.lock();
    try {
      long until = enqueued;
      if (!Deadline.after(deadline).await(nanos -> completed >= until || waits(nanos))) {
        throw EmulatedErrors.deadline(deadline, where);
      }
      requireHealthy();
      // only now: on a lost device, too, nothing may run when this returns
      device.requirePresent("synchronize");
    } finally {
      lock.unlock();
    }
  }

  /** Waits until nothing is left to do; false if the deadline comes first. */
  boolean awaitIdle(Deadline deadline) {
    lock.lock();
    try {
      return deadline.await(nanos -> isIdle() || waits(nanos));
    } finally {
      lock.unlock();
    }
  }

  private boolean isIdle() {
    return completed == enqueued;
  }

  /** Waits for a change; false, so that the caller looks again. */
  private boolean waits(long nanos) throws InterruptedException {
    changed.await(nanos, TimeUnit.NANOSECONDS);
    return false;
  }

  @Override
  public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    return device.capabilities().has(DeviceCapabilities.Feature.NATIVE_GRAPHS)
        ? Optional.of(EmulatedGraph.record(commands, where))
        : Optional.empty();
  }

  @Override
  public long launches() {
    lock.lock();
    try {
      return launches;
    } finally {
      lock.unlock();
    }
  }

  /** Lets the worker finish what is enqueued and waits for its end. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    Deadline.after(TRANSFER_DEADLINE)
        .await(nanos -> worker.join(Duration.ofNanos(Math.max(1, nanos))));
    device.forget(this);
  }

  @Override
  public String toString() {
    return where;
  }
}
