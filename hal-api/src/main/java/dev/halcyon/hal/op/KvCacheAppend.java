package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Writes the latent cache rows of new tokens: {@code cache[slots[t], :C] = RmsNorm(raw[t, :C],
 * weight)}, {@code cache[slots[t], C:] = rotate(raw[t, C:], positions[t])}. A negative slot is
 * skipped. Source: DeepSeek-V3 inference/model.py, class MLA (the norm comes before caching, the
 * key part has one head).
 *
 * <p>Operands: raw F32 [T, C + R] (kv_a_proj_with_mqa); weight [C] F32, F16 or BF16; cos, sin F32
 * [P, R/2]; positions I32 [T]; slots I32 [T], distinct cache rows; cache [rows, C + R] F32, F16 or
 * BF16 (rounded to nearest even).
 *
 * @param epsilon of the norm
 * @param layout which elements of the key part form a pair; DeepSeek: INTERLEAVED
 */
public record KvCacheAppend(double epsilon, RotaryEmbedding.Layout layout)
    implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(
          Operand.in("raw"),
          Operand.in("weight"),
          Operand.in("cos"),
          Operand.in("sin"),
          Operand.in("positions"),
          Operand.in("slots"),
          Operand.inout("cache"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 1).rank(2, 2).rank(6, 2);
    long tokens = r.dim(0, 0);
    r.dtype(0, DType.F32)
        .dtype(1, DType.F32, DType.F16, DType.BF16)
        .dtype(2, DType.F32)
        .dtype(3, DType.F32)
        .shape(3, types.get(2).shape())
        .that(
            r.dim(1, 0) + 2 * r.dim(2, 1) == r.dim(0, 1),
            HalErrorCode.SHAPE_MISMATCH,
            "raw must be as wide as weight plus twice cos")
        .dtype(4, DType.I32)
        .shape(4, tokens)
        .dtype(5, DType.I32)
        .shape(5, tokens)
        .dtype(6, DType.F32, DType.F16, DType.BF16)
        .shape(6, r.dim(6, 0), r.dim(0, 1));
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref raw = d.operand(0);
    Decomposition.Ref cache = d.operand(6);
    long tokens = raw.dim(0);
    long latent = d.operand(1).dim(0);
    long rope = raw.dim(1) - latent;
    Decomposition.Ref row = d.f32(tokens, latent + rope);
    d.emit(new RmsNorm(epsilon), raw.slice(1, 0, latent), d.operand(1), row.slice(1, 0, latent));
    d.emit(
        new RotaryEmbedding(layout, 0, Math.toIntExact(rope)),
        raw.slice(1, latent, rope).reshape(tokens, 1, rope),
        d.operand(4),
        d.operand(2),
        d.operand(3),
        row.slice(1, latent, rope).reshape(tokens, 1, rope));
    if (cache.type().dtype() != DType.F32) {
      Decomposition.Ref stored = d.temporary(cache.type().dtype(), tokens, latent + rope);
      d.emit(new Cast(), row, stored);
      row = stored;
    }
    d.emit(new ScatterUpdate(), d.operand(5), row, cache);
  }
}
