package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.OperatorLibrary;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Optional;

/** A healthy device with one bug, or none. */
final class FaultyDevice implements BackendDevice {
  private static final Duration DEADLINE = Duration.ofSeconds(30);

  private final BackendDevice healthy;
  private final Optional<Fault> fault;
  private final FaultyOperators operators;

  FaultyDevice(BackendDevice healthy, Optional<Fault> fault) {
    this.healthy = healthy;
    this.fault = fault;
    this.operators = new FaultyOperators(healthy, fault);
  }

  boolean has(Fault f) {
    return fault.isPresent() && fault.get() == f;
  }

  @Override
  public DeviceInfo info() {
    return healthy.info();
  }

  @Override
  public DeviceCapabilities capabilities() {
    return healthy.capabilities();
  }

  @Override
  public BackendBuffer allocate(long byteSize) {
    BackendBuffer buffer;
    try {
      buffer = healthy.allocate(byteSize);
      if (has(Fault.LEAK)) {
        healthy.allocate(byteSize);
      }
    } catch (HalException e) {
      if (has(Fault.SWAPPED_ERROR_CODE) && e.code() == HalErrorCode.OUT_OF_MEMORY) {
        throw HalException.of(HalErrorCode.ALLOCATION_TOO_LARGE, e.what()).build();
      }
      throw e;
    }
    if (has(Fault.UNINITIALISED_MEMORY)) {
      onStream(
          s ->
              s.upload(
                  MemorySegment.ofArray(new byte[Math.toIntExact(byteSize)]).fill((byte) 0xa5),
                  buffer,
                  0));
    }
    return buffer;
  }

  private interface Use {
    void of(BackendStream stream);
  }

  private void onStream(Use use) {
    BackendStream s = healthy.newStream("fault");
    use.of(s);
    s.synchronize(DEADLINE);
    s.close();
  }

  @Override
  public BackendBuffer importHost(MemorySegment memory) {
    if (has(Fault.IMPORT_ONLY_CLAIMED)) {
      throw HalException.of(HalErrorCode.IMPORT_UNSUPPORTED, "never").build();
    }
    if (has(Fault.IMPORT_COPIES)) {
      BackendBuffer copy = healthy.allocate(memory.byteSize());
      byte[] bytes = memory.toArray(ValueLayout.JAVA_BYTE);
      onStream(s -> s.upload(MemorySegment.ofArray(bytes), copy, 0));
      return copy;
    }
    return healthy.importHost(memory);
  }

  @Override
  public BackendStream newStream(String label) {
    return new FaultyStream(
        healthy.newStream(label), healthy.newStream(label + ", transfers"), fault);
  }

  @Override
  public OperatorLibrary operators() {
    return operators;
  }

  @Override
  public void awaitIdle(Duration deadline) {
    if (!has(Fault.FREE_WITHOUT_WAIT)) {
      healthy.awaitIdle(deadline);
    }
  }

  /** The planning device of the operators owns the healthy one. */
  @Override
  public void close() {
    operators.close();
  }
}
