package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.List;

/** Matrix products. */
final class MatrixOperators {
  /** Integers up to this are exact in F32. */
  private static final long EXACT = 1 << 24;

  private MatrixOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.close("MatMul", "MatMul", MatrixOperators::matMul),
        MappedOperator.close(
            "Gemm", "MatMul of views; Binary MUL and ADD where asked for", MatrixOperators::gemm),
        MappedOperator.exact(
            "MatMulInteger",
            "Binary SUB, Cast, MatMul where its sums are exact in F32, Cast",
            MatrixOperators::integers));
  }

  private static Tensor factor(Call c, int input) {
    DType d = c.type(input).storage();
    return switch (d) {
      case F32, F16, BF16 -> c.in(input);
      case F8_E4M3FN -> c.f32(input);
      default -> throw new NotMapped(c.type(input) + ": MatMul accumulates in F32");
    };
  }

  /** The product of stacks of matrices, with broadcasting of the leading axes. */
  static Tensor product(Emitter e, Tensor a, Tensor b) {
    Shape batch = Emitter.broadcast(leading(a), leading(b));
    return e.matMul(stack(a, batch), stack(b, batch));
  }

  private static Shape leading(Tensor t) {
    return Shape.of(Arrays.copyOf(t.shape().dims(), t.shape().rank() - 2));
  }

  private static Tensor stack(Tensor t, Shape batch) {
    long[] dims = Arrays.copyOf(batch.dims(), batch.rank() + 2);
    dims[batch.rank()] = t.dim(-2);
    dims[batch.rank() + 1] = t.dim(-1);
    return t.broadcastTo(Shape.of(dims));
  }

  private static List<Result> matMul(Call c) {
    return c.only(c.type(0), withVectors(c.emit(), factor(c, 0), factor(c, 1)));
  }

  /** A vector on the left is a row, on the right a column; the extra axis goes from the result. */
  private static Tensor withVectors(Emitter e, Tensor a, Tensor b) {
    boolean row = a.shape().rank() == 1;
    boolean column = b.shape().rank() == 1;
    Tensor out = product(e, row ? a.reshape(1, a.dim(0)) : a, column ? b.reshape(b.dim(0), 1) : b);
    long[] dims = out.shape().dims();
    int rank = dims.length;
    if (column) {
      dims = Arrays.copyOf(dims, rank - 1);
    }
    if (row) {
      long[] rest = Arrays.copyOf(dims, dims.length - 1);
      System.arraycopy(dims, rank - 1, rest, rank - 2, dims.length - (rank - 1));
      dims = rest;
    }
    return out.reshape(dims);
  }

  private static List<Result> gemm(Call c) {
    Emitter e = c.emit();
    Tensor a = factor(c, 0);
    Tensor b = factor(c, 1);
    Tensor out =
        e.matMul(
            c.node().integer("transA", 0) != 0 ? a.transpose(0, 1) : a,
            c.node().integer("transB", 0) != 0 ? b.transpose(0, 1) : b);
    float alpha = c.node().number("alpha", 1);
    if (alpha != 1) {
      out = e.binary(Binary.Op.MUL, out, alpha);
    }
    if (c.has(2)) {
      float beta = c.node().number("beta", 1);
      Tensor bias = c.f32(2);
      out = e.binary(Binary.Op.ADD, out, beta == 1 ? bias : e.binary(Binary.Op.MUL, bias, beta));
    }
    return c.only(c.type(0), out);
  }

  private static List<Result> integers(Call c) {
    Emitter e = c.emit();
    Tensor a = centred(c, 0, 2, -1);
    Tensor b = centred(c, 1, 3, -2);
    long terms = a.shape().dim(-1);
    // differences of bytes are at most 255 in magnitude
    if (terms * 255 * 255 > EXACT) {
      throw new NotMapped("sums of " + terms + " products of bytes are not exact in F32");
    }
    Tensor sum = withVectors(e, e.cast(a, DType.F32), e.cast(b, DType.F32));
    return c.only(OnnxType.INT32, e.cast(sum, DType.I32));
  }

  /** A factor less its zero point: one number, or one per row or column. */
  private static Tensor centred(Call c, int input, int zeroInput, int axisOfOne) {
    Tensor x = c.i32(input);
    if (!c.has(zeroInput)) {
      return x;
    }
    Tensor zero = c.i32(zeroInput);
    if (zero.shape().rank() == 1 && zero.dim(0) > 1 && axisOfOne == -1) {
      zero = zero.reshape(zero.dim(0), 1);
    }
    return c.emit().binary(Binary.Op.SUB, x, zero);
  }
}
