package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.Shape;

/** Cache row numbers of paged sequences, for decompositions. */
final class PagedRows {
  private PagedRows() {}

  /** Row numbers I32 [B, maxBlocks * blockSize] of the positions of each sequence of {@code blockTable} [B, maxBlocks]. */
  static Decomposition.Ref perSequence(Decomposition d, Decomposition.Ref blockTable, int blockSize) {
    long sequences = blockTable.dim(0);
    long blocks = blockTable.dim(1);
    Decomposition.Ref first = d.i32(sequences, blocks, 1);
    d.emit(
        new Binary(Binary.Op.MUL),
        blockTable.reshape(sequences, blocks, 1),
        d.intScalar(blockSize),
        first);
    Decomposition.Ref within = d.i32(blockSize);
    d.emit(new Iota(), within);
    Decomposition.Ref rows = d.i32(sequences, blocks, blockSize);
    d.emit(new Binary(Binary.Op.ADD), first, within, rows);
    return rows.reshape(sequences, blocks * blockSize);
  }

  /** Row numbers I32 [T, S] of the positions of each token's sequence. */
  static Decomposition.Ref perToken(
      Decomposition d, Decomposition.Ref blockTable, Decomposition.Ref sequence, int blockSize) {
    Decomposition.Ref rows = perSequence(d, blockTable, blockSize);
    Decomposition.Ref out = d.i32(sequence.dim(0), rows.dim(1));
    d.emit(new Gather(), rows, sequence, out);
    return out;
  }

  /** Visible positions of each token, I32 [T]: its own position and all before. */
  static Decomposition.Ref lengths(Decomposition d, Decomposition.Ref positions) {
    Decomposition.Ref out = d.i32(positions.dim(0));
    d.emit(new Binary(Binary.Op.ADD), positions, d.intScalar(1), out);
    return out;
  }

  /** {@code rows} of a per-sequence tensor [B, ...] for each token, [T, ...]; a view when there is one sequence. */
  static Decomposition.Ref forTokens(
      Decomposition d, Decomposition.Ref perSequence, Decomposition.Ref sequence) {
    long[] dims = perSequence.type().shape().dims();
    dims[0] = sequence.dim(0);
    if (perSequence.dim(0) == 1) {
      return perSequence.broadcastTo(Shape.of(dims));
    }
    Decomposition.Ref out = d.temporary(perSequence.type().dtype(), dims);
    d.emit(new Gather(), perSequence, sequence, out);
    return out;
  }
}
