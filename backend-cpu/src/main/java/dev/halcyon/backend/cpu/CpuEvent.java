package dev.halcyon.backend.cpu;

import dev.halcyon.hal.spi.BackendFence;
import java.time.Duration;

/** A point all work before which has finished: streams execute when they enqueue. */
final class CpuEvent implements BackendFence {
  static final CpuEvent PASSED = new CpuEvent();

  private CpuEvent() {}

  @Override
  public boolean isSignalled() {
    return true;
  }

  @Override
  public void await(Duration deadline) {}
}
