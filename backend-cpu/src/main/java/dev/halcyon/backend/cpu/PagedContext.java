package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;

/**
 * The block table, sequences and positions of an attention, looked at before kernels trust them.
 */
final class PagedContext {
  private final String operator;
  private final long table;
  private final long sequences;
  private final long maxBlocks;
  private final long blockSize;
  private final long cacheBlocks;
  private final long sequence;
  private final long positions;
  private final long tokens;

  /**
   * The operands of one attention.
   *
   * @param operator for errors
   * @param blockTable dense
   * @param sequence dense
   * @param positions dense
   */
  PagedContext(
      String operator,
      Tensor cache,
      Tensor blockTable,
      Tensor sequence,
      Tensor positions,
      int blockSize) {
    this.operator = operator;
    this.table = CpuTypes.address(blockTable);
    this.sequences = blockTable.dim(0);
    this.maxBlocks = blockTable.dim(1);
    this.blockSize = blockSize;
    this.cacheBlocks = cache.dim(0) / blockSize;
    this.sequence = CpuTypes.address(sequence);
    this.positions = CpuTypes.address(positions);
    this.tokens = positions.dim(0);
  }

  int sequence(long token) {
    return Raw.i32(sequence + 4 * token);
  }

  int position(long token) {
    return Raw.i32(positions + 4 * token);
  }

  /**
   * Checks everything kernels will read; returns the longest visible context in positions. A
   * negative position sees none.
   */
  long longest() {
    long longest = 0;
    long checkedSequence = -1;
    long checkedBlocks = 0;
    for (long t = 0; t < tokens; t++) {
      long s = sequence(t);
      long p = position(t);
      if (s < 0 || s >= sequences) {
        throw CpuErrors.index(operator, "sequence", t, s, sequences);
      }
      if (p >= maxBlocks * blockSize) {
        throw CpuErrors.index(operator, "positions", t, p, maxBlocks * blockSize);
      }
      long blocks = p < 0 ? 0 : p / blockSize + 1;
      if (s != checkedSequence) {
        checkedSequence = s;
        checkedBlocks = 0;
      }
      for (long b = checkedBlocks; b < blocks; b++) {
        int block = Raw.i32(table + 4 * (s * maxBlocks + b));
        if (block < 0 || block >= cacheBlocks) {
          throw CpuErrors.index(operator, "blockTable", s * maxBlocks + b, block, cacheBlocks);
        }
      }
      checkedBlocks = Math.max(checkedBlocks, blocks);
      longest = Math.max(longest, p + 1);
    }
    return longest;
  }

  /**
   * Writes zeros for the tokens that see nothing, whose softmax over nothing the kernels leave
   * undefined.
   */
  void clearBlind(Tensor out) {
    for (long t = 0; t < tokens; t++) {
      if (position(t) >= 0) {
        continue;
      }
      long row = CpuTypes.address(out) + 4 * t * out.type().strides().stride(0);
      for (long h = 0; h < out.dim(1); h++) {
        NativeMemory.fill(row + 4 * h * out.type().strides().stride(1), 4 * out.dim(2), (byte) 0);
      }
    }
  }
}
