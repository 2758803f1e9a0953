package dev.halcyon.hal.testing;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import java.util.List;
import java.util.Set;

/**
 * A backend for tests: every primitive in plain Java with sums in double, no composites, and faults
 * on request. Two devices, {@code reference://0} and {@code reference://1}.
 */
public final class ReferenceBackend implements BackendProvider {
  private final ReferenceOptions options;

  public ReferenceBackend() {
    this(ReferenceOptions.DEFAULT);
  }

  public ReferenceBackend(ReferenceOptions options) {
    this.options = options;
  }

  /** An open device with these options. */
  public static Device open(ReferenceOptions options) {
    return new Device(new ReferenceDevice(info("0"), options));
  }

  private static DeviceInfo info(String path) {
    return new DeviceInfo(
        new DeviceUri("reference", path),
        "Halcyon reference",
        DeviceInfo.Kind.SIMULATED,
        "plain Java",
        1L << 30,
        1);
  }

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public int apiVersion() {
    return API_VERSION;
  }

  @Override
  public BackendProbe probe() {
    return new BackendProbe.Available("plain Java");
  }

  @Override
  public List<DeviceInfo> devices() {
    return List.of(info("0"), info("1"));
  }

  @Override
  public BackendDevice open(DeviceUri uri, DeviceOptions deviceOptions) {
    deviceOptions.requireKnown(Set.of());
    String path = uri.path().isEmpty() ? "0" : uri.path();
    if (!path.equals("0") && !path.equals("1")) {
      throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, "no device " + uri)
          .remedy("choose one of " + devices().stream().map(DeviceInfo::uri).toList())
          .build();
    }
    return new ReferenceDevice(info(path), options);
  }
}
