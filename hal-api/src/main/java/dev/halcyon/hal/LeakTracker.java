package dev.halcyon.hal;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reports closeable objects that were collected unclosed. It never frees: only their owner knows
 * the order. With {@code -Dhalcyon.leaks=trace} a report names the place of creation.
 */
final class LeakTracker {
  private static final Logger LOG = LoggerFactory.getLogger("dev.halcyon.hal.leaks");
  private static final Cleaner CLEANER = Cleaner.create();
  private static final boolean TRACE = "trace".equals(System.getProperty("halcyon.leaks"));

  private final AtomicBoolean closed;

  private LeakTracker(AtomicBoolean closed) {
    this.closed = closed;
  }

  static LeakTracker track(Object owner, String what) {
    AtomicBoolean closed = new AtomicBoolean();
    Throwable origin = TRACE ? new Throwable("created here") : null;
    CLEANER.register(
        owner,
        () -> {
          if (!closed.get()) {
            LOG.warn(
                "{} was collected without close(); its device memory is lost{}",
                what,
                TRACE ? "" : " (-Dhalcyon.leaks=trace names the place)",
                origin);
          }
        });
    return new LeakTracker(closed);
  }

  /** Marks the owner closed; false if it was already. */
  boolean close() {
    return closed.compareAndSet(false, true);
  }

  boolean isClosed() {
    return closed.get();
  }
}
