package dev.halcyon.backend.opencl;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.testing.Requirements;

/** Opens the OpenCL device under test; skips the test, or fails it where OpenCL is required. */
final class TestDevice {
  private TestDevice() {}

  static void require() {
    BackendProbe probe = new OpenClBackendProvider().probe();
    Requirements.require("opencl", probe instanceof BackendProbe.Available, probe.toString());
  }

  static Device open(String... options) {
    require();
    DeviceOptions o = DeviceOptions.DEFAULT;
    for (int i = 0; i < options.length; i += 2) {
      o = o.with(options[i], options[i + 1]);
    }
    return HalRegistry.of(new OpenClBackendProvider()).open(DeviceUri.parse("opencl://0"), o);
  }
}
