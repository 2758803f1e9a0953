package dev.halcyon.hal;

import java.util.concurrent.atomic.AtomicReference;

/** Finds two threads using one single-threaded object at the same time. */
final class StreamOwner {
  private final AtomicReference<Thread> owner = new AtomicReference<>();

  /** Enters; true if this call must {@link #exit}. */
  boolean enter(Object what) {
    Thread self = Thread.currentThread();
    if (owner.get() == self) {
      return false;
    }
    if (!owner.compareAndSet(null, self)) {
      Thread other = owner.get();
      throw HalException.of(
              HalErrorCode.WRONG_THREAD,
              "used by '"
                  + self.getName()
                  + "' while '"
                  + (other == null ? "another thread" : other.getName())
                  + "' is inside")
          .on(what.toString())
          .remedy("give each thread its own stream, or hand the stream over between calls")
          .build();
    }
    return true;
  }

  void exit(boolean entered) {
    if (entered) {
      owner.set(null);
    }
  }
}
