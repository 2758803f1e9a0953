package dev.halcyon.conformance.runtime;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;

/** Takes all memory of a device. */
final class Exhaustion {
  private static final int MOST_ALLOCATIONS = 100_000;

  private Exhaustion() {}

  /** Ends the case on a device that would exhaust the host's memory with its own. */
  static void requireOwnMemory(Device device) {
    if (device.info().kind() == DeviceInfo.Kind.CPU
        || device.capabilities().has(Feature.UNIFIED_MEMORY)) {
      throw Inapplicable.notRun(
          "the device's memory is the host's: exhausting it would harm other programs");
    }
  }

  /** Allocates from {@code arena} until the device refuses, which must be OUT_OF_MEMORY. */
  static HalException of(MemoryArena arena) {
    long bytes =
        Math.min(
            arena.device().capabilities().maxAllocationBytes(),
            Math.max(1 << 20, arena.device().info().memoryBytes() / 64));
    for (int i = 0; i < MOST_ALLOCATIONS; i++) {
      try {
        arena.allocate(TensorType.of(DType.U8, bytes));
      } catch (HalException e) {
        Check.requireCode(HalErrorCode.OUT_OF_MEMORY, e, "allocation without end");
        return e;
      }
    }
    throw new Unmet(
        arena.byteSize()
            + " bytes were allocated on a device of "
            + arena.device().info().memoryBytes());
  }
}
