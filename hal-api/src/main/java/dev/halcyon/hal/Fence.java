package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendStream;
import java.time.Duration;

/**
 * A point on a stream's timeline: everything enqueued before it. Thread-safe. Its native event is
 * freed by its stream, at the latest when that is closed; the fence itself stays usable and keeps
 * the outcome.
 */
public final class Fence {
  private final Device device;
  private final BackendFence backend;
  private int users;
  private boolean retired;
  private boolean freed;
  private HalException failure;

  Fence(Device device, BackendFence backend) {
    this.device = device;
    this.backend = backend;
  }

  public boolean isSignalled() {
    if (!enter()) {
      return true;
    }
    try {
      return backend.isSignalled();
    } finally {
      exit();
    }
  }

  /**
   * Waits until the device passed this point.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED}, or the failure of the work before this point
   */
  public void await(Duration deadline) {
    if (!enter()) {
      rethrow();
      return;
    }
    try {
      backend.await(deadline);
    } finally {
      exit();
    }
  }

  Device device() {
    return device;
  }

  /** Lets {@code stream} wait for this point. */
  void waitOn(BackendStream stream) {
    if (!enter()) {
      rethrow();
      return;
    }
    try {
      stream.waitFor(backend);
    } finally {
      exit();
    }
  }

  /**
   * Keeps the outcome and frees the event if the point was passed and nobody is inside; true if
   * freed.
   */
  synchronized boolean retireIfPassed() {
    if (users > 0 || !backend.isSignalled()) {
      return false;
    }
    try {
      backend.await(Duration.ZERO);
    } catch (HalException e) {
      if (e.code() == HalErrorCode.DEADLINE_EXCEEDED) {
        return false;
      }
      failure = e;
    }
    retired = true;
    free();
    return true;
  }

  /**
   * The stream is idle and closes: keeps the outcome; the event is freed now or by the last one who
   * is inside.
   */
  synchronized void retire(HalException streamFailure) {
    if (retired) {
      return;
    }
    failure = streamFailure;
    if (users == 0) {
      try {
        backend.await(Duration.ZERO);
        failure = null;
      } catch (HalException e) {
        failure = e.code() == HalErrorCode.DEADLINE_EXCEEDED ? streamFailure : e;
      }
    }
    retired = true;
    if (users == 0) {
      free();
    }
  }

  private synchronized boolean enter() {
    if (retired) {
      return false;
    }
    users++;
    return true;
  }

  private synchronized void exit() {
    users--;
    if (retired && users == 0) {
      free();
    }
  }

  private void free() {
    if (!freed) {
      freed = true;
      backend.close();
    }
  }

  private synchronized void rethrow() {
    if (failure != null) {
      throw HalException.of(failure.code(), failure.what())
          .on(failure.context())
          .remedy(failure.remedy())
          .cause(failure)
          .build();
    }
  }
}
