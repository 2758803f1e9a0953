package dev.halcyon.backend.opencl;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;

/**
 * How kernels are cut for a device.
 *
 * @param lanes work-items that share a row; 1 on CPUs
 * @param vectorWidth elements of a vector in kernels: 4, 8 or 16
 * @param groups work-groups worth making: enough to balance the compute units, few enough to keep
 *     their cost low
 * @param tokenTile tokens of a matrix tile
 * @param rowTile weight rows of a matrix tile, even
 * @param unaligned whether memory of any alignment may be imported
 */
record OpenClProfile(
    int lanes, int vectorWidth, int groups, int tokenTile, int rowTile, boolean unaligned) {
  /** The profile of a device; options {@code lanes} and {@code vector-width} overrule. */
  static OpenClProfile of(DeviceInfo info, long maxWorkGroup, DeviceOptions options) {
    boolean cpu = info.kind() == DeviceInfo.Kind.CPU;
    int lanes = options.positiveInt("lanes", cpu ? 1 : 64);
    lanes =
        (int) Math.min(Integer.highestOneBit(lanes), Long.highestOneBit(Math.max(1, maxWorkGroup)));
    int asked = options.positiveInt("vector-width", cpu ? 16 : 4);
    int width = asked >= 16 ? 16 : asked >= 8 ? 8 : 4;
    int units = Math.max(1, info.computeUnits());
    return new OpenClProfile(lanes, width, cpu ? 8 * units : 16 * units, 4, 4, cpu);
  }

  /** The defines all programs get. */
  String defines() {
    return "-DVW=" + vectorWidth + " -DLANES=" + lanes + " -DUNALIGNED=" + (unaligned ? 1 : 0);
  }

  /** Rows for each of at most {@code wanted} groups, a multiple of {@code tile}. */
  static long chunk(long rows, long wanted, long tile) {
    long each = Math.ceilDiv(rows, Math.max(1, wanted));
    return Math.max(tile, Math.ceilDiv(each, tile) * tile);
  }

  /**
   * Elements for each work-item of an elementwise kernel: single ones for lanes, long runs for
   * CPUs.
   */
  long run(long total) {
    return lanes > 1 ? 1 : Math.max(2048, Math.ceilDiv(total, groups));
  }
}
