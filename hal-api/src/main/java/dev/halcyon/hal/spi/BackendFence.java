package dev.halcyon.hal.spi;

import dev.halcyon.hal.HalException;
import java.time.Duration;

/** A point on a stream's timeline. Thread-safe. */
public interface BackendFence {
  boolean isSignalled();

  /**
   * Waits for the point.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED}, or the failure of the work before it
   */
  void await(Duration deadline);

  /** Frees the native event; called once. */
  default void close() {}
}
