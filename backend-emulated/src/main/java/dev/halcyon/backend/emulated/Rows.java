package dev.halcyon.backend.emulated;

import dev.halcyon.hal.tensor.Shape;

/**
 * A walk over the rows (runs of the last axis) of an index space, in row-major order, that keeps
 * where the row of each operand begins. Operands broadcast: aligned at the last axis, extents of 1
 * repeat.
 */
final class Rows {
  private final long[] dims;
  private final long[][] strides;
  private final long[] first;
  private final long[] step;
  private final long[] index;
  private final long length;
  private long left;
  private boolean begun;

  Rows(Shape shape, Elements... operands) {
    int outer = Math.max(0, shape.rank() - 1);
    this.dims = shape.dims();
    this.length = shape.rank() == 0 ? 1 : shape.dim(-1);
    this.left = length == 0 ? 0 : shape.rows();
    this.index = new long[outer];
    this.strides = new long[operands.length][outer];
    this.first = new long[operands.length];
    this.step = new long[operands.length];
    for (int o = 0; o < operands.length; o++) {
      Elements e = operands[o];
      int missing = shape.rank() - e.type().rank();
      for (int a = Math.max(0, missing); a < shape.rank(); a++) {
        long stride = e.type().dim(a - missing) == 1 ? 0 : e.stride(a - missing);
        if (a < outer) {
          strides[o][a] = stride;
        } else {
          step[o] = stride;
        }
      }
    }
  }

  /** Goes to the next row; false after the last. */
  boolean next() {
    if (left == 0) {
      return false;
    }
    left--;
    if (!begun) {
      begun = true;
      return true;
    }
    for (int a = index.length - 1; a >= 0; a--) {
      boolean carry = ++index[a] == dims[a];
      for (int o = 0; o < first.length; o++) {
        first[o] += carry ? strides[o][a] * (1 - dims[a]) : strides[o][a];
      }
      if (!carry) {
        return true;
      }
      index[a] = 0;
    }
    return true;
  }

  /** Elements of a row. */
  long length() {
    return length;
  }

  /** Element {@code i} of this row of an operand. */
  long at(int operand, long i) {
    return first[operand] + i * step[operand];
  }

  /** The index of this row, without the last axis; changes with {@link #next}. */
  long[] index() {
    return index;
  }
}
