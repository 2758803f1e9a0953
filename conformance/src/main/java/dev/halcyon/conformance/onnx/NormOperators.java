package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/** Operators on rows: softmax, normalisation, rotation. */
final class NormOperators {
  private NormOperators() {}

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.close("Softmax", "MaskedSoftmax over whole rows", NormOperators::softmax),
        MappedOperator.close(
            "LogSoftmax",
            "Reduce MAX, Binary SUB, Unary EXP, Reduce SUM, Unary LOG, Binary SUB",
            NormOperators::logSoftmax),
        MappedOperator.close(
            "RMSNormalization",
            "RmsNorm; with ones and Binary MUL where the scale does not fit rows or the type is"
                + " narrow",
            NormOperators::rmsNorm),
        MappedOperator.close(
            "RotaryEmbedding",
            "RotaryEmbedding; Iota for positions where none are given",
            NormOperators::rotary));
  }

  /** Softmax of the last axis. */
  static Tensor softmaxRows(Emitter e, Tensor x) {
    Tensor rows = e.reshape(x, x.shape().rows(), x.dim(-1));
    Tensor out = e.temporary(DType.F32, rows.shape());
    e.run(new MaskedSoftmax(1), rows, e.i32(x.dim(-1)), out);
    return out.reshape(x.shape().dims());
  }

  private static List<Result> softmax(Call c) {
    c.requireOpset(13, "Softmax merged the axes from its axis on");
    return overAxis(c, x -> softmaxRows(c.emit(), x));
  }

  private static List<Result> overAxis(Call c, UnaryOperator<Tensor> rows) {
    Emitter e = c.emit();
    Tensor x = c.f32(0);
    int last = x.shape().rank() - 1;
    int axis = Call.axis(c.node().integer("axis", -1), last + 1);
    Tensor moved = e.dense(Emitter.move(x, axis, last));
    return c.only(c.type(0), Emitter.move(rows.apply(moved), last, axis));
  }

  private static List<Result> logSoftmax(Call c) {
    c.requireOpset(13, "LogSoftmax merged the axes from its axis on");
    Emitter e = c.emit();
    return overAxis(
        c,
        x -> {
          Tensor shifted = e.binary(Binary.Op.SUB, x, e.reduce(Reduce.Op.MAX, x));
          Tensor sum = e.reduce(Reduce.Op.SUM, e.unary(Unary.Op.EXP, shifted));
          return e.binary(Binary.Op.SUB, shifted, e.unary(Unary.Op.LOG, sum));
        });
  }

  private static List<Result> rmsNorm(Call c) {
    Emitter e = c.emit();
    OnnxType type = c.type(0);
    if (c.node().integer("stash_type", 1) != 1) {
      throw new NotMapped("stash_type " + c.node().integer("stash_type", 1));
    }
    Tensor x = c.f32(0);
    int rank = x.shape().rank();
    int axis = Call.axis(c.node().integer("axis", -1), rank);
    long n = 1;
    for (int i = axis; i < rank; i++) {
      n *= x.dim(i);
    }
    Shape normalised = Shape.of(Arrays.copyOfRange(x.shape().dims(), axis, rank));
    Tensor rows = e.reshape(x, n == 0 ? 0 : x.shape().elementCount() / n, n);
    Tensor scale = c.f32(1);
    RmsNorm norm = new RmsNorm(c.node().number("epsilon", 1e-5f));
    Tensor out = e.temporary(DType.F32, rows.shape());
    if (type == OnnxType.FLOAT && scale.shape().broadcastsTo(normalised)) {
      e.run(norm, rows, e.reshape(scale.broadcastTo(normalised), n), out);
      return c.only(type, out.reshape(x.shape().dims()));
    }
    // the normalised rows are rounded to the type of x before they are scaled
    e.run(norm, rows, e.fill(DType.F32, Shape.of(n), 1), out);
    Tensor stored = c.rounded(out.reshape(x.shape().dims()), type);
    return c.only(c.type(1), e.binary(Binary.Op.MUL, stored, scale));
  }

  private static List<Result> rotary(Call c) {
    Emitter e = c.emit();
    Tensor x = c.f32(0);
    boolean split = x.shape().rank() == 4;
    long heads = split ? x.dim(1) : c.node().integer("num_heads", 0);
    if (heads == 0) {
      throw new NotMapped("num_heads is absent");
    }
    // [batch, heads, tokens, size] to [batch, tokens, heads, size]
    Tensor byToken = split ? e.dense(Emitter.permute(x, 0, 2, 1, 3)) : x;
    long tokens = byToken.dim(0) * byToken.dim(1);
    long size = split ? x.dim(3) : x.dim(2) / heads;
    Tensor vectors = byToken.reshape(tokens, heads, size);
    int asked = (int) c.node().integer("rotary_embedding_dim", 0);
    int rotated = asked == 0 ? (int) size : asked;
    Tensor cos = e.reshape(c.f32(1), c.shape(1).elementCount() / (rotated / 2), rotated / 2);
    Tensor sin = e.reshape(c.f32(2), c.shape(2).elementCount() / (rotated / 2), rotated / 2);
    Tensor positions = c.has(3) ? c.i32(3).reshape(tokens) : e.iota(tokens, 0, 1);
    RotaryEmbedding.Layout layout =
        c.node().integer("interleaved", 0) != 0
            ? RotaryEmbedding.Layout.INTERLEAVED
            : RotaryEmbedding.Layout.HALF_SPLIT;
    Tensor out = e.temporary(DType.F32, vectors.shape());
    e.run(new RotaryEmbedding(layout, 0, rotated), vectors, positions, cos, sin, out);
    Tensor shaped =
        split
            ? Emitter.permute(out.reshape(x.dim(0), x.dim(2), heads, size), 0, 2, 1, 3)
            : out.reshape(x.shape().dims());
    return c.only(c.type(0), shaped);
  }
}
