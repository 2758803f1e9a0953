package dev.halcyon.backend.emulated;

import java.time.Duration;

/** A point in time that a wait ends at. Waits are not interrupted; the interrupt is kept. */
final class Deadline {
  private static final Duration LONGEST = Duration.ofDays(365);

  /** One attempt at waiting. */
  interface Wait {
    /** True when there is nothing to wait for any more; gives up after about {@code nanos}. */
    boolean await(long nanos) throws InterruptedException;
  }

  private final long end;

  private Deadline(long end) {
    this.end = end;
  }

  static Deadline after(Duration duration) {
    Duration d = duration.compareTo(LONGEST) > 0 ? LONGEST : duration;
    return new Deadline(System.nanoTime() + d.toNanos());
  }

  Duration left() {
    return Duration.ofNanos(Math.max(0, end - System.nanoTime()));
  }

  /** Waits again and again until it succeeds (true) or the deadline has passed (false). */
  boolean await(Wait wait) {
    boolean interrupted = false;
    try {
      while (true) {
        long nanos = Math.max(0, end - System.nanoTime());
        try {
          if (wait.await(nanos)) {
            return true;
          }
          if (nanos == 0) {
            return false;
          }
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
