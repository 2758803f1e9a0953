package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Multi-head latent attention in absorbed form: every head reads the one latent vector of a
 * position, {@code score = scale * q . cache_row}, {@code out = sum softmax(score) *
 * cache_row[:latentDim]}. Source: DeepSeek-V2 (arXiv 2405.04434) section 2.1 and
 * inference/model.py, class MLA, attn_impl "absorb".
 *
 * <p>Operands: q F32 [T, H, C + R] (query in the latent space, then its rotated part); cache [rows,
 * C + R] F32, F16 or BF16 (normalised latent, then the rotated key); blockTable I32 [B, blocks],
 * sequence I32 [T], positions I32 [T] as in {@link Attention}; out F32 [T, H, C].
 *
 * @param scale multiplies the scores
 * @param latentDim C
 * @param blockSize rows of a cache block
 */
public record MlaAttention(double scale, int latentDim, int blockSize) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(
          Operand.in("q"),
          Operand.in("cache"),
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
    TypeRules r = new TypeRules(this, types).rank(0, 3).rank(1, 2).rank(2, 2);
    long tokens = r.dim(0, 0);
    r.dtype(0, DType.F32)
        .dtype(1, DType.F32, DType.F16, DType.BF16)
        .shape(1, r.dim(1, 0), r.dim(0, 2))
        .that(
            latentDim > 0 && latentDim <= r.dim(0, 2) && blockSize > 0,
            HalErrorCode.INVALID_ARGUMENT,
            "latentDim must lie within a cache row, blockSize be positive")
        .dtype(2, DType.I32)
        .dtype(3, DType.I32)
        .shape(3, tokens)
        .dtype(4, DType.I32)
        .shape(4, tokens)
        .dtype(5, DType.F32)
        .shape(5, tokens, r.dim(0, 1), latentDim);
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref q = d.operand(0);
    long tokens = q.dim(0);
    Decomposition.Ref visible = PagedRows.lengths(d, d.operand(4));
    Decomposition.Ref rows = PagedRows.perToken(d, d.operand(2), d.operand(3), visible, blockSize);
    long span = rows.dim(1);
    Decomposition.Ref kv = d.temporary(d.operand(1).type().dtype(), tokens, span, q.dim(2));
    d.emit(new Gather(), d.operand(1), rows, kv);
    Decomposition.Ref scores = d.f32(tokens, q.dim(1), span);
    d.emit(new MatMul(), q, kv.transpose(1, 2), scores);
    d.emit(new MaskedSoftmax(scale), scores, visible.reshape(tokens, 1), scores);
    d.emit(new MatMul(), scores, kv.slice(2, 0, latentDim), d.operand(5));
  }
}
