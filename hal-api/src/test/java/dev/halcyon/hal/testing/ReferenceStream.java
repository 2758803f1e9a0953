package dev.halcyon.hal.testing;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/** A queue of Java closures; one lock, the device's, for everything. */
final class ReferenceStream implements BackendStream {
  private final ReferenceDevice device;
  private final String label;
  private final Queue<Runnable> queue = new ArrayDeque<>();
  private long submitted;
  private long done;
  private long failedAt = Long.MAX_VALUE;
  private long launches;
  private boolean closed;
  private HalException failure;

  ReferenceStream(ReferenceDevice device, String label) {
    this.device = device;
    this.label = label;
  }

  private final class Point implements BackendFence {
    private final long point = submitted;

    ReferenceStream stream() {
      return ReferenceStream.this;
    }

    private boolean freed;

    @Override
    public boolean isSignalled() {
      synchronized (device) {
        requireOpen();
        return done >= point || failure != null;
      }
    }

    @Override
    public void await(Duration deadline) {
      synchronized (device) {
        requireOpen();
        if (done < point) {
          device.requireNotStalled(deadline);
        }
        drainTo(point);
        if (failedAt <= point) {
          throw failure;
        }
      }
    }

    private void requireOpen() {
      if (freed) {
        throw new IllegalStateException("fence used after close");
      }
    }

    @Override
    public void close() {
      synchronized (device) {
        requireOpen();
        freed = true;
        device.fenceClosed();
      }
    }
  }

  void submit(Runnable command) {
    synchronized (device) {
      requireUsable();
      if (device.countEnqueueFails()) {
        throw HalException.of(HalErrorCode.KERNEL_FAILED, "enqueueing failed").on(label).build();
      }
      submitted++;
      queue.add(command);
      if (device.options().execution() == ReferenceOptions.Execution.IMMEDIATE
          && !device.isStalled()) {
        drain();
      }
    }
  }

  void launch(Runnable kernel) {
    submit(kernel);
    synchronized (device) {
      launches++;
    }
  }

  void drain() {
    drainTo(Long.MAX_VALUE);
  }

  private void drainTo(long point) {
    while (done < point && !queue.isEmpty()) {
      Runnable command = queue.remove();
      done++;
      if (failure == null && device.countExecutionFails()) {
        failedAt = done;
        failure = HalException.of(HalErrorCode.KERNEL_FAILED, "a kernel failed").on(label).build();
      }
      if (failure == null) {
        command.run();
      }
    }
  }

  private void requireUsable() {
    if (closed) {
      throw new IllegalStateException("stream used after close");
    }
    device.requireUsable();
    if (failure != null) {
      throw failure;
    }
  }

  private static MemorySegment at(BackendBuffer buffer, long offset, long bytes) {
    return ((ReferenceDevice.Memory) buffer).bytes.asSlice(offset, bytes);
  }

  @Override
  public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    byte[] copy = source.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    submit(() -> at(target, targetOffset, copy.length).copyFrom(MemorySegment.ofArray(copy)));
  }

  @Override
  public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    synchronize(Duration.ofSeconds(10));
    target.copyFrom(at(source, sourceOffset, target.byteSize()));
  }

  @Override
  public void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    submit(() -> at(target, targetOffset, bytes).copyFrom(at(source, sourceOffset, bytes)));
  }

  @Override
  public BackendFence record() {
    synchronized (device) {
      requireUsable();
      device.fenceOpened();
      return new Point();
    }
  }

  @Override
  public void waitFor(BackendFence fence) {
    Point p = (Point) fence;
    synchronized (device) {
      p.requireOpen();
      submit(() -> p.stream().drainTo(p.point));
    }
  }

  @Override
  public void synchronize(Duration deadline) {
    synchronized (device) {
      if (!queue.isEmpty()) {
        device.requireNotStalled(deadline);
      }
      drain();
      requireUsable();
    }
  }

  @Override
  public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    requireUsable();
    if (device.options().graphs() == ReferenceOptions.Graphs.NONE) {
      return Optional.empty();
    }
    List<BoundOperator> list = List.copyOf(commands);
    return Optional.of(
        new BackendGraph() {
          @Override
          public void enqueue(BackendStream stream) {
            list.forEach(c -> c.enqueue(stream));
          }

          @Override
          public String implementation() {
            return "reference graph";
          }

          @Override
          public void close() {}
        });
  }

  @Override
  public long launches() {
    synchronized (device) {
      return launches;
    }
  }

  @Override
  public void close() {
    synchronized (device) {
      if (closed) {
        throw new IllegalStateException("stream closed twice");
      }
      closed = true;
      device.forget(this);
    }
  }
}
