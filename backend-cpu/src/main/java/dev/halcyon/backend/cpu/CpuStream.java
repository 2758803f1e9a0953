package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/** Executes each command when it is enqueued, on the caller's thread and the device's helpers. */
final class CpuStream implements BackendStream {
  private static final VarHandle BUSY;

  static {
    try {
      BUSY = MethodHandles.lookup().findVarHandle(CpuStream.class, "busy", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final CpuDevice device;
  private final CpuWorkers workers;
  private final Region region;
  private final String label;
  private final long memory;

  @SuppressWarnings("unused") // through BUSY
  private boolean busy;

  private volatile long launches;

  CpuStream(CpuDevice device, String label) {
    this.device = device;
    this.workers = device.workers();
    this.region = new Region(device.tier());
    this.label = label;
    this.memory = CpuWorkers.threadMemory();
  }

  CpuDevice device() {
    return device;
  }

  /** Runs indices {@code [0, n)} of a kernel, {@code chunk} at a time; slot 0 is written here. */
  void kernel(int kernel, Slots slots, long n, long chunk) {
    kernel(kernel, slots.address(), slots.count(), n, chunk);
  }

  void kernel(int kernel, long slots, int slotCount, long n, long chunk) {
    if (n <= 0) {
      return;
    }
    run(region.kernel(kernel, slots, slotCount, n, chunk), kernel);
  }

  /** Runs a loop in Java over {@code [0, n)}. */
  void loop(Region.Body body, long n, long chunk) {
    if (n <= 0) {
      return;
    }
    run(region.body(body, n, chunk), 0);
  }

  private void run(long chunks, int kernel) {
    BUSY.setRelease(this, true);
    try {
      workers.run(region, chunks, memory, memory + Kernels.SCRATCH_BYTES);
      countLaunch();
    } catch (HalException e) {
      throw e;
    } catch (Throwable e) {
      String what =
          kernel == 0 ? "an operator" : "kernel " + kernel + " of tier " + device.tier().name();
      throw CpuErrors.kernelFailed(what + " on stream '" + label + "'", e);
    } finally {
      BUSY.setRelease(this, false);
    }
  }

  @SuppressWarnings("NonAtomicOperationOnVolatileField") // one writer
  private void countLaunch() {
    launches++;
  }

  @Override
  public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    NativeMemory.copyIn(source, ((CpuMemory) target).address() + targetOffset);
  }

  @Override
  public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    NativeMemory.copyOut(((CpuMemory) source).address() + sourceOffset, target);
  }

  @Override
  public void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    NativeMemory.copy(
        ((CpuMemory) source).address() + sourceOffset,
        ((CpuMemory) target).address() + targetOffset,
        bytes);
  }

  @Override
  public BackendFence record() {
    return CpuEvent.PASSED;
  }

  @Override
  public void waitFor(BackendFence fence) {}

  @Override
  public void synchronize(Duration deadline) {
    if (!(boolean) BUSY.getAcquire(this)) {
      return;
    }
    long start = System.nanoTime();
    while ((boolean) BUSY.getAcquire(this)) {
      if (deadline.compareTo(Duration.ofNanos(System.nanoTime() - start)) < 0) {
        throw CpuErrors.deadline("stream '" + label + "'", deadline);
      }
      LockSupport.parkNanos(20_000);
    }
  }

  @Override
  public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    return Optional.empty();
  }

  @Override
  public long launches() {
    return launches;
  }

  @Override
  public void close() {
    device.forget(this);
    NativeMemory.unmap(memory, CpuWorkers.THREAD_BYTES);
  }
}
