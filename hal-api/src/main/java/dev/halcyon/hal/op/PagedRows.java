package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.Shape;

/** Cache row numbers of paged sequences, for decompositions. */
final class PagedRows {
  private PagedRows() {}

  /**
   * Row numbers I32 [B, maxBlocks * blockSize] of all the positions of each sequence of {@code
   * blockTable} [B, maxBlocks].
   */
  private static Decomposition.Ref perSequence(
      Decomposition d, Decomposition.Ref blockTable, int blockSize) {
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

  /** Row numbers I32 [T, S] of the positions each token sees; -1 for the others. */
  static Decomposition.Ref perToken(
      Decomposition d,
      Decomposition.Ref blockTable,
      Decomposition.Ref sequence,
      Decomposition.Ref lengths,
      int blockSize) {
    Decomposition.Ref rows = perSequence(d, blockTable, blockSize);
    Decomposition.Ref out = d.i32(sequence.dim(0), rows.dim(1));
    d.emit(new Gather(), rows, sequence, out);
    dropBeyond(d, out, lengths);
    return out;
  }

  /**
   * Row numbers I32 [B, S] of the positions that any token of each sequence sees; -1 for the
   * others.
   *
   * @param lengths visible positions of each token, I32 [T]
   */
  static Decomposition.Ref seenPerSequence(
      Decomposition d,
      Decomposition.Ref blockTable,
      Decomposition.Ref sequence,
      Decomposition.Ref lengths,
      int blockSize) {
    Decomposition.Ref rows = perSequence(d, blockTable, blockSize);
    long sequences = rows.dim(0);
    long tokens = sequence.dim(0);
    Decomposition.Ref number = d.i32(sequences);
    d.emit(new Iota(), number);
    Decomposition.Ref own = d.i32(sequences, tokens);
    d.emit(new Binary(Binary.Op.EQUAL), number.reshape(sequences, 1), sequence, own);
    d.emit(new Binary(Binary.Op.MUL), own, lengths, own);
    Decomposition.Ref longest = d.i32(sequences, 1);
    d.emit(new Reduce(Reduce.Op.MAX), own, longest);
    dropBeyond(d, rows, longest.reshape(sequences));
    return rows;
  }

  /**
   * Sets what lies at and beyond the length of each row to -1, which gathers zeros: a masked
   * probability is 0, but 0 times the NaN of somebody else's block would still be NaN.
   */
  private static void dropBeyond(
      Decomposition d, Decomposition.Ref rows, Decomposition.Ref lengths) {
    Decomposition.Ref position = d.i32(rows.dim(1));
    d.emit(new Iota(), position);
    Decomposition.Ref seen = d.i32(rows.dim(0), rows.dim(1));
    d.emit(new Binary(Binary.Op.LESS), position, lengths.reshape(rows.dim(0), 1), seen);
    d.emit(new Select(), seen, rows, d.intScalar(-1), rows);
  }

  /** Visible positions of each token, I32 [T]: its own position and all before. */
  static Decomposition.Ref lengths(Decomposition d, Decomposition.Ref positions) {
    Decomposition.Ref out = d.i32(positions.dim(0));
    d.emit(new Binary(Binary.Op.ADD), positions, d.intScalar(1), out);
    return out;
  }

  /**
   * {@code rows} of a per-sequence tensor [B, ...] for each token, [T, ...]; a view when there is
   * one sequence.
   */
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
