package dev.halcyon.backend.emulated;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.OperatorLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** An open emulated device: memory, streams and the switches of its {@link EmulatedOptions}. */
final class EmulatedDevice implements BackendDevice {
  static final String DRIVER = "emulated, plain Java";
  private static final long ALIGNMENT = 256;

  /** Whoever is neither the owner of a confined segment nor a worker. */
  private static final Thread ANYBODY = Thread.ofVirtual().unstarted(() -> {});

  private final DeviceInfo info;
  private final EmulatedOptions options;
  private final DeviceCapabilities capabilities;
  private final AddressSpace memory;
  private final Faults faults;
  private final Elements.Subnormals subnormals;
  private final OperatorLibrary operators;
  private final AtomicLong allocated = new AtomicLong();
  private final AtomicInteger streamsMade = new AtomicInteger();
  private final Set<EmulatedStream> streams = ConcurrentHashMap.newKeySet();

  EmulatedDevice(int index, EmulatedOptions options) {
    this.info = info(index, options);
    this.options = options;
    this.capabilities =
        new DeviceCapabilities(
            EmulatedTypes.usages(options.dtypes()),
            options.features(),
            Math.min(options.maxAllocationBytes(), options.memoryBytes()));
    this.memory = new AddressSpace(index);
    this.faults = new Faults(options);
    this.subnormals =
        capabilities.has(DeviceCapabilities.Feature.SUBNORMALS)
            ? Elements.Subnormals.KEPT
            : Elements.Subnormals.FLUSHED;
    this.operators = new EmulatedOperators(options, info.uri().toString());
  }

  static DeviceInfo info(int index, EmulatedOptions options) {
    return new DeviceInfo(
        new DeviceUri(EmulatedBackendProvider.SCHEME, String.valueOf(index)),
        "Halcyon emulated device",
        DeviceInfo.Kind.SIMULATED,
        DRIVER,
        options.memoryBytes(),
        1);
  }

  AddressSpace memory() {
    return memory;
  }

  Faults faults() {
    return faults;
  }

  /** Runs a kernel; called by the workers. */
  void execute(Launch launch) {
    faults.beforeLaunch();
    launch.execute(memory, subnormals);
  }

  @Override
  public DeviceInfo info() {
    return info;
  }

  @Override
  public DeviceCapabilities capabilities() {
    return capabilities;
  }

  @Override
  public BackendBuffer allocate(long byteSize) {
    requirePresent("allocate");
    if (allocated.addAndGet(byteSize) > options.memoryBytes()) {
      long others = allocated.addAndGet(-byteSize);
      throw EmulatedErrors.failure(
          EmulatedErrors.Status.OUT_OF_MEMORY,
          "allocate",
          "cannot allocate "
              + byteSize
              + " bytes beside "
              + others
              + " of "
              + options.memoryBytes(),
          info.uri().toString());
    }
    Arena arena = Arena.ofShared();
    try {
      long address = memory.map(arena.allocate(byteSize, ALIGNMENT));
      return new EmulatedMemory(
          address,
          byteSize,
          () -> {
            memory.unmap(address);
            allocated.addAndGet(-byteSize);
            arena.close();
          });
    } catch (OutOfMemoryError e) {
      allocated.addAndGet(-byteSize);
      arena.close();
      throw EmulatedErrors.failure(
          EmulatedErrors.Status.OUT_OF_MEMORY,
          "allocate",
          "the host has no " + byteSize + " bytes: " + e.getMessage(),
          info.uri().toString());
    }
  }

  /** Maps host memory into the device's address space; a confined segment is not mappable. */
  @Override
  public BackendBuffer importHost(MemorySegment host) {
    requirePresent("importHost");
    if (!host.isAccessibleBy(ANYBODY)) {
      throw EmulatedErrors.failure(
          EmulatedErrors.Status.HOST_MEMORY_NOT_MAPPABLE,
          "importHost",
          "host memory of " + host.byteSize() + " bytes is confined to one thread",
          info.uri().toString());
    }
    long address = memory.map(host);
    return new EmulatedMemory(address, host.byteSize(), () -> memory.unmap(address));
  }

  @Override
  public BackendStream newStream(String label) {
    requirePresent("newStream");
    int number = streamsMade.incrementAndGet();
    Optional<Jitter> jitter =
        options.seed().isPresent()
            ? Optional.of(new Jitter(options.seed().getAsLong() * 1_000_003 + number))
            : Optional.empty();
    EmulatedStream stream = new EmulatedStream(this, label, jitter);
    streams.add(stream);
    return stream;
  }

  void forget(EmulatedStream stream) {
    streams.remove(stream);
  }

  @Override
  public OperatorLibrary operators() {
    return operators;
  }

  @Override
  public void awaitIdle(Duration deadline) {
    Deadline until = Deadline.after(deadline);
    for (EmulatedStream s : streams) {
      if (!s.awaitIdle(until)) {
        throw EmulatedErrors.deadline(deadline, info.uri().toString());
      }
    }
    requirePresent("awaitIdle");
  }

  /**
   * Throws if the device is lost.
   *
   * @throws HalException {@code DEVICE_LOST}
   */
  void requirePresent(String function) {
    if (faults.isLost()) {
      throw EmulatedErrors.failure(
          EmulatedErrors.Status.DEVICE_LOST,
          function,
          "the device does not answer",
          info.uri().toString());
    }
  }

  @Override
  public void close() {}

  @Override
  public String toString() {
    return info.uri().toString();
  }
}
