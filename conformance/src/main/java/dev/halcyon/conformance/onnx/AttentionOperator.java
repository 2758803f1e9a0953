package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Scaled dot-product attention with every option of operator sets 23 to 25. The HAL's Attention is
 * causal over a paged cache and knows no masks, so this is a combination of products, softmax and
 * elementwise operators. Every intermediate result that ONNX gives the type of the inputs is
 * rounded to it.
 */
final class AttentionOperator {
  private static final int MASK = 3;
  private static final int PAST_KEY = 4;
  private static final int PAST_VALUE = 5;
  private static final int VALID_KEYS = 6;

  private final Call c;
  private final Emitter e;
  private final OnnxType type;
  private final boolean merged;
  private final long queryHeads;
  private final long heads;
  private final long queries;
  private final long keys;

  private AttentionOperator(Call c) {
    this.c = c;
    this.e = c.emit();
    this.type = c.type(0);
    this.merged = c.shape(0).rank() == 3;
    this.queryHeads = merged ? c.node().integer("q_num_heads", 0) : c.shape(0).dim(1);
    this.heads = merged ? c.node().integer("kv_num_heads", 0) : c.shape(1).dim(1);
    this.queries = c.shape(0).dim(-2);
    this.keys = c.shape(1).dim(-2) + (c.has(PAST_KEY) ? c.shape(PAST_KEY).dim(2) : 0);
    if (heads == 0 || queryHeads % heads != 0) {
      throw new NotMapped(queryHeads + " query heads for " + heads + " key heads");
    }
  }

  static List<MappedOperator> all() {
    return List.of(
        MappedOperator.close(
            "Attention",
            "MatMul, Binary, Select for masks, MaskedSoftmax (Reduce, Unary and Binary where the"
                + " softmax has a narrow type), MatMul; Copy for the cache",
            c -> new AttentionOperator(c).emit()));
  }

  private List<Result> emit() {
    Tensor q = split(c.in(0), queryHeads);
    Tensor presentKey = appended(PAST_KEY, split(c.in(1), heads));
    Tensor presentValue = appended(PAST_VALUE, split(c.in(2), heads));
    double root = root(q.dim(3));
    Tensor raw = rounded(grouped(scaled(q, root), scaled(presentKey, root).transpose(2, 3)));
    float cap = c.node().number("softcap", 0);
    Tensor capped = cap > 0 ? capped(raw, cap) : raw;
    Optional<Tensor> bias = bias();
    Tensor biased = bias.map(b -> rounded(e.binary(Binary.Op.ADD, capped, b))).orElse(capped);
    Tensor softmax = softmax(biased);
    if (bias.isPresent()) {
      // a row that may see nothing is zero, whatever its scores were
      Tensor most = e.reduce(Reduce.Op.MAX, bias.get());
      Tensor nothing = e.binary(Binary.Op.EQUAL, most, Double.NEGATIVE_INFINITY);
      softmax = e.select(nothing, e.f32(0), softmax);
    }
    Tensor weights = rounded(softmax);
    Tensor out = grouped(weights, e.cast(presentValue, DType.F32));
    if (merged) {
      Tensor byQuery = e.dense(out.transpose(1, 2));
      out = byQuery.reshape(out.dim(0), queries, queryHeads * out.dim(3));
    }
    int mode = (int) c.node().integer("qk_matmul_output_mode", 0);
    Tensor shown =
        switch (mode) {
          case 0 -> raw;
          case 1 -> capped;
          case 2 -> biased;
          case 3 -> weights;
          default -> throw new NotMapped("qk_matmul_output_mode " + mode);
        };
    return List.of(
        c.result(type, out),
        c.result(c.type(1), presentKey),
        c.result(c.type(2), presentValue),
        c.result(type, shown));
  }

  private Tensor rounded(Tensor t) {
    return c.rounded(t, type);
  }

  /** [batch, tokens, heads * size] as [batch, heads, tokens, size]; others as they are. */
  private Tensor split(Tensor t, long count) {
    return merged
        ? e.dense(t.reshape(t.dim(0), t.dim(1), count, t.dim(2) / count).transpose(1, 2))
        : t;
  }

  /** The cache of an input with the new tokens behind it. */
  private Tensor appended(int pastInput, Tensor fresh) {
    if (!c.has(pastInput)) {
      return fresh;
    }
    Tensor past = c.in(pastInput);
    Tensor all = e.temporary(fresh.dtype(), fresh.shape().with(2, past.dim(2) + fresh.dim(2)));
    e.copy(past, all.slice(2, 0, past.dim(2)));
    e.copy(fresh, all.slice(2, past.dim(2), fresh.dim(2)));
    return all;
  }

  /** Queries and keys are each multiplied by the root of the scale, a number of their type. */
  private double root(long size) {
    double scale = c.node().number("scale", 0);
    double root = Math.sqrt(scale == 0 ? 1 / Math.sqrt(size) : scale);
    return StorageFormat.of(type.storage()).round(root);
  }

  private Tensor scaled(Tensor t, double factor) {
    return rounded(e.binary(Binary.Op.MUL, e.cast(t, DType.F32), factor));
  }

  /** The products of each query head with the key head that it shares with its neighbours. */
  private Tensor grouped(Tensor a, Tensor b) {
    long group = queryHeads / heads;
    Tensor left = e.dense(a).reshape(a.dim(0), heads, group, a.dim(2), a.dim(3));
    Tensor right =
        b.reshape(b.dim(0), heads, 1, b.dim(2), b.dim(3))
            .broadcastTo(Shape.of(b.dim(0), heads, group, b.dim(2), b.dim(3)));
    return e.matMul(left, right).reshape(a.dim(0), queryHeads, a.dim(2), b.dim(3));
  }

  private Tensor capped(Tensor scores, float cap) {
    Tensor inner = rounded(e.binary(Binary.Op.DIV, scores, cap));
    Tensor bounded = rounded(e.unary(Unary.Op.TANH, inner));
    return rounded(e.binary(Binary.Op.MUL, bounded, cap));
  }

  private Tensor softmax(Tensor scores) {
    long asked = c.node().integer("softmax_precision", 0);
    OnnxType precision =
        asked == 0
            ? type
            : OnnxType.of(asked).orElseThrow(() -> new NotMapped("softmax_precision " + asked));
    if (precision == OnnxType.DOUBLE) {
      throw new NotMapped("softmax_precision DOUBLE: the HAL computes in F32 at most");
    }
    Tensor x = c.rounded(scores, precision);
    if (precision == OnnxType.FLOAT) {
      return NormOperators.softmaxRows(e, x);
    }
    Tensor max = e.reduce(Reduce.Op.MAX, x);
    // the row maximum of a row that sees nothing is replaced: -inf less -inf is no number
    Tensor finite = e.binary(Binary.Op.MAX, max, -Float.MAX_VALUE);
    Tensor shifted = c.rounded(e.binary(Binary.Op.SUB, x, finite), precision);
    Tensor exp = c.rounded(e.unary(Unary.Op.EXP, shifted), precision);
    Tensor sum = c.rounded(e.reduce(Reduce.Op.SUM, exp), precision);
    return c.rounded(e.binary(Binary.Op.DIV, exp, sum), precision);
  }

  /** What is added to the scores: 0 or the mask's number where a key may be seen, else -inf. */
  private Optional<Tensor> bias() {
    List<Tensor> parts = new ArrayList<>();
    if (c.has(MASK)) {
      parts.add(mask());
    }
    Optional<Tensor> allowed = allowed();
    allowed.ifPresent(a -> parts.add(e.select(a, e.f32(0), e.f32(Double.NEGATIVE_INFINITY))));
    return parts.stream().reduce((a, b) -> e.binary(Binary.Op.ADD, a, b));
  }

  private Tensor mask() {
    Tensor numbers =
        c.type(MASK) == OnnxType.BOOL
            ? e.select(c.in(MASK), e.f32(0), e.f32(Double.NEGATIVE_INFINITY))
            : c.f32(MASK);
    long given = numbers.dim(-1);
    if (given == keys) {
      return numbers;
    }
    Tensor padded = e.fill(DType.F32, numbers.shape().with(-1, keys), Double.NEGATIVE_INFINITY);
    e.copy(numbers, padded.slice(-1, 0, given));
    return padded;
  }

  /** I32 [batch or 1, 1, queries, keys]: 1 where position rules allow a query to see a key. */
  private Optional<Tensor> allowed() {
    List<Tensor> rules = new ArrayList<>();
    Tensor key = e.iota(keys, 3, 4);
    Optional<Tensor> valid =
        c.has(VALID_KEYS)
            ? Optional.of(c.i32(VALID_KEYS).reshape(c.shape(VALID_KEYS).dim(0), 1, 1, 1))
            : Optional.empty();
    valid.ifPresent(v -> rules.add(e.binary(Binary.Op.LESS, key, v)));
    Tensor offset =
        valid
            .filter(v -> !c.has(PAST_KEY))
            .map(v -> e.binary(Binary.Op.SUB, v, queries))
            .orElseGet(() -> e.i32(c.has(PAST_KEY) ? c.shape(PAST_KEY).dim(2) : 0));
    Tensor query = e.binary(Binary.Op.ADD, e.iota(queries, 2, 4), offset);
    if (c.node().integer("is_causal", 0) != 0) {
      rules.add(e.binary(Binary.Op.LESS_EQUAL, key, query));
    }
    long left = c.node().integer("left_window_size", -1);
    if (left >= 0) {
      Tensor first = e.binary(Binary.Op.SUB, query, left);
      rules.add(e.binary(Binary.Op.LESS_EQUAL, first, key));
    }
    long right = c.node().integer("right_window_size", -1);
    if (right >= 0) {
      Tensor last = e.binary(Binary.Op.ADD, query, right);
      rules.add(e.binary(Binary.Op.LESS_EQUAL, key, last));
    }
    return rules.stream().reduce((a, b) -> e.binary(Binary.Op.MIN, a, b));
  }
}
