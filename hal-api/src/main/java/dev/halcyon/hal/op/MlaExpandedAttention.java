package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Multi-head latent attention in expanded form, cheaper than {@link MlaAttention} when many tokens
 * read the same context: keys and values of each head are rebuilt from the latent, {@code [k_nope |
 * v]_h = W_h latent}, then {@code score = scale * (q_nope . k_nope + q_rope . k_rope)}, {@code out
 * = sum softmax(score) * v}.
 *
 * <p>Operands: q F32 [T, H, nopeDim + R] (the rotated part last); cache [rows, C + R] F32, F16 or
 * BF16; blockTable, sequence, positions as in {@link Attention}; weight [H * (nopeDim + valueDim),
 * C] floating or quantised (kv_b_proj); out F32 [T, H, valueDim].
 *
 * @param scale multiplies the scores
 * @param nopeDim key dims without rotation
 * @param valueDim value dims per head
 * @param blockSize rows of a cache block
 */
public record MlaExpandedAttention(double scale, int nopeDim, int valueDim, int blockSize)
    implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(
          Operand.in("q"),
          Operand.in("cache"),
          Operand.in("blockTable"),
          Operand.in("sequence"),
          Operand.in("positions"),
          Operand.in("weight"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 3).rank(1, 2).rank(2, 2).rank(5, 2);
    long tokens = r.dim(0, 0);
    long heads = r.dim(0, 1);
    long rope = r.dim(0, 2) - nopeDim;
    r.dtype(0, DType.F32)
        .dtype(1, DType.F32, DType.F16, DType.BF16)
        .weight(5)
        .that(
            rope >= 0 && nopeDim > 0 && valueDim > 0 && blockSize > 0,
            HalErrorCode.INVALID_ARGUMENT,
            "dims must be positive and fit q")
        .shape(1, r.dim(1, 0), r.dim(5, 1) + rope)
        .shape(5, heads * (nopeDim + valueDim), r.dim(5, 1))
        .dtype(2, DType.I32)
        .dtype(3, DType.I32)
        .shape(3, tokens)
        .dtype(4, DType.I32)
        .shape(4, tokens)
        .dtype(6, DType.F32)
        .shape(6, tokens, heads, valueDim);
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref q = d.operand(0);
    long tokens = q.dim(0);
    long heads = q.dim(1);
    long latent = d.operand(5).dim(1);
    long rope = q.dim(2) - nopeDim;
    long perHead = nopeDim + valueDim;
    Decomposition.Ref visible = PagedRows.lengths(d, d.operand(4));
    Decomposition.Ref rows =
        PagedRows.seenPerSequence(d, d.operand(2), d.operand(3), visible, blockSize);
    long sequences = rows.dim(0);
    long span = rows.dim(1);
    Decomposition.Ref gathered =
        d.temporary(d.operand(1).type().dtype(), sequences, span, latent + rope);
    d.emit(new Gather(), d.operand(1), rows, gathered);
    Decomposition.Ref cached = d.asF32(gathered);
    Decomposition.Ref expanded = d.f32(sequences * span, heads * perHead);
    d.emit(
        new Linear(Epilogue.NONE),
        cached.reshape(sequences * span, latent + rope).slice(1, 0, latent),
        d.operand(5),
        expanded);
    Decomposition.Ref kv =
        PagedRows.forTokens(d, expanded.reshape(sequences, span, heads, perHead), d.operand(3))
            .transpose(1, 2);
    Decomposition.Ref scores = d.f32(tokens, heads, 1, span);
    d.emit(
        new MatMul(),
        q.slice(2, 0, nopeDim).reshape(tokens, heads, 1, nopeDim),
        kv.slice(3, 0, nopeDim).transpose(2, 3),
        scores);
    if (rope > 0) {
      Decomposition.Ref keys =
          PagedRows.forTokens(d, cached.slice(2, latent, rope), d.operand(3)).transpose(1, 2);
      Decomposition.Ref rotated = d.f32(tokens, heads, span);
      d.emit(new MatMul(), q.slice(2, nopeDim, rope), keys, rotated);
      Decomposition.Ref flat = scores.reshape(tokens, heads, span);
      d.emit(new Binary(Binary.Op.ADD), flat, rotated, flat);
    }
    d.emit(new MaskedSoftmax(scale), scores, visible.reshape(tokens, 1, 1), scores);
    d.emit(
        new MatMul(),
        scores,
        kv.slice(3, nopeDim, valueDim),
        d.operand(6).reshape(tokens, heads, 1, valueDim));
  }
}
