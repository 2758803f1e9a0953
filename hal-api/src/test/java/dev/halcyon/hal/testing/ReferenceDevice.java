package dev.halcyon.hal.testing;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceCapabilities.Usage;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A device of {@link ReferenceBackend}; tests stall it, lose it and read its counters. */
public final class ReferenceDevice implements BackendDevice {
  /** Device memory; an access after {@link #free} fails. */
  static final class Memory implements BackendBuffer {
    private final ReferenceDevice device;
    private final Arena arena;
    final MemorySegment bytes;

    private Memory(ReferenceDevice device, Arena arena, MemorySegment bytes) {
      this.device = device;
      this.arena = arena;
      this.bytes = bytes;
    }

    @Override
    public long byteSize() {
      return bytes.byteSize();
    }

    @Override
    public void free() {
      synchronized (device) {
        device.buffers--;
        if (arena != null) {
          device.allocated -= bytes.byteSize();
          arena.close();
        }
      }
    }
  }

  private final DeviceInfo info;
  private final ReferenceOptions options;
  private final OperatorLibrary operators;
  private final List<ReferenceStream> streams = new ArrayList<>();
  private long allocated;
  private int buffers;
  private long enqueued;
  private long executed;
  private long bindings;
  private int openBindings;
  private int openFences;
  private boolean stalled;
  private boolean lost;
  private boolean closed;

  ReferenceDevice(DeviceInfo info, ReferenceOptions options) {
    this.info = info;
    this.options = options;
    this.operators = new ReferenceOperators(this);
  }

  ReferenceOptions options() {
    return options;
  }

  /** From now on whatever waits exceeds its deadline at once. */
  public synchronized void stall() {
    stalled = true;
  }

  /** Ends {@link #stall}. */
  public synchronized void resume() {
    stalled = false;
  }

  /** From now on every call fails with {@code DEVICE_LOST}. */
  public synchronized void lose() {
    lost = true;
  }

  /** Bytes allocated and not freed, without imports. */
  public synchronized long allocatedBytes() {
    return allocated;
  }

  /** Buffers not freed, imports included. */
  public synchronized int openBuffers() {
    return buffers;
  }

  /** Bound operators not closed. */
  public synchronized int openBindings() {
    return openBindings;
  }

  /** Fences not closed. */
  public synchronized int openFences() {
    return openFences;
  }

  /** Streams not closed. */
  public synchronized int openStreams() {
    return streams.size();
  }

  public synchronized boolean isClosed() {
    return closed;
  }

  @Override
  public DeviceInfo info() {
    return info;
  }

  @Override
  public DeviceCapabilities capabilities() {
    Map<DType, Set<Usage>> usages = new EnumMap<>(DType.class);
    for (DType d : DType.values()) {
      usages.put(d, EnumSet.of(Usage.STORE, Usage.CAST));
    }
    usages.put(DType.F32, EnumSet.allOf(Usage.class));
    Set<Feature> features = EnumSet.noneOf(Feature.class);
    features.addAll(options.features());
    if (options.graphs() == ReferenceOptions.Graphs.NATIVE) {
      features.add(Feature.NATIVE_GRAPHS);
    }
    return new DeviceCapabilities(usages, features, options.maxAllocationBytes());
  }

  @Override
  public synchronized BackendBuffer allocate(long byteSize) {
    requireUsable();
    if (byteSize > options.memoryBytes() - allocated) {
      throw HalException.of(HalErrorCode.OUT_OF_MEMORY, "cannot allocate " + byteSize + " bytes")
          .on(info.uri().toString())
          .remedy("close other arenas")
          .build();
    }
    Arena arena = Arena.ofShared();
    Memory m = new Memory(this, arena, arena.allocate(byteSize, 256));
    allocated += byteSize;
    buffers++;
    return m;
  }

  @Override
  public synchronized BackendBuffer importHost(MemorySegment memory) {
    requireUsable();
    if (memory.byteSize() % 2 != 0) {
      throw HalException.of(HalErrorCode.IMPORT_UNSUPPORTED, "odd sizes are not imported").build();
    }
    buffers++;
    return new Memory(this, null, memory);
  }

  @Override
  public synchronized BackendStream newStream(String label) {
    requireUsable();
    ReferenceStream s = new ReferenceStream(this, label);
    streams.add(s);
    return s;
  }

  @Override
  public OperatorLibrary operators() {
    return operators;
  }

  @Override
  public synchronized void awaitIdle(Duration deadline) {
    requireNotStalled(deadline);
    requireUsable();
    streams.forEach(ReferenceStream::drain);
  }

  @Override
  public synchronized void close() {
    if (buffers != 0 || !streams.isEmpty()) {
      throw new IllegalStateException("closed with " + buffers + " buffers and " + streams);
    }
    closed = true;
  }

  synchronized void forget(ReferenceStream stream) {
    streams.remove(stream);
  }

  void requireUsable() {
    if (closed) {
      throw new IllegalStateException("device used after close");
    }
    if (lost) {
      throw HalException.of(HalErrorCode.DEVICE_LOST, "the device is gone")
          .on(info.uri().toString())
          .build();
    }
  }

  void requireNotStalled(Duration deadline) {
    if (stalled) {
      throw HalException.of(HalErrorCode.DEADLINE_EXCEEDED, "not done within " + deadline)
          .on(info.uri().toString())
          .build();
    }
  }

  boolean isStalled() {
    return stalled;
  }

  boolean countEnqueueFails() {
    return ++enqueued == options.failAtEnqueue();
  }

  boolean countExecutionFails() {
    return ++executed == options.failAtExecution();
  }

  synchronized void bound() {
    if (++bindings == options.failAtBind()) {
      throw HalException.of(HalErrorCode.OUT_OF_MEMORY, "no memory for binding " + bindings)
          .build();
    }
    openBindings++;
  }

  synchronized void unbound() {
    openBindings--;
  }

  void fenceOpened() {
    openFences++;
  }

  void fenceClosed() {
    openFences--;
  }
}
