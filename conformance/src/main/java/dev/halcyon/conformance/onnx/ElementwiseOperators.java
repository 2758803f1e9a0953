package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * Functions of corresponding elements. Floating types under 32 bits are computed in F32 and rounded
 * once, which for add, subtract, multiply, divide and square root gives the correctly rounded
 * result of the narrow type (F32 has more than twice its digits). Integers are computed in I32 and
 * wrap around in the range of their type.
 */
final class ElementwiseOperators {
  private ElementwiseOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.exact("Add", "Binary ADD", c -> arithmetic(c, Binary.Op.ADD)),
        MappedOperator.exact("Sub", "Binary SUB", c -> arithmetic(c, Binary.Op.SUB)),
        MappedOperator.exact("Mul", "Binary MUL", c -> arithmetic(c, Binary.Op.MUL)),
        MappedOperator.close("Div", "Binary DIV", ElementwiseOperators::divide),
        MappedOperator.exact("Mod", "Binary MOD", ElementwiseOperators::modulo),
        MappedOperator.exact("Max", "Binary MAX", c -> fold(c, Binary.Op.MAX)),
        MappedOperator.exact("Min", "Binary MIN", c -> fold(c, Binary.Op.MIN)),
        MappedOperator.close("Sum", "Binary ADD", c -> fold(c, Binary.Op.ADD)),
        MappedOperator.close("Mean", "Binary ADD, DIV", ElementwiseOperators::mean),
        MappedOperator.exact("Clip", "Binary MAX, MIN", ElementwiseOperators::clip),
        MappedOperator.exact("Relu", "Binary MAX", ElementwiseOperators::relu),
        MappedOperator.exact("Equal", "Binary EQUAL", c -> compare(c, Binary.Op.EQUAL, 0, 1)),
        MappedOperator.exact("Less", "Binary LESS", c -> compare(c, Binary.Op.LESS, 0, 1)),
        MappedOperator.exact(
            "LessOrEqual", "Binary LESS_EQUAL", c -> compare(c, Binary.Op.LESS_EQUAL, 0, 1)),
        MappedOperator.exact("Greater", "Binary LESS", c -> compare(c, Binary.Op.LESS, 1, 0)),
        MappedOperator.exact(
            "GreaterOrEqual", "Binary LESS_EQUAL", c -> compare(c, Binary.Op.LESS_EQUAL, 1, 0)),
        MappedOperator.exact("And", "Binary MIN in I32", c -> logical(c, Binary.Op.MIN)),
        MappedOperator.exact("Or", "Binary MAX in I32", c -> logical(c, Binary.Op.MAX)),
        MappedOperator.exact("Xor", "Binary EQUAL in I32, twice", ElementwiseOperators::xor),
        MappedOperator.exact("Not", "Binary EQUAL in I32", ElementwiseOperators::not),
        MappedOperator.exact("Neg", "Unary NEG; Binary SUB for integers", c -> negate(c)),
        MappedOperator.exact("Abs", "Unary ABS; Binary MAX for integers", c -> absolute(c)),
        MappedOperator.close("Exp", "Unary EXP", c -> unary(c, Unary.Op.EXP)),
        MappedOperator.close("Log", "Unary LOG", c -> unary(c, Unary.Op.LOG)),
        MappedOperator.close("Sqrt", "Unary SQRT", c -> unary(c, Unary.Op.SQRT)),
        MappedOperator.close("Reciprocal", "Unary RECIPROCAL", c -> unary(c, Unary.Op.RECIPROCAL)),
        MappedOperator.close("Sigmoid", "Unary SIGMOID", c -> unary(c, Unary.Op.SIGMOID)),
        MappedOperator.close("Tanh", "Unary TANH", c -> unary(c, Unary.Op.TANH)),
        MappedOperator.close("Cos", "Unary COS", c -> unary(c, Unary.Op.COS)),
        MappedOperator.close("Sin", "Unary SIN", c -> unary(c, Unary.Op.SIN)),
        MappedOperator.close(
            "Swish", "Unary SILU, or SIGMOID and Binary MUL", ElementwiseOperators::swish),
        MappedOperator.close(
            "SwiGLU", "SwiGlu; as Swish and Binary MUL where alpha is not 1", c -> swiglu(c)),
        MappedOperator.close(
            "Softplus", "Unary EXP, Binary ADD, Unary LOG", ElementwiseOperators::softplus),
        MappedOperator.close("Mish", "Unary EXP, Binary", ElementwiseOperators::mish),
        MappedOperator.exact("Where", "Select", ElementwiseOperators::where));
  }

  private static OnnxType sameType(Call c) {
    OnnxType type = c.type(0);
    for (int i = 1; i < c.inputs().size(); i++) {
      if (c.has(i) && c.type(i) != type) {
        throw new NotMapped(type + " with " + c.type(i));
      }
    }
    return type;
  }

  /** Add, subtract and multiply: the low 32 bits of a result depend on those of its operands. */
  private static List<Result> arithmetic(Call c, Binary.Op op) {
    OnnxType type = sameType(c);
    if (type.isFloating()) {
      return c.only(type, c.emit().binary(op, c.f32(0), c.f32(1)));
    }
    if (type == OnnxType.UINT32) {
      return c.only(type, c.emit().binary(op, c.in(0), c.in(1)));
    }
    if (type.bits() == 64) {
      requireResultsWithin32Bits(c, op);
    }
    return c.only(type, c.emit().binary(op, c.i32(0), c.i32(1)));
  }

  private static void requireResultsWithin32Bits(Call c, Binary.Op op) {
    long[] a = c.host(0).integers();
    long[] b = c.host(1).integers();
    if (a.length == 0 || b.length == 0) {
      return;
    }
    List<BigInteger> corners = new ArrayList<>();
    for (long x : new long[] {Arrays.stream(a).min().orElse(0), Arrays.stream(a).max().orElse(0)}) {
      for (long y :
          new long[] {Arrays.stream(b).min().orElse(0), Arrays.stream(b).max().orElse(0)}) {
        BigInteger p = BigInteger.valueOf(x);
        BigInteger q = BigInteger.valueOf(y);
        corners.add(
            switch (op) {
              case ADD -> p.add(q);
              case SUB -> p.subtract(q);
              default -> p.multiply(q);
            });
      }
    }
    if (corners.stream().anyMatch(r -> r.bitLength() > 31)) {
      throw new NotMapped(c.type(0) + " is computed in I32, which a result may leave");
    }
  }

  private static List<Result> divide(Call c) {
    OnnxType type = sameType(c);
    Emitter e = c.emit();
    if (type.isFloating()) {
      return c.only(type, e.binary(Binary.Op.DIV, c.f32(0), c.f32(1)));
    }
    Tensor a = c.i32(0);
    Tensor b = c.i32(1);
    return c.only(type, truncatedQuotient(e, a, b));
  }

  /** ONNX rounds integer quotients towards zero, the HAL downwards. */
  private static Tensor truncatedQuotient(Emitter e, Tensor a, Tensor b) {
    Tensor q = e.binary(Binary.Op.DIV, a, b);
    Tensor whole = e.binary(Binary.Op.EQUAL, e.binary(Binary.Op.MUL, q, b), a);
    Tensor negative = e.binary(Binary.Op.LESS, q, 0);
    // one more where the quotient is negative and not whole
    return e.binary(Binary.Op.ADD, q, e.select(whole, e.scalar(q, 0), negative));
  }

  private static List<Result> modulo(Call c) {
    OnnxType type = sameType(c);
    Emitter e = c.emit();
    Tensor a = c.computable(0);
    Tensor b = c.computable(1);
    if (c.node().integer("fmod", 0) == 0) {
      return c.only(type, e.binary(Binary.Op.MOD, a, b));
    }
    // the sign of the dividend: the remainder of magnitudes, negated where the dividend is negative
    Tensor magnitude = e.binary(Binary.Op.MOD, magnitude(e, a), magnitude(e, b));
    Tensor negated = e.binary(Binary.Op.SUB, e.scalar(magnitude, 0), magnitude);
    return c.only(type, e.select(e.binary(Binary.Op.LESS, a, 0), negated, magnitude));
  }

  private static Tensor magnitude(Emitter e, Tensor t) {
    return t.dtype() == DType.F32
        ? e.unary(Unary.Op.ABS, t)
        : e.binary(Binary.Op.MAX, t, e.binary(Binary.Op.SUB, e.scalar(t, 0), t));
  }

  private static Tensor folded(Call c, Binary.Op op) {
    sameType(c);
    Tensor all = c.inputs().size() == 1 ? c.emit().copy(c.computable(0)) : c.computable(0);
    for (int i = 1; i < c.inputs().size(); i++) {
      all = c.emit().binary(op, all, c.computable(i));
    }
    return all;
  }

  private static List<Result> fold(Call c, Binary.Op op) {
    return c.only(c.type(0), folded(c, op));
  }

  private static List<Result> mean(Call c) {
    if (!c.type(0).isFloating()) {
      throw new NotMapped("Mean of " + c.type(0));
    }
    Tensor sum = folded(c, Binary.Op.ADD);
    return c.only(c.type(0), c.emit().binary(Binary.Op.DIV, sum, c.inputs().size()));
  }

  private static List<Result> clip(Call c) {
    c.requireOpset(11, "bounds of Clip were attributes");
    sameType(c);
    Tensor x = c.computable(0);
    if (!c.has(1) && !c.has(2)) {
      return c.only(c.type(0), c.emit().copy(x));
    }
    if (c.has(1)) {
      x = c.emit().binary(Binary.Op.MAX, x, c.computable(1));
    }
    if (c.has(2)) {
      x = c.emit().binary(Binary.Op.MIN, x, c.computable(2));
    }
    return c.only(c.type(0), x);
  }

  private static List<Result> relu(Call c) {
    return c.only(c.type(0), c.emit().binary(Binary.Op.MAX, c.computable(0), 0));
  }

  private static List<Result> compare(Call c, Binary.Op op, int left, int right) {
    sameType(c);
    return c.only(OnnxType.BOOL, c.emit().binary(op, c.computable(left), c.computable(right)));
  }

  private static List<Result> logical(Call c, Binary.Op op) {
    return c.only(OnnxType.BOOL, c.emit().binary(op, c.i32(0), c.i32(1)));
  }

  private static List<Result> xor(Call c) {
    Tensor equal = c.emit().binary(Binary.Op.EQUAL, c.i32(0), c.i32(1));
    return c.only(OnnxType.BOOL, c.emit().binary(Binary.Op.EQUAL, equal, 0));
  }

  private static List<Result> not(Call c) {
    return c.only(OnnxType.BOOL, c.emit().binary(Binary.Op.EQUAL, c.i32(0), 0));
  }

  private static List<Result> negate(Call c) {
    OnnxType type = c.type(0);
    if (type.isFloating()) {
      return c.only(type, c.emit().unary(Unary.Op.NEG, c.f32(0)));
    }
    Tensor x = c.i32(0);
    return c.only(type, c.emit().binary(Binary.Op.SUB, c.emit().scalar(x, 0), x));
  }

  private static List<Result> absolute(Call c) {
    return c.only(c.type(0), magnitude(c.emit(), c.computable(0)));
  }

  private static List<Result> unary(Call c, Unary.Op op) {
    return c.only(c.type(0), c.emit().unary(op, c.f32(0)));
  }

  /** {@code x * sigmoid(alpha * x)}. */
  private static Tensor swishOf(Call c, Tensor x) {
    float alpha = c.node().number("alpha", 1);
    if (alpha == 1) {
      return c.emit().unary(Unary.Op.SILU, x);
    }
    Tensor gate = c.emit().unary(Unary.Op.SIGMOID, c.emit().binary(Binary.Op.MUL, x, alpha));
    return c.emit().binary(Binary.Op.MUL, x, gate);
  }

  private static List<Result> swish(Call c) {
    return c.only(c.type(0), swishOf(c, c.f32(0)));
  }

  private static List<Result> swiglu(Call c) {
    Tensor gate = c.f32(0);
    Tensor linear = c.f32(1);
    if (c.node().number("alpha", 1) != 1) {
      return c.only(c.type(0), c.emit().binary(Binary.Op.MUL, swishOf(c, gate), linear));
    }
    // the HAL takes rows
    Tensor out = c.emit().temporary(DType.F32, 1, gate.shape().elementCount());
    c.emit()
        .run(
            new SwiGlu(),
            gate.reshape(out.shape().dims()),
            linear.reshape(out.shape().dims()),
            out);
    return c.only(c.type(0), out.reshape(gate.shape().dims()));
  }

  /** {@code log(1 + exp(x))}. */
  private static List<Result> softplus(Call c) {
    Emitter e = c.emit();
    Tensor sum = e.binary(Binary.Op.ADD, e.unary(Unary.Op.EXP, c.f32(0)), 1);
    return c.only(c.type(0), e.unary(Unary.Op.LOG, sum));
  }

  /**
   * {@code x * tanh(log(1 + exp(x)))}, which is {@code x * m / (m + 2)} for {@code m = n * (n + 2)}
   * and {@code n = exp(x)}: without cancellation for negative x. From 20 on the factor is 1 in F32.
   */
  private static List<Result> mish(Call c) {
    Emitter e = c.emit();
    Tensor x = c.f32(0);
    Tensor n = e.unary(Unary.Op.EXP, e.binary(Binary.Op.MIN, x, 20));
    Tensor m = e.binary(Binary.Op.MUL, n, e.binary(Binary.Op.ADD, n, 2));
    Tensor factor = e.binary(Binary.Op.DIV, m, e.binary(Binary.Op.ADD, m, 2));
    return c.only(c.type(0), e.binary(Binary.Op.MUL, x, factor));
  }

  private static List<Result> where(Call c) {
    if (c.type(1) != c.type(2)) {
      throw new NotMapped(c.type(1) + " with " + c.type(2));
    }
    Shape shape =
        Stream.of(c.shape(0), c.shape(1), c.shape(2)).reduce(Emitter::broadcast).orElseThrow();
    Tensor chosen = c.emit().select(c.in(0).broadcastTo(shape), c.computable(1), c.computable(2));
    return c.only(c.type(1), chosen);
  }
}
