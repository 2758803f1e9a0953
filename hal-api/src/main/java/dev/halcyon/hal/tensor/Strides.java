package dev.halcyon.hal.tensor;

import java.util.Arrays;

/**
 * Distance in elements between neighbours along each axis; 0 repeats (broadcast). Immutable, never
 * negative.
 */
public final class Strides {
  private final long[] strides;
  private final int hash;

  private Strides(long[] strides) {
    this.strides = strides;
    for (long s : strides) {
      if (s < 0) {
        throw new IllegalArgumentException("negative stride in " + Arrays.toString(strides));
      }
    }
    this.hash = Arrays.hashCode(strides);
  }

  public static Strides of(long... strides) {
    return new Strides(strides.clone());
  }

  /** Row-major strides of a dense tensor of {@code shape}. */
  public static Strides contiguous(Shape shape) {
    long[] s = new long[shape.rank()];
    long n = 1;
    for (int i = s.length - 1; i >= 0; i--) {
      s[i] = n;
      n *= Math.max(1, shape.dim(i));
    }
    return new Strides(s);
  }

  public int rank() {
    return strides.length;
  }

  /** The stride of {@code axis}; negative axes count from the end. */
  public long stride(int axis) {
    return strides[axis < 0 ? axis + strides.length : axis];
  }

  /** A copy of the strides. */
  public long[] toArray() {
    return strides.clone();
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof Strides s && hash == s.hash && Arrays.equals(strides, s.strides);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    return Arrays.toString(strides);
  }
}
