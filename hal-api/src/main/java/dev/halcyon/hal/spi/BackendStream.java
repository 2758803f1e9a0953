package dev.halcyon.hal.spi;

import dev.halcyon.hal.HalException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * An in-order queue of a device.
 *
 * @implSpec Used by one thread at a time, not always the same: set the vendor's thread-current
 *     context on entry. Work may run at once or later; a failure of earlier work surfaces in the
 *     next call as a {@link HalException}. {@link #synchronize} and {@link #launches} may be called
 *     from any thread.
 */
public interface BackendStream {
  /** Copies from the host; {@code source} (heap or native) may be reused on return. */
  void upload(MemorySegment source, BackendBuffer target, long targetOffset);

  /** Copies to the host (heap or native) and waits for it and everything before it. */
  void download(BackendBuffer source, long sourceOffset, MemorySegment target);

  /** Copies within the device; the ranges do not overlap. */
  void copy(
      BackendBuffer source, long sourceOffset, BackendBuffer target, long targetOffset, long bytes);

  /** Marks this point. Maps to: cuEventRecord, aclrtRecordEvent, clEnqueueMarkerWithWaitList. */
  BackendFence record();

  /** Lets later work of this stream wait for a fence of any stream of the same device. */
  void waitFor(BackendFence fence);

  /**
   * Waits for everything enqueued.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED}, or the failure of enqueued work
   */
  void synchronize(Duration deadline);

  /**
   * Makes a native graph of bound commands, or empty if this device has none (the API then replays
   * them one by one).
   *
   * @param commands only of recordable plans
   * @implSpec Enqueueing the graph must give bitwise the results of enqueueing the commands in
   *     order.
   */
  Optional<BackendGraph> instantiate(List<BoundOperator> commands);

  /**
   * Kernels and library calls the device was given so far, without copies: evidence that native
   * plans did device work.
   */
  long launches();

  void close();
}
