package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The latent cache of all layers, paged: a sequence owns blocks of {@code blockSize} rows anywhere
 * in the pool, listed in the block table. All layers share one table. One thread at a time.
 */
final class KvCache {
  private final int blockSize;
  private final int maxBlocks;
  private final int contextLength;
  private final List<Tensor> layers = new ArrayList<>();
  private final Tensor table;
  private final MemorySegment hostTable;
  private final int[][] blocks;
  private final int[] lengths;
  private final boolean[] open;
  private final int[] free;
  private int freeCount;
  private boolean dirty = true;

  KvCache(
      MemoryArena arena, Arena hostArena, int layerCount, int rowWidth, SessionOptions options) {
    this.blockSize = options.blockSize();
    this.contextLength = options.contextLength();
    this.maxBlocks = Math.ceilDiv(options.contextLength(), blockSize);
    int total = Math.toIntExact(positions(options) / blockSize);
    for (int i = 0; i < layerCount; i++) {
      layers.add(
          arena.allocate(TensorType.of(options.cacheDtype(), (long) total * blockSize, rowWidth)));
    }
    this.table = arena.allocate(TensorType.of(DType.I32, options.maxSequences(), maxBlocks));
    this.hostTable = hostArena.allocate((long) options.maxSequences() * maxBlocks * 4, 64);
    hostTable.fill((byte) -1);
    this.blocks = new int[options.maxSequences()][maxBlocks];
    this.lengths = new int[options.maxSequences()];
    this.open = new boolean[options.maxSequences()];
    this.free = new int[total];
    for (int i = 0; i < total; i++) {
      free[i] = total - 1 - i;
    }
    this.freeCount = total;
  }

  /** Positions the pool of a session has room for: whole blocks, for all sequences. */
  static long positions(SessionOptions options) {
    long blocks = Math.ceilDiv(options.contextLength(), options.blockSize());
    return blocks * options.blockSize() * options.maxSequences();
  }

  /** Bytes of all layers for one position. */
  static long byteSizePerPosition(DeepSeekConfig config, DType dtype) {
    return config.layers() * dtype.byteSize(config.latentCacheWidth());
  }

  Tensor layer(int index) {
    return layers.get(index);
  }

  /** i32 [sequences, blocks]; -1 where no block is. */
  Tensor table() {
    return table;
  }

  int openSequence() {
    for (int s = 0; s < open.length; s++) {
      if (!open[s]) {
        open[s] = true;
        lengths[s] = 0;
        return s;
      }
    }
    throw HalException.of(
            HalErrorCode.CONTEXT_OVERFLOW,
            "all " + open.length + " sequences of the session are open")
        .remedy("release one, or make a session with a larger maxSequences")
        .build();
  }

  void release(int sequence) {
    truncate(sequence, 0);
    open[sequence] = false;
  }

  /** Forgets positions from {@code length} on. */
  void truncate(int sequence, int length) {
    requireOpen(sequence);
    int keep = Math.ceilDiv(length, blockSize);
    int have = Math.ceilDiv(lengths[sequence], blockSize);
    for (int b = have - 1; b >= keep; b--) {
      free[freeCount++] = blocks[sequence][b];
      setEntry(sequence, b, -1);
    }
    lengths[sequence] = Math.min(length, lengths[sequence]);
  }

  int length(int sequence) {
    requireOpen(sequence);
    return lengths[sequence];
  }

  /** Adds a position and returns its cache row. */
  int append(int sequence) {
    requireOpen(sequence);
    int position = lengths[sequence];
    int block = position / blockSize;
    if (position >= contextLength) {
      throw HalException.of(
              HalErrorCode.CONTEXT_OVERFLOW,
              "sequence " + sequence + " is full at " + contextLength + " positions")
          .remedy("choose a larger context length, up to the model's, or a shorter prompt")
          .build();
    }
    if (position % blockSize == 0) {
      int taken = free[--freeCount];
      blocks[sequence][block] = taken;
      setEntry(sequence, block, taken);
    }
    lengths[sequence] = position + 1;
    return blocks[sequence][block] * blockSize + position % blockSize;
  }

  /** The cache row of a position. */
  int row(int sequence, int position) {
    return blocks[sequence][position / blockSize] * blockSize + position % blockSize;
  }

  private void setEntry(int sequence, int block, int value) {
    hostTable.setAtIndex(ValueLayout.JAVA_INT, (long) sequence * maxBlocks + block, value);
    dirty = true;
  }

  /** Brings the device's table up to date. */
  void uploadTable(CommandStream stream) {
    if (dirty) {
      stream.upload(hostTable, table);
      dirty = false;
    }
  }

  private void requireOpen(int sequence) {
    if (sequence < 0 || sequence >= open.length || !open[sequence]) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "sequence " + sequence + " is not open; open: " + Arrays.toString(open))
          .remedy("use the number openSequence returned")
          .build();
    }
  }
}
