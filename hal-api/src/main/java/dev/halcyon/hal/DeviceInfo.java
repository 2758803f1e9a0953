package dev.halcyon.hal;

import java.util.Objects;

/**
 * What a device is.
 *
 * @param uri its canonical name
 * @param name the vendor's product name
 * @param kind what it is
 * @param driver driver name and version
 * @param memoryBytes its memory as the driver reports it
 * @param computeUnits cores, compute units or multiprocessors
 */
public record DeviceInfo(
    DeviceUri uri, String name, Kind kind, String driver, long memoryBytes, int computeUnits) {
  /** What a device is. */
  public enum Kind {
    CPU,
    GPU,
    NPU,
    OTHER,
    /**
     * Real interfaces, simulated hardware: results and timings prove the protocol, not the chip.
     */
    SIMULATED
  }

  public DeviceInfo {
    Objects.requireNonNull(uri);
    Objects.requireNonNull(name);
    Objects.requireNonNull(kind);
    Objects.requireNonNull(driver);
  }
}
