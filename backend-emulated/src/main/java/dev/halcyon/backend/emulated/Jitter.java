package dev.halcyon.backend.emulated;

import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/**
 * Random delays before the commands of one stream: streams that forgot to wait for each other then
 * run in many orders. One thread uses it.
 */
final class Jitter {
  private static final int SHORT_ONE_IN = 4;
  private static final int LONG_ONE_IN = 32;
  private static final int SHORT_NANOS = 200_000;
  private static final int LONG_NANOS = 3_000_000;

  private final Random random;

  Jitter(long seed) {
    this.random = new Random(seed);
  }

  void pause() {
    if (random.nextInt(LONG_ONE_IN) == 0) {
      LockSupport.parkNanos(1 + random.nextInt(LONG_NANOS));
    } else if (random.nextInt(SHORT_ONE_IN) == 0) {
      LockSupport.parkNanos(1 + random.nextInt(SHORT_NANOS));
    }
  }
}
