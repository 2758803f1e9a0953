package com.acme.hal;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.testing.ReferenceBackend;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;

/** A backend as another vendor would ship it; {@code acme://9} is a device that is switched off. */
public final class AcmeBackend implements BackendProvider {
  private final ReferenceBackend engine = new ReferenceBackend();

  private static DeviceInfo info(String path) {
    return new DeviceInfo(
        new DeviceUri("acme", path), "Acme A1", DeviceInfo.Kind.OTHER, "acme 1.0", 1L << 30, 1);
  }

  @Override
  public String name() {
    return "acme";
  }

  @Override
  public int apiVersion() {
    return API_VERSION;
  }

  @Override
  public BackendProbe probe() {
    return new BackendProbe.Available("acme 1.0");
  }

  @Override
  public List<DeviceInfo> devices() {
    return List.of(info("0"));
  }

  @Override
  public BackendDevice open(DeviceUri uri, DeviceOptions options) {
    if (uri.path().equals("9")) {
      throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, uri + " is switched off")
          .remedy("switch it on")
          .build();
    }
    return new AcmeDevice(engine.open(new DeviceUri("reference", "0"), options));
  }

  private record AcmeDevice(BackendDevice engine) implements BackendDevice {
    @Override
    public DeviceInfo info() {
      return AcmeBackend.info("0");
    }

    @Override
    public DeviceCapabilities capabilities() {
      return engine.capabilities();
    }

    @Override
    public BackendBuffer allocate(long byteSize) {
      return engine.allocate(byteSize);
    }

    @Override
    public BackendBuffer importHost(MemorySegment memory) {
      return engine.importHost(memory);
    }

    @Override
    public BackendStream newStream(String label) {
      return engine.newStream(label);
    }

    @Override
    public OperatorLibrary operators() {
      return engine.operators();
    }

    @Override
    public void awaitIdle(Duration deadline) {
      engine.awaitIdle(deadline);
    }

    @Override
    public void close() {
      engine.close();
    }
  }
}
