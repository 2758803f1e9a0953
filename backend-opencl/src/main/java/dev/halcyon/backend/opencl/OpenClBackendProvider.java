package dev.halcyon.backend.opencl;

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
 * OpenCL devices of every platform, through JOCL. URIs: {@code opencl://<n>} or {@code
 * opencl://<platform>/<n>}.
 */
public final class OpenClBackendProvider implements BackendProvider {
  private BackendProbe verdict;

  /** Does nothing; {@link #probe} loads OpenCL. */
  public OpenClBackendProvider() {}

  @Override
  public String name() {
    return OpenClCatalogue.SCHEME;
  }

  @Override
  public int apiVersion() {
    return API_VERSION;
  }

  @Override
  public synchronized BackendProbe probe() {
    if (verdict == null) {
      verdict = OpenClLoader.failure().orElseGet(OpenClBackendProvider::driver);
    }
    return verdict;
  }

  private static BackendProbe driver() {
    try {
      return new BackendProbe.Available(OpenClCatalogue.list().getFirst().info().driver());
    } catch (RuntimeException | LinkageError e) {
      return new BackendProbe.Broken(e, "check 'clinfo'; reinstall the OpenCL driver");
    }
  }

  @Override
  public List<DeviceInfo> devices() {
    requireAvailable();
    return OpenClCatalogue.list().stream().map(OpenClCatalogue.Entry::info).toList();
  }

  @Override
  public BackendDevice open(DeviceUri uri, DeviceOptions options) {
    requireAvailable();
    options.requireKnown(OpenClDevice.OPTIONS);
    OpenClCatalogue.Entry entry =
        OpenClCatalogue.find(uri)
            .orElseThrow(
                () ->
                    HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, "no OpenCL device " + uri)
                        .remedy(
                            "choose one of "
                                + devices().stream()
                                    .map(d -> d.uri() + " (" + d.name() + ")")
                                    .toList())
                        .build());
    return new OpenClDevice(entry, options);
  }

  private void requireAvailable() {
    switch (probe()) {
      case BackendProbe.Available a -> {}
      case BackendProbe.Unavailable u ->
          throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, u.reason())
              .remedy(u.remedy())
              .build();
      case BackendProbe.Broken b ->
          throw HalException.of(HalErrorCode.BACKEND_BROKEN, "OpenCL: " + b.cause())
              .remedy(b.remedy())
              .cause(b.cause())
              .build();
    }
  }
}
