package dev.halcyon.backend.cpu;

import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;

/**
 * The loops over a shape that some operands share, each with its own strides (0 where it is
 * broadcast): rows along an inner axis, numbered over all outer axes. Axes of one element vanish
 * and axes that step alike are merged, so dense operands become one long row.
 */
final class Nest {
  /** Elements of a row that one unit of work takes. */
  private static final long BLOCK = 16 << 10;

  private final long[] dims;
  private final long[][] strides;
  private final long rows;
  private final long inner;
  private final long[] innerStrides;
  private final boolean cut;

  private Nest(long[] dims, long[][] strides, long inner, long[] innerStrides, boolean cut) {
    this.dims = dims;
    this.strides = strides;
    this.inner = inner;
    this.innerStrides = innerStrides;
    this.cut = cut;
    long n = 1;
    for (long d : dims) {
      n *= d;
    }
    this.rows = n;
  }

  /**
   * All elements of {@code space}, in rows as long as possible; {@code types} broadcast to it.
   * Element sizes in bytes.
   */
  static Nest elements(Shape space, TensorType... types) {
    return new Builder(space.dims(), space.rank(), types).build(true);
  }

  /**
   * The rows of the last axis of {@code space}, uncut; the inner extent of an operand may be 1
   * instead.
   */
  static Nest rows(Shape space, TensorType... types) {
    return new Builder(space.dims(), space.rank() - 1, types).build(false);
  }

  private static final class Builder {
    private final long[] dims;
    private final int outerRank;
    private final long[][] strides;

    /** Axes from {@code mergeable} on are not merged with the others. */
    Builder(long[] dims, int mergeable, TensorType... types) {
      this.dims = dims;
      this.outerRank = mergeable;
      this.strides = new long[types.length][dims.length];
      for (int o = 0; o < types.length; o++) {
        TensorType t = types[o];
        int shift = dims.length - t.rank();
        for (int i = 0; i < t.rank(); i++) {
          boolean repeats = t.dim(i) == 1;
          strides[o][i + shift] = repeats ? 0 : t.strides().stride(i) * t.dtype().bits() / 8;
        }
      }
    }

    Nest build(boolean mergeAll) {
      int last = mergeAll ? dims.length : outerRank;
      long[] d = new long[last];
      long[][] s = new long[strides.length][last];
      int n = 0;
      for (int i = 0; i < last; i++) {
        if (dims[i] == 1) {
          continue;
        }
        if (n > 0 && steps(s, n - 1, i)) {
          d[n - 1] *= dims[i];
          for (int o = 0; o < s.length; o++) {
            s[o][n - 1] = strides[o][i];
          }
          continue;
        }
        d[n] = dims[i];
        for (int o = 0; o < s.length; o++) {
          s[o][n] = strides[o][i];
        }
        n++;
      }
      long inner = 1;
      long[] innerStrides = new long[s.length];
      if (!mergeAll) {
        inner = dims[dims.length - 1];
        for (int o = 0; o < s.length; o++) {
          innerStrides[o] = strides[o][dims.length - 1];
        }
      } else if (n > 0) {
        n--;
        inner = d[n];
        for (int o = 0; o < s.length; o++) {
          innerStrides[o] = s[o][n];
        }
      }
      long[][] outer = new long[s.length][];
      for (int o = 0; o < s.length; o++) {
        outer[o] = Arrays.copyOf(s[o], n);
      }
      return new Nest(Arrays.copyOf(d, n), outer, inner, innerStrides, mergeAll);
    }

    private boolean steps(long[][] s, int outer, int axis) {
      for (int o = 0; o < s.length; o++) {
        if (s[o][outer] != strides[o][axis] * dims[axis]) {
          return false;
        }
      }
      return true;
    }
  }

  long rows() {
    return rows;
  }

  /** Elements of a row. */
  long inner() {
    return inner;
  }

  /** Bytes from an element of a row to the next. */
  long innerStride(int operand) {
    return innerStrides[operand];
  }

  /** Whether the elements of each row of every operand lie {@code bytes} apart. */
  boolean isInnerDense(int bytes) {
    for (long s : innerStrides) {
      if (s != bytes && inner > 1) {
        return false;
      }
    }
    return true;
  }

  /** Bytes from an operand's first element to its row {@code row}. */
  long offset(int operand, long row) {
    long[] s = strides[operand];
    long at = 0;
    long left = row;
    for (int i = dims.length - 1; i > 0; i--) {
      long d = dims[i];
      long q = left / d;
      at += (left - q * d) * s[i];
      left = q;
    }
    return dims.length == 0 ? at : at + left * s[0];
  }

  /** Parts a row is cut into. */
  long blocks() {
    return cut ? Math.max(1, (inner + BLOCK - 1) / BLOCK) : 1;
  }

  long blockStart(long block) {
    return block * BLOCK;
  }

  long blockLength(long block) {
    return cut ? Math.min(BLOCK, inner - block * BLOCK) : inner;
  }

  /** Units of work: blocks of rows. */
  long units() {
    return cut && inner == 0 ? 0 : rows * blocks();
  }

  /** Units that are worth a thread's while. */
  long chunk() {
    long perUnit = Math.max(1, Math.min(inner, BLOCK));
    return Math.max(1, BLOCK / perUnit);
  }
}
