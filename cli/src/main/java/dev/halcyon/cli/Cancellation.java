package dev.halcyon.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Ctrl-C and SIGTERM: the work in progress ends at its next step, closes what it opened, and only
 * then the process ends. Thread-safe.
 */
final class Cancellation {
  private static final int GRACE_SECONDS = 10;
  private static final int POLLS_A_SECOND = 20;

  /** Unwinds work that was cancelled; carries nothing. */
  static final class CancelledException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private CancelledException() {
      super("cancelled", null, false, false);
    }
  }

  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile boolean requested;
  private volatile boolean idle;

  /** Lets the end of the process wait until {@link #finish}, but not for ever. */
  void guardProcess() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  request();
                  awaitEnd();
                },
                "cancellation"));
  }

  private void awaitEnd() {
    try {
      for (int i = 0; i < GRACE_SECONDS * POLLS_A_SECOND; i++) {
        if (idle || finished.await(1000 / POLLS_A_SECOND, TimeUnit.MILLISECONDS)) {
          return;
        }
      }
      System.err.println("halcyon: ended without waiting for the device");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Runs something that waits for a person: no reason to wait for its end. */
  <T> T idly(Supplier<T> wait) {
    idle = true;
    try {
      return wait.get();
    } finally {
      idle = false;
    }
  }

  /** Everything is closed. */
  void finish() {
    finished.countDown();
  }

  void request() {
    requested = true;
  }

  /** Forgets a request: the next work starts afresh. */
  void clear() {
    requested = false;
  }

  boolean isRequested() {
    return requested;
  }

  /** Throws if cancelled. */
  void check() {
    if (requested) {
      throw new CancelledException();
    }
  }
}
