package dev.halcyon.backend.cpu;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.util.List;

/** A bound operator that visits the rows of a {@link Nest}, up to four operands at a time. */
abstract class StridedLoop implements BoundOperator, Region.Body {
  private final Nest nest;
  private final long[] base = new long[4];

  /**
   * A loop over the operands' rows.
   *
   * @param operands in the nest's order, four at most
   */
  StridedLoop(Nest nest, List<Tensor> operands) {
    this.nest = nest;
    for (int i = 0; i < operands.size(); i++) {
      base[i] = CpuTypes.address(operands.get(i));
    }
  }

  final Nest nest() {
    return nest;
  }

  /** Bytes from an element of a row to the next. */
  final long step(int operand) {
    return nest.innerStride(operand);
  }

  @Override
  public final void enqueue(BackendStream stream) {
    ((CpuStream) stream).loop(this, nest.units(), nest.chunk());
  }

  @Override
  public final void run(long scratch, long begin, long end) {
    long blocks = nest.blocks();
    int operands = operands();
    for (long u = begin; u < end; u++) {
      long row = blocks == 1 ? u : u / blocks;
      long block = blocks == 1 ? 0 : u - row * blocks;
      long start = nest.blockStart(block);
      long a = address(0, row, start);
      long b = operands > 1 ? address(1, row, start) : 0;
      long c = operands > 2 ? address(2, row, start) : 0;
      long d = operands > 3 ? address(3, row, start) : 0;
      row(a, b, c, d, nest.blockLength(block));
    }
  }

  private long address(int operand, long row, long start) {
    return base[operand] + nest.offset(operand, row) + start * nest.innerStride(operand);
  }

  /** Number of operands. */
  abstract int operands();

  /** Works on {@code n} elements that begin at these addresses, {@link #step} apart. */
  abstract void row(long a, long b, long c, long d, long n);
}
