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
 * Owns device memory and hands out tensors of it; the tensors die with the arena. Closing waits, at
 * most {@link #CLOSE_DEADLINE}, for work that uses it.
 *
 * <p>WEIGHTS and PERSISTENT arenas are thread-safe; a SCRATCH arena belongs to one thread at a
 * time.
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

  /** One allocation of the device and how much of it was handed out since the last reset. */
  private static final class Slab {
    final BackendBuffer buffer;
    long used;

    Slab(BackendBuffer buffer) {
      this.buffer = buffer;
    }

    boolean fits(long bytes) {
      return bytes <= buffer.byteSize() - used;
    }
  }

  private final Device device;
  private final Kind kind;
  private final String label;
  private final LeakTracker tracker;
  private final List<Slab> slabs = new ArrayList<>();

  /** Those of {@link #slabs} with room, in the same order. */
  private final List<Slab> open = new ArrayList<>();

  private final List<BackendBuffer> imported = new ArrayList<>();
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
   * A dense tensor of {@code type}; a quantised one comes with its scales. New memory is zero,
   * memory reused after {@link #reset} is not.
   *
   * @throws HalException {@code OUT_OF_MEMORY}, {@code ALLOCATION_TOO_LARGE}, {@code
   *     USE_AFTER_CLOSE}
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

  /**
   * First fit: the same requests after a reset land in the same places, so a steady step never
   * grows.
   */
  private Tensor range(TensorType type) {
    long aligned = Math.ceilDiv(Math.max(type.byteSize(), 1), ALIGNMENT) * ALIGNMENT;
    for (Slab s : open) {
      if (s.fits(aligned)) {
        return take(s, aligned, type);
      }
    }
    return take(grow(aligned), aligned, type);
  }

  private Tensor take(Slab slab, long bytes, TensorType type) {
    Tensor t = new Tensor(this, slab.buffer, slab.used, type, generation);
    slab.used += bytes;
    if (!slab.fits(ALIGNMENT)) {
      open.remove(slab);
    }
    return t;
  }

  private Slab grow(long bytes) {
    long limit = device.capabilities().maxAllocationBytes();
    if (bytes > limit) {
      throw HalException.of(
              HalErrorCode.ALLOCATION_TOO_LARGE,
              "a tensor of "
                  + bytes
                  + " bytes exceeds the largest allocation of "
                  + limit
                  + " bytes")
          .on(toString())
          .remedy("choose a smaller dtype or context, or another device")
          .build();
    }
    releaseOutgrown(bytes);
    long size = Math.min(limit, bytes > LARGEST_SLAB / 4 ? bytes : Math.max(bytes, nextSlab));
    Slab slab = new Slab(device.backend().allocate(size));
    slabs.add(slab);
    open.add(slab);
    nextSlab = Math.min(LARGEST_SLAB, nextSlab * 2);
    byteSize += size;
    return slab;
  }

  /**
   * Frees slabs of earlier generations that became too small, once they hold more than is needed
   * now; otherwise steps that grow a little each time would keep the memory of all of them. Waits
   * for the device, because earlier work may still use them.
   */
  private void releaseOutgrown(long bytes) {
    if (kind != Kind.SCRATCH) {
      return; // never reset, so nothing is unused
    }
    long outgrown =
        slabs.stream().filter(s -> s.used == 0).mapToLong(s -> s.buffer.byteSize()).sum();
    if (outgrown == 0 || outgrown < bytes) {
      return;
    }
    try {
      device.backend().awaitIdle(CLOSE_DEADLINE);
    } catch (HalException e) {
      return; // still in use, or nobody knows: keep it
    }
    open.removeIf(s -> s.used == 0);
    slabs.removeIf(
        s -> {
          if (s.used == 0) {
            byteSize -= s.buffer.byteSize();
            s.buffer.free();
          }
          return s.used == 0;
        });
  }

  /**
   * A tensor over host memory, without a copy where the device can. The arena keeps the segment
   * reachable; the caller keeps it mapped until the arena is closed.
   *
   * @param memory native memory of at least the bytes of {@code type}, any alignment; may be
   *     read-only if only read
   * @param type dense and unquantised; attach scales with {@link Tensor#withScales}
   * @return empty if the device cannot use this memory in place: allocate and upload instead
   */
  public synchronized Optional<Tensor> importHost(MemorySegment memory, TensorType type) {
    requireOpen();
    if (!type.isContiguous() || type.isQuantized()) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT, "cannot import strided or quantised " + type)
          .on(toString())
          .remedy("import the dense, unquantised type, then make a view or attach its scales")
          .build();
    }
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
   * Takes back every tensor of a SCRATCH arena; its memory is reused, using an old tensor is an
   * error. Work enqueued before may still run: streams are in order.
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
    slabs.forEach(s -> s.used = 0);
    open.clear();
    open.addAll(slabs);
  }

  boolean isLive(int tensorGeneration) {
    return !tracker.isClosed() && tensorGeneration == generation;
  }

  HalException useAfterClose(Tensor tensor) {
    String why = tracker.isClosed() ? "closed" : "reset";
    return HalException.of(
            HalErrorCode.USE_AFTER_CLOSE,
            "tensor " + tensor.type() + " of an arena that was " + why)
        .on(toString())
        .remedy(
            "keep the arena open, and allocate anew after reset, as long as its tensors are used")
        .build();
  }

  int generation() {
    return generation;
  }

  void requireLiveFor(CommandGraph graph, int capturedGeneration) {
    if (!isLive(capturedGeneration)) {
      String why = tracker.isClosed() ? "closed" : "reset";
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, graph + " uses an arena that was " + why)
          .on(toString())
          .remedy(
              "close the graph before the arenas of its operands, and capture anew after a reset")
          .build();
    }
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the arena is closed")
          .on(toString())
          .build();
    }
  }

  /**
   * Frees the memory.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED} if the device is still busy: the arena stays
   *     open, close it again later
   */
  @Override
  public synchronized void close() {
    if (tracker.isClosed()) {
      return;
    }
    try {
      device.backend().awaitIdle(CLOSE_DEADLINE);
    } catch (HalException e) {
      if (e.code() != HalErrorCode.DEVICE_LOST) {
        throw e;
      }
      // nothing runs on a lost device
    }
    closeIdle();
  }

  /** Frees the memory without waiting: the caller knows that nothing uses it any more. */
  synchronized void closeIdle() {
    if (!tracker.close()) {
      return;
    }
    RuntimeException failed = null;
    List<BackendBuffer> all = new ArrayList<>(imported);
    slabs.forEach(s -> all.add(s.buffer));
    for (BackendBuffer b : all) {
      try {
        b.free();
      } catch (RuntimeException e) {
        failed = failed == null ? e : failed;
      }
    }
    slabs.clear();
    open.clear();
    imported.clear();
    device.childClosed(this);
    if (failed != null) {
      throw failed;
    }
  }

  @Override
  public String toString() {
    return "arena '" + label + "' (" + kind + ") on " + device.uri();
  }
}
