package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.RecordingStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Optional;

/** A recorded list of kernels. Maps to: cl_command_buffer_khr. */
final class OpenClGraph implements BackendGraph {
  private static final Duration PREVIOUS_DEADLINE = Duration.ofMinutes(10);

  private final CommandBufferApi api;
  private final long buffer;
  private final MemorySegment queues = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);
  private Optional<OpenClStream> last = Optional.empty();
  private int kernels;
  private int point;

  OpenClGraph(CommandBufferApi api, long queue) {
    this.api = api;
    this.buffer = api.create(queue);
  }

  /** Takes the launches to record in place of a stream. */
  BackendStream recorder() {
    return new Recorder();
  }

  void seal() {
    api.seal(buffer);
  }

  @Override
  public void enqueue(BackendStream stream) {
    OpenClStream target = (OpenClStream) stream;
    if (!api.isSimultaneous()) {
      // this driver's command buffers must have finished before they are enqueued again
      last.ifPresent(s -> s.synchronize(PREVIOUS_DEADLINE));
      last = Optional.of(target);
    }
    queues.set(ValueLayout.JAVA_LONG, 0, target.handle());
    int status = api.enqueue(buffer, queues);
    if (status != OpenClErrors.SUCCESS) {
      throw OpenClErrors.failure(status, "clEnqueueCommandBufferKHR", stream.toString());
    }
    target.counted(kernels);
  }

  @Override
  public String implementation() {
    return "cl_khr_command_buffer";
  }

  @Override
  public void close() {
    api.release(buffer);
  }

  /** A stream that only records kernels; anything else cannot be in a graph. */
  private final class Recorder extends RecordingStream implements LaunchTarget {
    @Override
    public void launch(KernelPool.Kernel kernel, KernelCall call) {
      point = api.command(buffer, kernel.handle(), call, point);
      kernels++;
    }

    @Override
    protected RuntimeException refused(String call) {
      return new UnsupportedOperationException(call + " cannot be recorded");
    }

    @Override
    public long launches() {
      return kernels;
    }

    @Override
    public void close() {
      throw refused("close");
    }
  }
}
