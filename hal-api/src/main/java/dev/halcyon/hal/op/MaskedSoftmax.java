package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out[..., i] = exp(scale * x[..., i]) / sum_{j < length} exp(scale * x[..., j])} for i
 * below the length of the row, 0 beyond; a row of length 0 is all zeros. Computed with the row
 * maximum subtracted.
 *
 * <p>Operands: x F32 [..., N]; lengths I32, broadcasting to the leading axes of x; out F32 [...,
 * N], may be x.
 *
 * @param scale multiplies x
 */
public record MaskedSoftmax(double scale) implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.inPlace("x"), Operand.in("lengths"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).minRank(0, 1).dtype(0, DType.F32).dtype(1, DType.I32);
    long[] dims = types.get(0).shape().dims();
    long[] rows = java.util.Arrays.copyOf(dims, dims.length - 1);
    r.broadcasts(1, Shape.of(rows)).dtype(2, DType.F32).shape(2, types.get(0).shape());
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    long[] dims = x.type().shape().dims();
    long n = dims[dims.length - 1];
    long[] rowDims = x.type().shape().with(-1, 1).dims();
    Decomposition.Ref lengths = d.operand(1);
    long[] lengthDims = lengths.type().shape().dims();
    long[] column = java.util.Arrays.copyOf(lengthDims, lengthDims.length + 1);
    column[lengthDims.length] = 1;
    Decomposition.Ref index = d.i32(n);
    Decomposition.Ref inside = d.i32(dims);
    d.emit(new Iota(), index);
    d.emit(new Binary(Binary.Op.LESS), index, lengths.reshape(column), inside);
    Decomposition.Ref t = d.f32(dims);
    d.emit(new Binary(Binary.Op.MUL), x, d.scalar(scale), t);
    d.emit(new Select(), inside, t, d.scalar(Double.NEGATIVE_INFINITY), t);
    Decomposition.Ref max = d.f32(rowDims);
    d.emit(new Reduce(Reduce.Op.MAX), t, max);
    // an empty row has maximum -inf; a finite one keeps exp(-inf - max) = 0
    d.emit(new Binary(Binary.Op.MAX), max, d.scalar(-Float.MAX_VALUE), max);
    d.emit(new Binary(Binary.Op.SUB), t, max, t);
    d.emit(new Unary(Unary.Op.EXP), t, t);
    Decomposition.Ref sum = d.f32(rowDims);
    d.emit(new Reduce(Reduce.Op.SUM), t, sum);
    d.emit(new Binary(Binary.Op.MAX), sum, d.scalar(Float.MIN_NORMAL), sum);
    d.emit(new Binary(Binary.Op.DIV), t, sum, d.operand(2));
  }
}
