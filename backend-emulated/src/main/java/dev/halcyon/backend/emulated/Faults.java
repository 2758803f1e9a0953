package dev.halcyon.backend.emulated;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/** The faults that an open device was asked for, by number of the launch. Thread-safe. */
final class Faults {
  private final EmulatedOptions options;
  private final AtomicLong executed = new AtomicLong();
  private final AtomicBoolean lost = new AtomicBoolean();

  Faults(EmulatedOptions options) {
    this.options = options;
  }

  boolean isLost() {
    return lost.get();
  }

  /**
   * Counts a launch that is about to execute.
   *
   * @throws EmulatedFault if this is the one to fail, or the device is lost
   */
  void beforeLaunch() {
    long n = executed.incrementAndGet();
    if (n == options.hangLaunch()) {
      Deadline.after(options.hang())
          .await(
              nanos -> {
                Thread.sleep(Duration.ofNanos(nanos));
                return true;
              });
    }
    if (n == options.loseLaunch()) {
      lost.set(true);
    }
    requirePresent();
    if (n == options.failLaunch()) {
      throw new EmulatedFault(
          EmulatedErrors.Status.LAUNCH_FAILED, "launch " + n + ", as option fail-launch asked for");
    }
  }

  /** Throws if the device is lost. */
  void requirePresent() {
    if (lost.get()) {
      throw new EmulatedFault(EmulatedErrors.Status.DEVICE_LOST, "the device does not answer");
    }
  }
}
