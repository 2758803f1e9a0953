package dev.halcyon.hal.spi;

import java.time.Duration;

/**
 * Measures how fast a device reads its memory. A {@link BackendDevice} that can do so implements
 * it.
 *
 * @apiNote Used by {@code halcyon bench}: decoding reads every active weight once a token, so
 *     tokens per second times the bytes of the active weights compares with this number.
 * @implSpec Streaming reads of memory much larger than the caches, with the threads or compute
 *     units that execute operators. Returns the median over the passes that fit the budget, at
 *     least one.
 */
public interface BandwidthProbe {
  /**
   * Measures now, on an otherwise idle device.
   *
   * @param budget about how long to measure, without preparation
   * @return bytes per second
   */
  double readBytesPerSecond(Duration budget);
}
