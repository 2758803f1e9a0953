package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences in a paged cache and the tokens that read them. Blocks lie scattered; table entries
 * beyond a sequence are -1 or somebody else's block; cache rows that no token sees hold NaN.
 *
 * @param name for case ids
 * @param lengths positions of each sequence
 * @param tokens sequence and position of each token
 * @param blockSize rows of a block
 * @param sharedBlocks leading blocks that all sequences have in common
 * @param spareBlocks columns of the table and blocks of the cache that nobody needs
 */
record PagedBatch(
    String name, int[] lengths, int[][] tokens, int blockSize, int sharedBlocks, int spareBlocks) {

  static final int[] BLOCK_SIZES = {1, 3, 16, 64};

  /** One of each kind, for a block size: one token, ragged lengths, prompts, lengths at edges. */
  static List<PagedBatch> all(int b) {
    int most = Math.min(3 * b + 2, 70);
    return List.of(
        of("first", b, new int[] {1}, new int[][] {{0, 0}}),
        of("decode1", b, new int[] {most}, new int[][] {{0, most - 1}}),
        of("prompt", b, new int[] {b + 4}, prompt(0, 0, b + 4, 9)),
        of("prompt21", b, new int[] {21}, prompt(0, 0, 21, 21)),
        of("chunk", b, new int[] {most}, prompt(0, most - 3, most, 3)),
        of(
            "ragged",
            b,
            new int[] {most, 1, b + 1, 2},
            new int[][] {{0, most - 1}, {1, 0}, {2, b}, {3, 1}}),
        of(
            "edges",
            b,
            new int[] {b, b + 1, 2 * b},
            new int[][] {{2, 2 * b - 1}, {0, b - 1}, {1, b}, {2, b}, {2, Math.max(0, b - 1)}}),
        of(
            "mixed",
            b,
            new int[] {7, b + 3},
            new int[][] {{1, b + 2}, {0, 4}, {0, 5}, {0, 6}, {1, 0}}),
        of(
            "padded",
            b,
            new int[] {5, b + 2},
            new int[][] {{0, 4}, {0, -1}, {1, b + 1}, {1, -1}, {0, 1}}),
        new PagedBatch(
            "shared_prefix",
            new int[] {b + 2, b + 1, b + 2},
            new int[][] {{0, b + 1}, {1, b}, {2, b + 1}},
            b,
            1,
            2),
        new PagedBatch(
            "full", new int[] {2 * b, b}, new int[][] {{1, b - 1}, {0, 2 * b - 1}}, b, 0, 0));
  }

  /** Two prompts of many tokens: several tiles of any kernel, the last ones partly filled. */
  static PagedBatch prompts() {
    int[][] tokens = new int[70][];
    Arrays.setAll(tokens, t -> t < 37 ? new int[] {0, t} : new int[] {1, t - 30});
    return of("prompts", 16, new int[] {37, 40}, tokens);
  }

  /** A sequence that no token reads. */
  static PagedBatch none() {
    return of("none", 16, new int[] {20}, new int[0][]);
  }

  static PagedBatch of(String name, int blockSize, int[] lengths, int[][] tokens) {
    return new PagedBatch(name, lengths, tokens, blockSize, 0, 2);
  }

  /** At most {@code most} tokens of a prompt, the last ones. */
  private static int[][] prompt(int sequence, int from, int to, int most) {
    int first = Math.max(from, to - most);
    int[][] tokens = new int[to - first][];
    Arrays.setAll(tokens, i -> new int[] {sequence, first + i});
    return tokens;
  }

  int tokenCount() {
    return tokens.length;
  }

  /** Columns of the block table. */
  int blocks() {
    return Math.ceilDiv(Arrays.stream(lengths).max().orElse(0), blockSize) + spareBlocks;
  }

  private int cacheBlocks() {
    return Arrays.stream(lengths).map(n -> Math.ceilDiv(n, blockSize)).sum() + spareBlocks;
  }

  /** Rows of the cache. */
  int rows() {
    return cacheBlocks() * blockSize;
  }

  TensorType tableType() {
    return TensorType.of(DType.I32, lengths.length, blocks());
  }

  TensorType perTokenType() {
    return TensorType.of(DType.I32, tokens.length);
  }

  /**
   * The layouts a block table may have here: repeating the first row for all would send other
   * sequences to blocks that the first does not have.
   */
  Freedom tableFreedom() {
    return lengths.length == 1 ? Freedom.ANY : Freedom.ROWS;
  }

  /** The block table I32 [B, blocks]. */
  HostTensor table(Draw draw) {
    int[] order = draw.permutation(cacheBlocks());
    int columns = blocks();
    double[] table = new double[lengths.length * columns];
    int next = sharedBlocks;
    for (int s = 0; s < lengths.length; s++) {
      int own = Math.ceilDiv(lengths[s], blockSize);
      for (int b = 0; b < columns; b++) {
        double entry;
        if (b < Math.min(own, sharedBlocks)) {
          entry = order[b];
        } else if (b < own) {
          entry = order[next++];
        } else {
          entry = draw.random().nextInt(-1, cacheBlocks());
        }
        table[s * columns + b] = entry;
      }
    }
    return HostTensor.of(DType.I32, Shape.of(lengths.length, columns), table);
  }

  HostTensor sequence() {
    return column(0);
  }

  HostTensor positions() {
    return column(1);
  }

  private HostTensor column(int which) {
    return HostTensor.of(
        DType.I32,
        Shape.of(tokens.length),
        Arrays.stream(tokens).mapToDouble(t -> t[which]).toArray());
  }

  /** A query of every token. */
  HostTensor query(Draw draw, Scores scores, long... dims) {
    return draw.fill(DType.F32, () -> scores.query(draw), dims);
  }

  /** A cache [rows, ...] with NaN where no token looks, row 0 excepted. */
  HostTensor cache(Draw draw, HostTensor table, Scores scores, DType dtype, long... dims) {
    int[] position = new int[rows()];
    Arrays.fill(position, -1);
    // a layout may repeat the first row for all
    position[0] = 0;
    for (int t = 0; t < tokens.length; t++) {
      int[] visible = visibleRows(table.stored(), t);
      for (int p = 0; p < visible.length; p++) {
        position[visible[p]] = p;
      }
    }
    double[] values = draw.normal(DType.F32, 1, dims).stored();
    int width = values.length / position.length;
    for (int i = 0; i < values.length; i++) {
      int p = position[i / width];
      values[i] = p < 0 ? Double.NaN : scores.cached(values[i], p);
    }
    return HostTensor.of(dtype, Shape.of(dims), values);
  }

  /** Cache rows of the positions that a token sees. */
  private int[] visibleRows(double[] table, int token) {
    int s = tokens[token][0];
    int[] rows = new int[tokens[token][1] + 1];
    for (int p = 0; p < rows.length; p++) {
      rows[p] = (int) table[s * blocks() + p / blockSize] * blockSize + p % blockSize;
    }
    return rows;
  }
}
