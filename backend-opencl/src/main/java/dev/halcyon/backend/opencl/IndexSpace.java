package dev.halcyon.backend.opencl;

import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;

/**
 * A shape and several operands' strides over it, with axes merged where every operand allows: the
 * fewer axes, the longer the kernels' inner loops.
 */
final class IndexSpace {
  /** Axes the kernels take. */
  static final int MAX_RANK = 8;

  private final long[] dims;
  private final long[][] strides;
  private int rank;

  private IndexSpace(long[] dims, long[][] strides) {
    this.dims = dims;
    this.strides = strides;
    this.rank = dims.length;
  }

  /**
   * The space of {@code shape}; each operand's strides are right-aligned to it, absent axes repeat.
   */
  static IndexSpace merged(Shape shape, TensorType... operands) {
    IndexSpace s = of(shape, operands);
    s.merge();
    return s;
  }

  /** The same without merging. */
  static IndexSpace of(Shape shape, TensorType... operands) {
    long[][] strides = new long[operands.length][];
    for (int o = 0; o < operands.length; o++) {
      strides[o] = aligned(shape, operands[o]);
    }
    return of(shape.dims(), strides);
  }

  /** A space of explicit strides, merged. */
  static IndexSpace merged(long[] dims, long[]... strides) {
    IndexSpace s = of(dims, strides);
    s.merge();
    return s;
  }

  private static IndexSpace of(long[] dims, long[][] strides) {
    if (dims.length == 0) {
      return new IndexSpace(new long[] {1}, new long[strides.length][1]);
    }
    long[][] copies = new long[strides.length][];
    for (int i = 0; i < strides.length; i++) {
      copies[i] = strides[i].clone();
    }
    return new IndexSpace(dims.clone(), copies);
  }

  /** Strides of {@code type} over {@code shape}: 0 where it is broadcast. */
  static long[] aligned(Shape shape, TensorType type) {
    long[] s = new long[shape.rank()];
    for (int i = 1; i <= type.rank(); i++) {
      s[s.length - i] = type.dim(-i) == 1 && shape.dim(-i) != 1 ? 0 : type.strides().stride(-i);
    }
    return s;
  }

  private void merge() {
    int kept = 0;
    for (int d = 0; d < rank; d++) {
      if (dims[d] == 1 && rank > 1 && !(d == rank - 1 && kept == 0)) {
        continue;
      }
      if (kept > 0 && joins(kept - 1, d)) {
        dims[kept - 1] *= dims[d];
        for (long[] s : strides) {
          s[kept - 1] = s[d];
        }
        continue;
      }
      dims[kept] = dims[d];
      for (long[] s : strides) {
        s[kept] = s[d];
      }
      kept++;
    }
    rank = kept;
  }

  private boolean joins(int outer, int inner) {
    for (long[] s : strides) {
      if (s[outer] != s[inner] * dims[inner]) {
        return false;
      }
    }
    return true;
  }

  int rank() {
    return rank;
  }

  long[] dims() {
    return Arrays.copyOf(dims, rank);
  }

  long[] strides(int operand) {
    return Arrays.copyOf(strides[operand], rank);
  }

  long total() {
    long n = 1;
    for (int d = 0; d < rank; d++) {
      n *= dims[d];
    }
    return n;
  }
}
