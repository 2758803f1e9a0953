package dev.halcyon.hal.spi;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalException;
import java.util.List;

/**
 * A backend, found by {@link java.util.ServiceLoader}.
 *
 * @implSpec The constructor does nothing. Native libraries load in {@link #probe()} at the
 *     earliest. All methods are thread-safe.
 */
public interface BackendProvider {
  /** The SPI version this API understands. */
  int API_VERSION = 1;

  /** The backend's name and URI scheme: lower case letters, for example {@code opencl}. */
  String name();

  /** {@link #API_VERSION} the backend was compiled against. */
  int apiVersion();

  /**
   * Opens the driver and says what it found.
   *
   * @implSpec Never throws and never kills the process; the verdict is cached. {@link
   *     BackendProbe.Available} means that a driver was really opened and reports at least one
   *     device.
   */
  BackendProbe probe();

  /**
   * The devices, default first.
   *
   * @throws HalException {@code DEVICE_UNAVAILABLE} unless {@link #probe()} is available
   */
  List<DeviceInfo> devices();

  /**
   * Opens a device.
   *
   * @param uri of scheme {@link #name()}; an empty path means the default device
   * @throws HalException {@code DEVICE_UNAVAILABLE} if there is no such device, {@code
   *     INVALID_OPTION} for an unknown option
   */
  BackendDevice open(DeviceUri uri, DeviceOptions options);
}
