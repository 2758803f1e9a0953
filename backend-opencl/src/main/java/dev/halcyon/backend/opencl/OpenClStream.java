package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jocl.CL;
import org.jocl.cl_command_queue;
import org.jocl.cl_event;
import org.jocl.cl_queue_properties;

/** An in-order queue. Maps to: cl_command_queue. */
final class OpenClStream implements BackendStream, LaunchTarget {
  private static final Duration TRANSFER_DEADLINE = Duration.ofMinutes(10);
  private static final long STAGING_BYTES = 4 << 20;

  private final OpenClDevice device;
  private final cl_command_queue queue;
  private final long handle;
  private final String where;
  private final AtomicLong launches = new AtomicLong();
  private final AtomicLong enqueued = new AtomicLong();
  private final AtomicLong completed = new AtomicLong();

  /** Held while the queue is released and while other threads give it a marker. */
  private final Object lifetime = new Object();

  private boolean closed;

  OpenClStream(OpenClDevice device, String label) {
    this.device = device;
    this.where = "stream '" + label + "' on " + device.info().uri();
    int[] status = new int[1];
    this.queue =
        device.isVersion2()
            ? CL.clCreateCommandQueueWithProperties(
                device.context(), device.entry().device(), new cl_queue_properties(), status)
            : CL.clCreateCommandQueue(device.context(), device.entry().device(), 0, status);
    OpenClErrors.check(status[0], "clCreateCommandQueue", where);
    this.handle = queue.getNativePointer();
  }

  cl_command_queue queue() {
    return queue;
  }

  long handle() {
    return handle;
  }

  OpenClDevice device() {
    return device;
  }

  private static OpenClMemory memory(BackendBuffer buffer) {
    return (OpenClMemory) buffer;
  }

  @Override
  public void launch(KernelPool.Kernel kernel, KernelCall call) {
    int status =
        OpenClApi.enqueue(handle, kernel.handle(), call.dimensions(), call.global(), call.local());
    if (status != OpenClErrors.SUCCESS) {
      throw OpenClErrors.failure(status, "clEnqueueNDRangeKernel(" + call.name() + ")", where);
    }
    counted(1);
  }

  /** Notes kernels that were enqueued some other way. */
  void counted(int kernels) {
    launches.setPlain(launches.getPlain() + kernels);
    enqueued.setRelease(enqueued.getPlain() + 1);
  }

  @Override
  public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    OpenClMemory to = memory(target);
    if (to.host().isPresent()) {
      synchronize(TRANSFER_DEADLINE);
      MemorySegment.copy(source, 0, to.host().get(), targetOffset, source.byteSize());
      return;
    }
    if (source.isNative()) {
      write(source, to, targetOffset);
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = arena.allocate(Math.min(STAGING_BYTES, source.byteSize()));
      for (long at = 0; at < source.byteSize(); at += STAGING_BYTES) {
        long n = Math.min(STAGING_BYTES, source.byteSize() - at);
        MemorySegment.copy(source, at, staging, 0, n);
        write(staging.asSlice(0, n), to, targetOffset + at);
      }
    }
  }

  private void write(MemorySegment source, OpenClMemory to, long offset) {
    OpenClErrors.check(
        CL.clEnqueueWriteBuffer(
            queue,
            to.mem(),
            true,
            offset,
            source.byteSize(),
            OpenClMemory.pointer(source),
            0,
            null,
            null),
        "clEnqueueWriteBuffer",
        where);
  }

  @Override
  public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    OpenClMemory from = memory(source);
    synchronize(TRANSFER_DEADLINE);
    if (from.host().isPresent()) {
      MemorySegment.copy(from.host().get(), sourceOffset, target, 0, target.byteSize());
      return;
    }
    if (target.isNative()) {
      read(from, sourceOffset, target);
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = arena.allocate(Math.min(STAGING_BYTES, target.byteSize()));
      for (long at = 0; at < target.byteSize(); at += STAGING_BYTES) {
        long n = Math.min(STAGING_BYTES, target.byteSize() - at);
        read(from, sourceOffset + at, staging.asSlice(0, n));
        MemorySegment.copy(staging, 0, target, at, n);
      }
    }
  }

  private void read(OpenClMemory from, long offset, MemorySegment target) {
    OpenClErrors.check(
        CL.clEnqueueReadBuffer(
            queue,
            from.mem(),
            true,
            offset,
            target.byteSize(),
            OpenClMemory.pointer(target),
            0,
            null,
            null),
        "clEnqueueReadBuffer",
        where);
  }

  @Override
  public void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    OpenClErrors.check(
        CL.clEnqueueCopyBuffer(
            queue,
            memory(source).mem(),
            memory(target).mem(),
            sourceOffset,
            targetOffset,
            bytes,
            0,
            null,
            null),
        "clEnqueueCopyBuffer",
        where);
    counted(0);
  }

  private OpenClEvent marker() {
    cl_event event = new cl_event();
    OpenClErrors.check(
        CL.clEnqueueMarkerWithWaitList(queue, 0, null, event),
        "clEnqueueMarkerWithWaitList",
        where);
    OpenClErrors.check(CL.clFlush(queue), "clFlush", where);
    return new OpenClEvent(event, where);
  }

  @Override
  public BackendFence record() {
    return marker();
  }

  @Override
  public void waitFor(BackendFence fence) {
    cl_event[] list = {((OpenClEvent) fence).event()};
    OpenClErrors.check(
        CL.clEnqueueBarrierWithWaitList(queue, 1, list, null),
        "clEnqueueBarrierWithWaitList",
        where);
    counted(0);
  }

  @Override
  public void synchronize(Duration deadline) {
    long until = enqueued.getAcquire();
    if (completed.getAcquire() >= until) {
      return;
    }
    OpenClEvent marker;
    synchronized (lifetime) {
      if (closed) {
        return; // by another thread since we were called: nothing runs on it any more
      }
      marker = marker();
    }
    try {
      marker.await(deadline);
    } finally {
      marker.close();
    }
    completed.accumulateAndGet(until, Math::max);
  }

  @Override
  public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    return device.graphs().flatMap(g -> g.instantiate(this, commands));
  }

  @Override
  public long launches() {
    return launches.get();
  }

  @Override
  public void close() {
    device.streamClosed(this);
    synchronized (lifetime) {
      closed = true;
      OpenClErrors.check(CL.clReleaseCommandQueue(queue), "clReleaseCommandQueue", where);
    }
  }

  @Override
  public String toString() {
    return where;
  }
}
