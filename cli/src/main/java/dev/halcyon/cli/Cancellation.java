package dev.halcyon.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C and SIGTERM: the work in progress ends at its next step, closes what it opened, and only
 * then the process ends. Thread-safe.
 */
final class Cancellation {
  private static final long GRACE_SECONDS = 10;

  /** Unwinds work that was cancelled; carries nothing. */
  static final class CancelledException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private CancelledException() {
      super("cancelled", null, false, false);
    }
  }

  private final CountDownLatch finished = new CountDownLatch(1);
  private volatile boolean requested;

  /** Lets the end of the process wait until {@link #finish}, but not for ever. */
  void guardProcess() {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  request();
                  try {
                    if (!finished.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
                      System.err.println("halcyon: ended without waiting for the device");
                    }
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                },
                "cancellation"));
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
