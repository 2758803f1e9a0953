package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A typed view of a range of an arena's memory. Immutable, thread-safe and never closed; views are
 * free; using one after its arena was closed or reset throws {@code USE_AFTER_CLOSE}.
 *
 * <p>A <em>stacked</em> tensor ({@link #stack}) joins equal tensors along a new leading axis
 * although they lie apart: its memory is that of its {@link #parts()}.
 */
public final class Tensor {
  private final MemoryArena arena;
  private final BackendBuffer buffer;
  private final long byteOffset;
  private final TensorType type;
  private final int generation;
  private final Tensor scales;
  private final Tensor[] parts;

  Tensor(
      MemoryArena arena, BackendBuffer buffer, long byteOffset, TensorType type, int generation) {
    this(arena, buffer, byteOffset, type, generation, null, null);
  }

  private Tensor(
      MemoryArena arena,
      BackendBuffer buffer,
      long byteOffset,
      TensorType type,
      int generation,
      Tensor scales,
      Tensor[] parts) {
    this.arena = arena;
    this.buffer = buffer;
    this.byteOffset = byteOffset;
    this.type = type;
    this.generation = generation;
    this.scales = scales;
    this.parts = parts;
  }

  public TensorType type() {
    return type;
  }

  public DType dtype() {
    return type.dtype();
  }

  public Shape shape() {
    return type.shape();
  }

  /** The extent of {@code axis}; negative axes count from the end. */
  public long dim(int axis) {
    return type.dim(axis);
  }

  public MemoryArena arena() {
    return arena;
  }

  public Device device() {
    return arena.device();
  }

  /** The scales of a quantised tensor. */
  public Optional<Tensor> scales() {
    return Optional.ofNullable(scales);
  }

  /** The parts of a stacked tensor, else an empty list. */
  public List<Tensor> parts() {
    return parts == null ? List.of() : List.of(parts);
  }

  /**
   * The memory this tensor lies in.
   *
   * @apiNote For backends, which made the buffer.
   */
  public BackendBuffer buffer() {
    if (parts != null) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT, "a stacked tensor has no single buffer: " + type)
          .remedy("use its parts")
          .build();
    }
    return buffer;
  }

  /** Bytes from the start of {@link #buffer()} to the first element. */
  public long byteOffset() {
    return byteOffset;
  }

  /** This tensor, meaning {@code stored * scale} under {@code scheme}. */
  public Tensor withScales(Tensor scaleTensor, QuantScheme.Blocked scheme) {
    Shape expected = scheme.scaleShape(type.shape());
    if (!scaleTensor.shape().equals(expected)
        || scaleTensor.dtype() != scheme.scaleFormat().dtype()
        || !scaleTensor.type.isContiguous()) {
      throw HalException.of(
              HalErrorCode.SHAPE_MISMATCH,
              "scales " + scaleTensor.type + " do not fit " + type + " under " + scheme)
          .remedy("scales must be dense " + scheme.scaleFormat().dtype() + expected)
          .build();
    }
    return new Tensor(
        arena, buffer, byteOffset, type.withQuant(scheme), generation, scaleTensor, null);
  }

  Tensor attachScales(Tensor scaleTensor) {
    return new Tensor(arena, buffer, byteOffset, type, generation, scaleTensor, null);
  }

  /**
   * The sub-range {@code [start, start + length)} of {@code axis}; a quantised tensor is cut only
   * between blocks.
   */
  public Tensor slice(int axis, long start, long length) {
    TensorType view = type.slice(axis, start, length);
    Tensor viewScales = scales;
    if (scales != null) {
      viewScales = sliceScales(axis, start, length);
    }
    return view(view, type.sliceOffset(axis, start), viewScales);
  }

  private Tensor sliceScales(int axis, long start, long length) {
    int fromEnd = axis < 0 ? axis : axis - type.rank();
    QuantScheme.Blocked b = (QuantScheme.Blocked) type.quant();
    long block =
        switch (fromEnd) {
          case -1 -> b.effectiveBlockColumns(dim(-1));
          case -2 -> b.blockRows();
          default -> 1;
        };
    long extent = dim(fromEnd);
    boolean whole = start == 0 && length == extent;
    if (start % block != 0 || !whole && start + length != extent && (start + length) % block != 0) {
      throw HalException.of(
              HalErrorCode.OUT_OF_BOUNDS,
              "slice [" + start + ", " + (start + length) + ") cuts a block of " + type)
          .remedy("cut at multiples of " + block)
          .build();
    }
    return scales.slice(fromEnd, start / block, Math.ceilDiv(length, block));
  }

  public Tensor transpose(int axis1, int axis2) {
    requirePlain("transpose");
    return view(type.transpose(axis1, axis2), 0, null);
  }

  /** The same elements in another shape; a quantised tensor keeps its last two extents. */
  public Tensor reshape(long... dims) {
    if (scales == null) {
      return view(type.reshape(dims), 0, null);
    }
    int n = dims.length;
    if (n < 2 || type.rank() < 2 || dims[n - 1] != dim(-1) || dims[n - 2] != dim(-2)) {
      requirePlain("reshape");
    }
    long[] s = dims.clone();
    s[n - 1] = scales.dim(-1);
    s[n - 2] = scales.dim(-2);
    return view(type.reshape(dims), 0, scales.reshape(s));
  }

  /** Repeats axes of extent 1 to {@code shape}, new axes in front, without copying. */
  public Tensor broadcastTo(Shape shape) {
    requirePlain("broadcast");
    return view(type.broadcastTo(shape), 0, null);
  }

  /**
   * A dense tensor of {@code other} over the bytes of this dense U8 tensor from {@code offset} on.
   *
   * @apiNote For dividing a workspace.
   */
  public Tensor viewAs(long offset, TensorType other) {
    if (dtype() != DType.U8
        || !type.isContiguous()
        || !other.isContiguous()
        || other.isQuantized()
        || offset < 0
        || offset > type.byteSize() - other.byteSize()) {
      throw HalException.of(
              HalErrorCode.OUT_OF_BOUNDS, "view of " + type + " as " + other + " at byte " + offset)
          .remedy("view a dense u8 tensor as a dense unquantised type within its bytes")
          .build();
    }
    return new Tensor(arena, buffer, byteOffset + offset, other, generation, null, null);
  }

  /** Sub-tensor {@code index} of axis 0, without that axis. */
  public Tensor part(long index) {
    if (parts != null) {
      if (index < 0 || index >= parts.length) {
        throw HalException.of(HalErrorCode.OUT_OF_BOUNDS, "part " + index + " of " + type)
            .remedy("keep the index within the extent " + parts.length)
            .build();
      }
      return parts[(int) index];
    }
    long[] dims = Arrays.copyOfRange(type.shape().dims(), 1, type.rank());
    return slice(0, index, 1).reshape(dims);
  }

  /**
   * Joins tensors of one dense type along a new leading axis without moving them; for grouped
   * weights.
   *
   * @throws HalException {@code UNSUPPORTED_OPERATOR} if the device lacks STACKED_PARTS
   */
  public static Tensor stack(List<Tensor> parts) {
    if (parts.isEmpty()) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "a stack of no tensors")
          .remedy("stack one tensor or more")
          .build();
    }
    Tensor first = parts.getFirst();
    if (!first.device().capabilities().has(DeviceCapabilities.Feature.STACKED_PARTS)) {
      throw HalException.of(HalErrorCode.UNSUPPORTED_OPERATOR, "stacked tensors")
          .on(first.device().uri().toString())
          .remedy("copy the parts into one dense tensor")
          .build();
    }
    for (Tensor t : parts) {
      if (!t.type.equals(first.type) || !t.type.isContiguous() || t.parts != null) {
        throw HalException.of(
                HalErrorCode.SHAPE_MISMATCH, "cannot stack " + t.type + " with " + first.type)
            .remedy("stack dense tensors of one type")
            .build();
      }
      if (t.device() != first.device()) {
        throw HalException.of(HalErrorCode.WRONG_DEVICE, "cannot stack tensors of two devices")
            .build();
      }
    }
    long[] dims = new long[first.type.rank() + 1];
    dims[0] = parts.size();
    System.arraycopy(first.shape().dims(), 0, dims, 1, first.type.rank());
    TensorType stacked = TensorType.of(first.dtype(), Shape.of(dims)).withQuant(first.type.quant());
    return new Tensor(
        first.arena,
        first.buffer,
        first.byteOffset,
        stacked,
        first.generation,
        null,
        parts.toArray(Tensor[]::new));
  }

  private Tensor view(TensorType view, long elementOffset, Tensor viewScales) {
    if (parts != null) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "view of a stacked tensor " + type)
          .remedy("take a part first")
          .build();
    }
    long bits = elementOffset * type.dtype().bits();
    if (bits % 8 != 0) {
      throw HalException.of(HalErrorCode.OUT_OF_BOUNDS, "view begins inside a byte of " + type)
          .remedy("cut packed i4 at even indices")
          .build();
    }
    return new Tensor(arena, buffer, byteOffset + bits / 8, view, generation, viewScales, null);
  }

  private void requirePlain(String operation) {
    if (scales != null) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, operation + " of quantised " + type)
          .remedy("dequantise it first")
          .build();
    }
  }

  /** Throws unless the memory is still there. */
  void requireLive() {
    if (!arena.isLive(generation)) {
      throw arena.useAfterClose(this);
    }
    if (scales != null) {
      scales.requireLive();
    }
    if (parts != null) {
      for (Tensor p : parts) {
        p.requireLive();
      }
    }
  }

  /**
   * Whether the memory of two tensors overlaps, scales and parts included (conservative for strided
   * views).
   */
  boolean overlaps(Tensor other) {
    if (parts != null) {
      return Arrays.stream(parts).anyMatch(p -> p.overlaps(other));
    }
    if (other.parts != null) {
      return other.overlaps(this);
    }
    return rangeOverlaps(other)
        || scales != null && scales.overlaps(other)
        || other.scales != null && overlaps(other.scales);
  }

  private boolean rangeOverlaps(Tensor other) {
    long span = type.spanElements();
    long otherSpan = other.type.spanElements();
    return buffer == other.buffer
        && span > 0
        && otherSpan > 0
        && byteOffset < other.byteOffset + other.dtype().byteSize(otherSpan)
        && other.byteOffset < byteOffset + dtype().byteSize(span);
  }

  /** Whether two elements of this tensor share memory because an axis is repeated. */
  boolean repeatsElements() {
    if (type.elementCount() == 0) {
      return false;
    }
    for (int i = 0; i < type.rank(); i++) {
      if (type.dim(i) > 1 && type.strides().stride(i) == 0) {
        return true;
      }
    }
    return false;
  }

  boolean isSameView(Tensor other) {
    return buffer == other.buffer && byteOffset == other.byteOffset && type.equals(other.type);
  }

  @Override
  public String toString() {
    return "tensor " + type + " in " + arena;
  }
}
