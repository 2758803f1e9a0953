package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Rotates dims {@code [rotaryOffset, + rotaryDim)} of each head vector by the angles of its
 * position and copies the others: {@code (a, b) -> (a cos - b sin, a sin + b cos)} where pair i is
 * elements (2i, 2i+1) (INTERLEAVED) or (i, i + rotaryDim/2) (HALF_SPLIT). The output keeps the
 * layout of the input.
 *
 * <p>Operands: x F32 [T, H, D]; positions I32 [T]; cos, sin F32 [P, rotaryDim/2]; out F32 [T, H,
 * D], may be x.
 *
 * @param layout which elements form a pair; DeepSeek: INTERLEAVED
 * @param rotaryOffset first rotated dim
 * @param rotaryDim rotated dims, even
 */
public record RotaryEmbedding(Layout layout, int rotaryOffset, int rotaryDim)
    implements CompositeSpec {
  /** Which elements form a rotated pair. */
  public enum Layout {
    INTERLEAVED,
    HALF_SPLIT
  }

  private static final List<Operand> OPERANDS =
      List.of(
          Operand.inPlace("x"),
          Operand.in("positions"),
          Operand.in("cos"),
          Operand.in("sin"),
          Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 3).dtype(0, DType.F32).rank(2, 2);
    r.that(
            rotaryDim > 0
                && rotaryDim % 2 == 0
                && rotaryOffset >= 0
                && rotaryOffset + rotaryDim <= r.dim(0, 2),
            HalErrorCode.INVALID_ARGUMENT,
            "the rotated dims must be even in number and lie within the head")
        .dtype(1, DType.I32)
        .shape(1, r.dim(0, 0))
        .dtype(2, DType.F32)
        .shape(2, r.dim(2, 0), rotaryDim / 2)
        .dtype(3, DType.F32)
        .shape(3, types.get(2).shape())
        .dtype(4, DType.F32)
        .shape(4, types.get(0).shape());
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref out = d.operand(4);
    long tokens = out.dim(0);
    long heads = out.dim(1);
    long dim = out.dim(2);
    long pairs = rotaryDim / 2;
    Decomposition.Ref x = d.f32(tokens, heads, dim);
    d.emit(new Copy(), d.operand(0), x);
    Decomposition.Ref cos = d.f32(tokens, pairs);
    Decomposition.Ref sin = d.f32(tokens, pairs);
    d.emit(new Gather(), d.operand(2), d.operand(1), cos);
    d.emit(new Gather(), d.operand(3), d.operand(1), sin);
    Decomposition.Ref c = cos.reshape(tokens, 1, pairs);
    Decomposition.Ref s = sin.reshape(tokens, 1, pairs);
    Decomposition.Ref t1 = d.f32(tokens, heads, pairs);
    Decomposition.Ref t2 = d.f32(tokens, heads, pairs);
    Decomposition.Ref a = half(x, 0);
    Decomposition.Ref b = half(x, 1);
    d.emit(new Binary(Binary.Op.MUL), a, c, t1);
    d.emit(new Binary(Binary.Op.MUL), b, s, t2);
    d.emit(new Binary(Binary.Op.SUB), t1, t2, half(out, 0));
    d.emit(new Binary(Binary.Op.MUL), a, s, t1);
    d.emit(new Binary(Binary.Op.MUL), b, c, t2);
    d.emit(new Binary(Binary.Op.ADD), t1, t2, half(out, 1));
    if (rotaryOffset > 0) {
      d.emit(new Copy(), x.slice(2, 0, rotaryOffset), out.slice(2, 0, rotaryOffset));
    }
    long end = rotaryOffset + rotaryDim;
    if (end < dim) {
      d.emit(new Copy(), x.slice(2, end, dim - end), out.slice(2, end, dim - end));
    }
  }

  private Decomposition.Ref half(Decomposition.Ref x, int index) {
    long pairs = rotaryDim / 2;
    Decomposition.Ref rotated = x.slice(2, rotaryOffset, rotaryDim);
    return switch (layout) {
      case INTERLEAVED ->
          rotated
              .reshape(x.dim(0), x.dim(1), pairs, 2)
              .slice(3, index, 1)
              .reshape(x.dim(0), x.dim(1), pairs);
      case HALF_SPLIT -> rotated.slice(2, index * pairs, pairs);
    };
  }
}
