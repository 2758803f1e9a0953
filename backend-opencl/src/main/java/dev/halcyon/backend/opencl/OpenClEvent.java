package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendFence;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jocl.CL;
import org.jocl.cl_event;

/** A point on a queue. Maps to: the cl_event of a marker. */
final class OpenClEvent implements BackendFence {
  private static final int SPINS = 64;
  private static final long FIRST_PAUSE_NANOS = 10_000;
  private static final long LAST_PAUSE_NANOS = 200_000;

  private final cl_event event;
  private final String where;

  OpenClEvent(cl_event event, String where) {
    this.event = event;
    this.where = where;
  }

  cl_event event() {
    return event;
  }

  @Override
  public boolean isSignalled() {
    try (Arena arena = Arena.ofConfined()) {
      return status(arena.allocate(ValueLayout.JAVA_INT)) <= 0;
    }
  }

  private int status(MemorySegment scratch) {
    return OpenClApi.eventStatus(event.getNativePointer(), scratch);
  }

  /**
   * Waits for the point.
   *
   * @implNote Looks again and again instead of clWaitForEvents, which knows no deadline: a moment
   *     without pause, then with pauses that leave the core to the kernels.
   */
  @Override
  public void await(Duration deadline) {
    long begin = System.nanoTime();
    long limit = deadline.compareTo(Duration.ofDays(365)) > 0 ? Long.MAX_VALUE : deadline.toNanos();
    long pause = FIRST_PAUSE_NANOS;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment scratch = arena.allocate(ValueLayout.JAVA_INT);
      for (int i = 0; ; i++) {
        int status = status(scratch);
        if (status == 0) {
          return;
        }
        if (status < 0) {
          throw OpenClErrors.failure(status, "enqueued command", where);
        }
        if (System.nanoTime() - begin >= limit) {
          throw HalException.of(
                  HalErrorCode.DEADLINE_EXCEEDED, "the device did not finish within " + deadline)
              .on(where)
              .remedy("allow more time, or close the device if it hangs")
              .build();
        }
        if (i < SPINS) {
          Thread.onSpinWait();
        } else {
          LockSupport.parkNanos(pause);
          pause = Math.min(LAST_PAUSE_NANOS, pause * 2);
        }
      }
    }
  }

  @Override
  public void close() {
    CL.clReleaseEvent(event);
  }
}
