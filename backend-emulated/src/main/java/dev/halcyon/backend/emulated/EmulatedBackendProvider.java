package dev.halcyon.backend.emulated;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import java.util.List;

/**
 * Two emulated devices, {@code emulated://0} and {@code emulated://1}: asynchronous, with memory of
 * their own, in plain Java. They prove protocols, not speed, and are the template of a new backend.
 *
 * @apiNote Options: see {@link EmulatedOptions}.
 */
public final class EmulatedBackendProvider implements BackendProvider {
  static final String SCHEME = "emulated";
  private static final int DEVICES = 2;

  /** Does nothing; {@link #probe} would load native code if there were any. */
  public EmulatedBackendProvider() {}

  @Override
  public String name() {
    return SCHEME;
  }

  @Override
  public int apiVersion() {
    return API_VERSION;
  }

  /** Always available: the driver is this module. */
  @Override
  public BackendProbe probe() {
    return new BackendProbe.Available(EmulatedDevice.DRIVER);
  }

  @Override
  public List<DeviceInfo> devices() {
    return List.of(info(0), info(1));
  }

  private static DeviceInfo info(int index) {
    return EmulatedDevice.info(index, EmulatedOptions.of(DeviceOptions.DEFAULT));
  }

  @Override
  public BackendDevice open(DeviceUri uri, DeviceOptions options) {
    EmulatedOptions own = EmulatedOptions.of(options);
    String path = uri.path().isEmpty() ? "0" : uri.path();
    for (int i = 0; i < DEVICES; i++) {
      if (path.equals(String.valueOf(i))) {
        return new EmulatedDevice(i, own);
      }
    }
    throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, "no emulated device " + uri)
        .remedy("choose one of " + devices().stream().map(DeviceInfo::uri).toList())
        .build();
  }
}
