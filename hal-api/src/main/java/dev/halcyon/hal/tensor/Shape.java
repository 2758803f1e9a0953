package dev.halcyon.hal.tensor;

import java.util.Arrays;

/**
 * The extents of a tensor, outermost first. Immutable; extents are zero or positive; rank 0 is a
 * scalar.
 */
public final class Shape {
  private final long[] dims;
  private final long elementCount;
  private final int hash;

  private Shape(long[] dims) {
    this.dims = dims;
    long n = 1;
    for (long d : dims) {
      if (d < 0) {
        throw new IllegalArgumentException("negative extent in " + Arrays.toString(dims));
      }
      n = Math.multiplyExact(n, d);
    }
    this.elementCount = n;
    this.hash = Arrays.hashCode(dims);
  }

  /** A shape of the given extents; the array is copied. */
  public static Shape of(long... dims) {
    return new Shape(dims.clone());
  }

  public int rank() {
    return dims.length;
  }

  /** The extent of {@code axis}; negative axes count from the end, -1 is the innermost. */
  public long dim(int axis) {
    return dims[axis < 0 ? axis + dims.length : axis];
  }

  public long elementCount() {
    return elementCount;
  }

  /** A copy of the extents. */
  public long[] dims() {
    return dims.clone();
  }

  /** This shape with the extent of {@code axis} (negative counts from the end) replaced. */
  public Shape with(int axis, long extent) {
    long[] d = dims.clone();
    d[axis < 0 ? axis + d.length : axis] = extent;
    return new Shape(d);
  }

  /** Elements in all axes but the last; 1 for rank 0 and 1. */
  public long rows() {
    long n = 1;
    for (int i = 0; i < dims.length - 1; i++) {
      n *= dims[i];
    }
    return n;
  }

  /**
   * Whether {@code this} broadcasts to {@code target}: aligned at the innermost axis, each extent
   * equal or 1.
   */
  public boolean broadcastsTo(Shape target) {
    if (rank() > target.rank()) {
      return false;
    }
    for (int i = 1; i <= rank(); i++) {
      if (dim(-i) != target.dim(-i) && dim(-i) != 1) {
        return false;
      }
    }
    return true;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Shape s && hash == s.hash && Arrays.equals(dims, s.dims);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    StringBuilder s = new StringBuilder("[");
    for (int i = 0; i < dims.length; i++) {
      s.append(i == 0 ? "" : "x").append(dims[i]);
    }
    return s.append(']').toString();
  }
}
