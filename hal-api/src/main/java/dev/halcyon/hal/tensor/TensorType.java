package dev.halcyon.hal.tensor;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.Locale;
import java.util.Objects;

/**
 * Everything about a tensor but its bytes: plans are made and cached for types.
 *
 * <p>View operations return the type of the view; {@code Tensor} has the same operations and moves
 * the first element with them.
 */
public final class TensorType {
  private final DType dtype;
  private final Shape shape;
  private final Strides strides;
  private final QuantScheme quant;
  private final boolean contiguous;
  private final int hash;

  private TensorType(DType dtype, Shape shape, Strides strides, QuantScheme quant) {
    this.dtype = Objects.requireNonNull(dtype);
    this.shape = Objects.requireNonNull(shape);
    this.strides = Objects.requireNonNull(strides);
    this.quant = Objects.requireNonNull(quant);
    if (shape.rank() != strides.rank()) {
      throw new IllegalArgumentException("shape " + shape + " with strides " + strides);
    }
    this.contiguous = isDense(shape, strides);
    this.hash = Objects.hash(dtype, shape, strides, quant);
  }

  /** A dense, unquantised type. */
  public static TensorType of(DType dtype, long... dims) {
    return of(dtype, Shape.of(dims));
  }

  /** A dense, unquantised type. */
  public static TensorType of(DType dtype, Shape shape) {
    return new TensorType(dtype, shape, Strides.contiguous(shape), QuantScheme.NONE);
  }

  public static TensorType of(DType dtype, Shape shape, Strides strides, QuantScheme quant) {
    return new TensorType(dtype, shape, strides, quant);
  }

  public DType dtype() {
    return dtype;
  }

  public Shape shape() {
    return shape;
  }

  public Strides strides() {
    return strides;
  }

  public QuantScheme quant() {
    return quant;
  }

  public int rank() {
    return shape.rank();
  }

  /** The extent of {@code axis}; negative axes count from the end. */
  public long dim(int axis) {
    return shape.dim(axis);
  }

  public long elementCount() {
    return shape.elementCount();
  }

  /** Whether elements lie row-major without gaps. */
  public boolean isContiguous() {
    return contiguous;
  }

  /** Whether neighbours of the last axis are adjacent (or there is at most one). */
  public boolean isRowContiguous() {
    return rank() == 0 || dim(-1) <= 1 || strides.stride(-1) == 1;
  }

  public boolean isQuantized() {
    return !(quant instanceof QuantScheme.None);
  }

  /** Bytes a dense tensor of this dtype and shape occupies, without scales. */
  public long byteSize() {
    return dtype.byteSize(elementCount());
  }

  /** Elements from the first to one past the last addressed; 0 if there are none. */
  public long spanElements() {
    if (elementCount() == 0) {
      return 0;
    }
    long last = 0;
    for (int i = 0; i < rank(); i++) {
      last += (shape.dim(i) - 1) * strides.stride(i);
    }
    return last + 1;
  }

  /** The dense type of the same dtype and shape, unquantised. */
  public TensorType dense() {
    return of(dtype, shape);
  }

  public TensorType withDtype(DType other) {
    return new TensorType(other, shape, strides, quant);
  }

  public TensorType withQuant(QuantScheme scheme) {
    return new TensorType(dtype, shape, strides, scheme);
  }

  /** The sub-range {@code [start, start + length)} of {@code axis}. */
  public TensorType slice(int axis, long start, long length) {
    int a = axis(axis);
    if (start < 0 || length < 0 || start > shape.dim(a) - length) {
      throw HalException.of(
              HalErrorCode.OUT_OF_BOUNDS,
              "slice [" + start + ", " + (start + length) + ") of axis " + a + " of " + this)
          .remedy("keep the range within the extent " + shape.dim(a))
          .build();
    }
    return new TensorType(dtype, shape.with(a, length), strides, quant);
  }

  /** Elements from this type's first to that of {@code slice(axis, start, ...)}. */
  public long sliceOffset(int axis, long start) {
    return start * strides.stride(axis(axis));
  }

  public TensorType transpose(int axis1, int axis2) {
    int a = axis(axis1);
    int b = axis(axis2);
    long[] d = shape.dims();
    long[] s = strides.toArray();
    long t = d[a];
    d[a] = d[b];
    d[b] = t;
    t = s[a];
    s[a] = s[b];
    s[b] = t;
    return new TensorType(dtype, Shape.of(d), Strides.of(s), quant);
  }

  /**
   * The same elements in another shape, without moving any. Axes may be split, and merged where
   * their strides allow.
   *
   * @throws HalException {@code SHAPE_MISMATCH} if the element counts differ or elements would have
   *     to move
   */
  public TensorType reshape(long... dims) {
    Shape target = Shape.of(dims);
    if (target.elementCount() != elementCount()) {
      throw HalException.of(HalErrorCode.SHAPE_MISMATCH, "reshape of " + this + " to " + target)
          .remedy("choose a shape of " + elementCount() + " elements")
          .build();
    }
    if (contiguous) {
      return new TensorType(dtype, target, Strides.contiguous(target), quant);
    }
    return new TensorType(dtype, target, Strides.of(splitStrides(target)), quant);
  }

  /** Matches runs of source axes with runs of target axes of the same product. */
  private long[] splitStrides(Shape target) {
    long[] out = new long[target.rank()];
    int i = rank() - 1;
    int j = target.rank() - 1;
    while (j >= 0) {
      if (target.dim(j) == 1) {
        out[j--] = 0;
        continue;
      }
      while (i >= 0 && shape.dim(i) == 1) {
        i--;
      }
      long have = shape.dim(i);
      long base = strides.stride(i);
      long want = target.dim(j);
      out[j] = base;
      long inner = want;
      int jj = j;
      while (have != want) {
        if (have < want) {
          i--;
          while (i >= 0 && shape.dim(i) == 1) {
            i--;
          }
          if (i < 0 || strides.stride(i) != base * have) {
            throw HalException.of(
                    HalErrorCode.SHAPE_MISMATCH, "reshape of strided " + this + " to " + target)
                .remedy("copy it to a dense tensor first")
                .build();
          }
          have *= shape.dim(i);
        } else {
          jj--;
          out[jj] = base * inner;
          inner *= target.dim(jj);
          want *= target.dim(jj);
        }
      }
      i--;
      j = jj - 1;
    }
    return out;
  }

  /** The type repeated along axes of extent 1 (stride 0) to {@code target}, new axes in front. */
  public TensorType broadcastTo(Shape target) {
    if (!shape.broadcastsTo(target)) {
      throw HalException.of(HalErrorCode.SHAPE_MISMATCH, "broadcast of " + this + " to " + target)
          .remedy("extents must be equal or 1, aligned at the last axis")
          .build();
    }
    long[] s = new long[target.rank()];
    for (int i = 1; i <= rank(); i++) {
      s[s.length - i] = dim(-i) == target.dim(-i) ? strides.stride(-i) : 0;
    }
    return new TensorType(dtype, target, Strides.of(s), quant);
  }

  private int axis(int axis) {
    int a = axis < 0 ? axis + rank() : axis;
    if (a < 0 || a >= rank()) {
      throw HalException.of(HalErrorCode.OUT_OF_BOUNDS, "axis " + axis + " of " + this).build();
    }
    return a;
  }

  private static boolean isDense(Shape shape, Strides strides) {
    long n = 1;
    for (int i = shape.rank() - 1; i >= 0; i--) {
      if (shape.dim(i) != 1 && strides.stride(i) != n) {
        return shape.elementCount() == 0;
      }
      n *= shape.dim(i);
    }
    return true;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof TensorType t
        && hash == t.hash
        && dtype == t.dtype
        && shape.equals(t.shape)
        && strides.equals(t.strides)
        && quant.equals(t.quant);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    String s = dtype.name().toLowerCase(Locale.ROOT) + shape;
    if (!contiguous) {
      s += " strides " + strides;
    }
    return isQuantized() ? s + " scales " + quant : s;
  }
}
