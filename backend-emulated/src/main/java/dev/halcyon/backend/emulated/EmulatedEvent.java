package dev.halcyon.backend.emulated;

import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendFence;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A point on a stream, passed once, with the failure of the work before it if there was one. */
final class EmulatedEvent implements BackendFence {
  private final String where;
  private final CountDownLatch passed = new CountDownLatch(1);
  private volatile Optional<HalException> failure = Optional.empty();

  EmulatedEvent(String where) {
    this.where = where;
  }

  /** The stream reached the point. */
  void pass(Optional<HalException> streamFailure) {
    failure = streamFailure;
    passed.countDown();
  }

  @Override
  public boolean isSignalled() {
    return passed.getCount() == 0;
  }

  @Override
  public void await(Duration deadline) {
    Deadline until = Deadline.after(deadline);
    if (!until.await(nanos -> passed.await(nanos, TimeUnit.NANOSECONDS))) {
      throw EmulatedErrors.deadline(deadline, where);
    }
    if (failure.isPresent()) {
      throw EmulatedErrors.again(failure.get());
    }
  }
}
