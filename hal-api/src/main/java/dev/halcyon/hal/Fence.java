package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendFence;
import java.time.Duration;

/** A point on a stream's timeline: everything enqueued before it. Thread-safe. Freed with its stream. */
public final class Fence {
  private final Device device;
  private final BackendFence backend;

  Fence(Device device, BackendFence backend) {
    this.device = device;
    this.backend = backend;
  }

  public boolean isSignalled() {
    return backend.isSignalled();
  }

  /**
   * Waits until the device passed this point.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED}, or the failure of the work before this point
   */
  public void await(Duration deadline) {
    backend.await(deadline);
  }

  Device device() {
    return device;
  }

  BackendFence backend() {
    return backend;
  }
}
