package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Causal attention over a paged cache, grouped-query: query head h reads key/value head {@code h /
 * (H / G)}. Token t sees positions 0 to {@code positions[t]} of its sequence; a token of negative
 * position sees nothing and gives zeros. Rows that a token does not see have no influence on it.
 *
 * <p>Operands: q F32 [T, H, D]; keys [rows, G, D] and values [rows, G, V] of F32, F16 or BF16;
 * blockTable I32 [B, blocks] (block b of a sequence holds its positions {@code [b * blockSize, +
 * blockSize)} in cache rows {@code blockTable[b] * blockSize ...}; entries beyond a sequence may be
 * anything from -1 to the last block); sequence I32 [T], the row of blockTable; positions I32 [T];
 * out F32 [T, H, V].
 *
 * @param scale multiplies the scores
 * @param blockSize rows of a cache block
 */
public record Attention(double scale, int blockSize) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(
          Operand.in("q"),
          Operand.in("keys"),
          Operand.in("values"),
          Operand.in("blockTable"),
          Operand.in("sequence"),
          Operand.in("positions"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 3).rank(1, 3).rank(2, 3).rank(3, 2);
    long tokens = r.dim(0, 0);
    long heads = r.dim(0, 1);
    long groups = r.dim(1, 1);
    r.dtype(0, DType.F32)
        .dtype(1, DType.F32, DType.F16, DType.BF16)
        .dtype(2, DType.F32, DType.F16, DType.BF16)
        .that(blockSize > 0, HalErrorCode.INVALID_ARGUMENT, "blockSize must be positive")
        .that(
            groups > 0 && heads % groups == 0,
            HalErrorCode.SHAPE_MISMATCH,
            "query heads must be a multiple of key heads")
        .shape(1, r.dim(1, 0), groups, r.dim(0, 2))
        .shape(2, r.dim(1, 0), groups, r.dim(2, 2))
        .dtype(3, DType.I32)
        .dtype(4, DType.I32)
        .shape(4, tokens)
        .dtype(5, DType.I32)
        .shape(5, tokens)
        .dtype(6, DType.F32)
        .shape(6, tokens, heads, r.dim(2, 2));
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref q = d.operand(0);
    long tokens = q.dim(0);
    long heads = q.dim(1);
    long groups = d.operand(1).dim(1);
    long dim = q.dim(2);
    long values = d.operand(2).dim(2);
    Decomposition.Ref visible = PagedRows.lengths(d, d.operand(5));
    Decomposition.Ref rows = PagedRows.perToken(d, d.operand(3), d.operand(4), visible, blockSize);
    long span = rows.dim(1);
    Decomposition.Ref k = d.temporary(d.operand(1).type().dtype(), tokens, span, groups, dim);
    Decomposition.Ref v = d.temporary(d.operand(2).type().dtype(), tokens, span, groups, values);
    d.emit(new Gather(), d.operand(1), rows, k);
    d.emit(new Gather(), d.operand(2), rows, v);
    Decomposition.Ref scores = d.f32(tokens, groups, heads / groups, span);
    d.emit(
        new MatMul(),
        q.reshape(tokens, groups, heads / groups, dim),
        k.transpose(1, 2).transpose(2, 3),
        scores);
    d.emit(new MaskedSoftmax(scale), scores, visible.reshape(tokens, 1, 1), scores);
    d.emit(
        new MatMul(),
        scores,
        v.transpose(1, 2),
        d.operand(6).reshape(tokens, groups, heads / groups, values));
  }
}
