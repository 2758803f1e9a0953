package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Sorts the (token, choice) pairs of a routing by expert, stably: {@code slots} lists flat
 * positions {@code t * k + j} in ascending order of {@code ids[t, j]}, {@code offsets[e]} is where
 * expert e begins, {@code offsets[E] = T * k}.
 *
 * <p>Operands: ids I32 [T, k] in [0, E); offsets I32 [E + 1]; slots I32 [T * k].
 *
 * @param experts E
 */
public record MoeDispatch(int experts) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("ids"), Operand.out("offsets"), Operand.out("slots"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).dtype(0, DType.I32);
    r.that(experts >= 1, HalErrorCode.INVALID_ARGUMENT, "experts must be positive")
        .dtype(1, DType.I32)
        .shape(1, experts + 1L)
        .dtype(2, DType.I32)
        .shape(2, types.get(0).elementCount());
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref ids = d.operand(0);
    long n = ids.type().elementCount();
    if (n == 0) {
      d.emit(new Fill(0), d.operand(1));
      return;
    }
    Decomposition.Ref flat = d.i32(ids.dim(0), ids.dim(1));
    d.emit(new Copy(), ids, flat);
    Decomposition.Ref keys = d.f32(ids.dim(0), ids.dim(1));
    d.emit(new Cast(), flat, keys);
    d.emit(new Unary(Unary.Op.NEG), keys, keys);
    // the full top-k is a stable descending sort, because the lowest index wins ties
    d.emit(new TopK(Math.toIntExact(n)), keys.reshape(n), d.f32(n), d.operand(2));
    Decomposition.Ref expert = d.i32(experts + 1L);
    d.emit(new Iota(), expert);
    Decomposition.Ref before = d.i32(experts + 1L, n);
    d.emit(new Binary(Binary.Op.LESS), flat.reshape(1, n), expert.reshape(experts + 1L, 1), before);
    d.emit(new Reduce(Reduce.Op.SUM), before, d.operand(1).reshape(experts + 1L, 1));
  }
}
