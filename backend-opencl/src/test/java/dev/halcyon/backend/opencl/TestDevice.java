package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.spi.BackendProbe;
import java.util.Arrays;

/** Opens the OpenCL device under test; skips the test, or fails it where OpenCL is required. */
final class TestDevice {
  private TestDevice() {}

  static void require() {
    if (new OpenClBackendProvider().probe() instanceof BackendProbe.Available) {
      return;
    }
    String why = "OpenCL is not there: " + new OpenClBackendProvider().probe();
    if (Arrays.asList(System.getProperty("halcyon.require", "").split(",")).contains("opencl")) {
      fail(why);
    }
    abort(why);
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
