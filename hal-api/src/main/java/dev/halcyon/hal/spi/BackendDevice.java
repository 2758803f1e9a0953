package dev.halcyon.hal.spi;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/**
 * An open device.
 *
 * @implSpec Thread-safe. Arguments are valid: the API checks shapes, liveness, aliasing and close
 *     order before it calls.
 */
public interface BackendDevice {
  DeviceInfo info();

  DeviceCapabilities capabilities();

  /**
   * Allocates zeroed memory, aligned to 256 bytes.
   *
   * @param byteSize positive, at most {@link DeviceCapabilities#maxAllocationBytes()}
   * @throws HalException {@code OUT_OF_MEMORY}
   */
  BackendBuffer allocate(long byteSize);

  /**
   * Makes host memory usable in place; called only with feature ZERO_COPY_IMPORT.
   *
   * @param memory native, of any alignment, possibly read-only; stays valid until the buffer is
   *     freed
   * @throws HalException {@code IMPORT_UNSUPPORTED} if this segment cannot be imported (the caller
   *     then copies)
   */
  BackendBuffer importHost(MemorySegment memory);

  BackendStream newStream(String label);

  OperatorLibrary operators();

  /**
   * Waits until all streams are idle. Memory is freed after it returned, so it returns only when
   * nothing runs.
   *
   * @implSpec A failure of enqueued work belongs to its stream and is not thrown here.
   * @throws HalException {@code DEADLINE_EXCEEDED}, or {@code DEVICE_LOST} when nothing can run any
   *     more
   */
  void awaitIdle(Duration deadline);

  /** Frees the device; every buffer and stream is closed already. */
  void close();
}
