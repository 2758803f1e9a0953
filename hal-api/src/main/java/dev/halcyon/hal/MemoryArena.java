package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Owns device memory and hands out tensors of it; the tensors die with the arena. Closing waits, at most {@link
 * #CLOSE_DEADLINE}, for work that uses it.
 *
 * <p>WEIGHTS and PERSISTENT arenas are thread-safe; a SCRATCH arena belongs to one thread at a time.
 */
public final class MemoryArena implements AutoCloseable {
  /** How long {@link #close} waits for the device. */
  public static final Duration CLOSE_DEADLINE = Duration.ofSeconds(60);

  /** Alignment of every tensor made by {@link #allocate}, in bytes. */
  public static final long ALIGNMENT = 256;

  private static final long FIRST_SLAB = 256 << 10;
  private static final long LARGEST_SLAB = 32 << 20;

  /** What an arena is for. */
  public enum Kind {
    /** Written once, read often, freed with the model. */
    WEIGHTS,
    /** Updated for long: a KV cache. */
    PERSISTENT,
    /** Temporaries; {@link #reset} takes all back at once. */
    SCRATCH
  }

  private final Device device;
  private final Kind kind;
  private final String label;
  private final LeakTracker tracker;
  private final List<BackendBuffer> slabs = new ArrayList<>();
  private final List<BackendBuffer> imported = new ArrayList<>();
  private int current = -1;
  private long used;
  private long nextSlab = FIRST_SLAB;
  private long byteSize;
  private long importedBytes;
  private volatile int generation;

  MemoryArena(Device device, Kind kind, String label) {
    this.device = device;
    this.kind = kind;
    this.label = label;
    this.tracker = LeakTracker.track(this, toString());
  }

  public Device device() {
    return device;
  }

  public Kind kind() {
    return kind;
  }

  /** Bytes of device memory held, without imported memory. */
  public synchronized long byteSize() {
    return byteSize;
  }

  /** Bytes of host memory imported in place. */
  public synchronized long importedBytes() {
    return importedBytes;
  }

  /**
   * A dense tensor of {@code type}; a quantised one comes with its scales. New memory is zero, memory reused after {@link
   * #reset} is not.
   *
   * @throws HalException {@code OUT_OF_MEMORY}, {@code ALLOCATION_TOO_LARGE}, {@code USE_AFTER_CLOSE}
   */
  public synchronized Tensor allocate(TensorType type) {
    requireOpen();
    if (!type.isContiguous()) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "cannot allocate strided " + type)
          .on(toString())
          .remedy("allocate the dense type and make a view")
          .build();
    }
    Tensor data = range(type);
    if (type.quant() instanceof QuantScheme.Blocked b) {
      Tensor scales = range(TensorType.of(b.scaleFormat().dtype(), b.scaleShape(type.shape())));
      return data.attachScales(scales);
    }
    return data;
  }

  private Tensor range(TensorType type) {
    long bytes = Math.max(type.byteSize(), 1);
    long aligned = Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    while (current + 1 < slabs.size() && !fits(aligned)) {
      current++;
      used = 0;
    }
    if (!fits(aligned)) {
      grow(aligned);
    }
    Tensor t = new Tensor(this, slabs.get(current), used, type, generation);
    used += aligned;
    return t;
  }

  private boolean fits(long bytes) {
    return current >= 0 && used + bytes <= slabs.get(current).byteSize();
  }

  private void grow(long bytes) {
    long limit = device.capabilities().maxAllocationBytes();
    if (bytes > limit) {
      throw HalException.of(
              HalErrorCode.ALLOCATION_TOO_LARGE,
              "a tensor of " + bytes + " bytes exceeds the largest allocation of " + limit + " bytes")
          .on(toString())
          .remedy("choose a smaller dtype or context, or another device")
          .build();
    }
    long size = Math.min(limit, Math.max(bytes, bytes > LARGEST_SLAB / 4 ? bytes : nextSlab));
    slabs.add(device.backend().allocate(size));
    nextSlab = Math.min(LARGEST_SLAB, nextSlab * 2);
    byteSize += size;
    current = slabs.size() - 1;
    used = 0;
  }

  /**
   * A tensor over host memory, without a copy where the device can. The arena keeps the segment reachable; the caller keeps
   * it mapped until the arena is closed.
   *
   * @param memory native memory of at least the bytes of {@code type}, any alignment; may be read-only if only read
   * @return empty if the device cannot use this memory in place: allocate and upload instead
   */
  public synchronized Optional<Tensor> importHost(MemorySegment memory, TensorType type) {
    requireOpen();
    if (!memory.isNative() || memory.byteSize() < type.byteSize()) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "cannot import " + memory.byteSize() + " bytes as " + type)
          .on(toString())
          .remedy("pass a native segment of " + type.byteSize() + " bytes or more")
          .build();
    }
    if (!device.capabilities().has(DeviceCapabilities.Feature.ZERO_COPY_IMPORT)
        || type.byteSize() == 0) {
      return Optional.empty();
    }
    BackendBuffer buffer;
    try {
      buffer = device.backend().importHost(memory);
    } catch (HalException e) {
      if (e.code() == HalErrorCode.IMPORT_UNSUPPORTED) {
        return Optional.empty();
      }
      throw e;
    }
    imported.add(buffer);
    importedBytes += memory.byteSize();
    return Optional.of(new Tensor(this, buffer, 0, type, generation));
  }

  /**
   * Takes back every tensor of a SCRATCH arena; its memory is reused, using an old tensor is an error. Work enqueued before
   * may still run: streams are in order.
   */
  public synchronized void reset() {
    requireOpen();
    if (kind != Kind.SCRATCH) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "reset of a " + kind + " arena")
          .on(toString())
          .remedy("only SCRATCH arenas can be reset; close the others")
          .build();
    }
    generation++;
    used = 0;
    current = slabs.isEmpty() ? -1 : 0;
  }

  boolean isLive(int tensorGeneration) {
    return !tracker.isClosed() && tensorGeneration == generation;
  }

  HalException useAfterClose(Tensor tensor) {
    String why = tracker.isClosed() ? "closed" : "reset";
    return HalException.of(
            HalErrorCode.USE_AFTER_CLOSE, "tensor " + tensor.type() + " of an arena that was " + why)
        .on(toString())
        .remedy("keep the arena open, and allocate anew after reset, as long as its tensors are used")
        .build();
  }

  void requireOpenFor(CommandGraph graph) {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, graph + " uses a closed arena")
          .on(toString())
          .remedy("close the graph before the arenas of its operands")
          .build();
    }
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the arena is closed").on(toString()).build();
    }
  }

  @Override
  public synchronized void close() {
    if (tracker.isClosed()) {
      return;
    }
    device.backend().awaitIdle(CLOSE_DEADLINE);
    tracker.close();
    slabs.forEach(BackendBuffer::free);
    imported.forEach(BackendBuffer::free);
    slabs.clear();
    imported.clear();
    device.childClosed(this);
  }

  @Override
  public String toString() {
    return "arena '" + label + "' (" + kind + ") on " + device.uri();
  }
}
