package dev.halcyon.conformance.testing;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.testing.ReferenceBackend;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.function.Supplier;

/** Opens reference devices that can be lost: a lost one makes no more streams. */
public final class LosableDevice implements Supplier<Device> {
  private final int openings;
  private int opened;
  private volatile boolean lost;

  /**
   * @param openings how often it opens before it is gone for good
   */
  public LosableDevice(int openings) {
    this.openings = openings;
  }

  /** Loses the device that is open. */
  public void lose() {
    lost = true;
  }

  public int opened() {
    return opened;
  }

  @Override
  public Device get() {
    if (opened == openings) {
      throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, "the device is gone").build();
    }
    opened++;
    lost = false;
    return new Device(
        new Losable(
            new ReferenceBackend().open(new DeviceUri("reference", "0"), DeviceOptions.DEFAULT)));
  }

  private final class Losable implements BackendDevice {
    private final BackendDevice engine;

    private Losable(BackendDevice engine) {
      this.engine = engine;
    }

    @Override
    public DeviceInfo info() {
      return engine.info();
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
      if (lost) {
        throw HalException.of(HalErrorCode.DEVICE_LOST, "the device fell off the bus").build();
      }
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
