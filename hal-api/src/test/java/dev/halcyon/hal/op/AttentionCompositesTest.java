package dev.halcyon.hal.op;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.testing.DeviceBench;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionCompositesTest {
  private static final double TOLERANCE = 5e-6;
  private static final int BLOCK = 3;
  private static final int ROWS = 8 * BLOCK;

  /**
   * Blocks of three ragged sequences, shuffled; what lies beyond a sequence is -1 or another's
   * block.
   */
  private static final int[] TABLE = {5, 2, 7, 1, 0, -1, -1, 3, 6, 4, -1, 2};

  private static final int[] SEQUENCE = {1, 0, 0, 2, 2, 1};
  private static final int[] POSITIONS = {0, 10, 9, 5, 0, 2};
  private static final int TOKENS = SEQUENCE.length;

  private final DeviceBench b = DeviceBench.reference();

  @AfterEach
  void close() {
    b.close();
  }

  /** The cache row of a position of a token's sequence. */
  private static int row(int token, int position) {
    return TABLE[SEQUENCE[token] * 4 + position / BLOCK] * BLOCK + position % BLOCK;
  }

  private Tensor table() {
    return b.i32(TABLE, 3, 4);
  }

  private Tensor sequence() {
    return b.i32(SEQUENCE, TOKENS);
  }

  private Tensor positions() {
    return b.i32(POSITIONS, TOKENS);
  }

  private interface PairScore {
    double of(int token, int row);
  }

  /** Probabilities of the positions a token sees. */
  private static double[] probabilities(int token, double scale, PairScore score) {
    double[] s = new double[POSITIONS[token] + 1];
    for (int p = 0; p < s.length; p++) {
      s[p] = score.of(token, row(token, p));
    }
    return Expect.softmax(s, scale);
  }

  private static double mix(int token, double[] p, IntToDoubleFunction valueOfRow) {
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += p[i] * valueOfRow.applyAsDouble(row(token, i));
    }
    return sum;
  }

  @ParameterizedTest
  @CsvSource({"F32, 1", "F32, 3", "F16, 6", "BF16, 2"})
  void attention(DType dtype, int groups) {
    int heads = 6;
    int d = 7;
    int v = 5;
    Tensor q = b.random(1, 2, DType.F32, TOKENS, heads, d);
    Tensor keys = b.random(2, 2, dtype, ROWS, groups, d);
    Tensor values = b.random(3, 1, dtype, ROWS, groups, v);
    Tensor out = b.zeros(DType.F32, TOKENS, heads, v);
    b.run(new Attention(0.3, BLOCK), q, keys, values, table(), sequence(), positions(), out);
    double[] qv = b.read(q);
    double[] kv = b.read(keys);
    double[] vv = b.read(values);
    double[] expected = new double[TOKENS * heads * v];
    for (int t = 0; t < TOKENS; t++) {
      for (int h = 0; h < heads; h++) {
        int g = h / (heads / groups);
        int at = (t * heads + h) * d;
        double[] p =
            probabilities(
                t,
                0.3,
                (tt, row) -> Expect.dot(d, i -> qv[at + i], i -> kv[(row * groups + g) * d + i]));
        for (int c = 0; c < v; c++) {
          int column = c;
          expected[(t * heads + h) * v + c] = mix(t, p, row -> vv[(row * groups + g) * v + column]);
        }
      }
    }
    Expect.close(expected, b.read(out), TOLERANCE, "attention");
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void mlaAttention(DType dtype) {
    int heads = 5;
    int c = 9;
    int r = 4;
    int width = c + r;
    Tensor q = b.random(1, 2, DType.F32, TOKENS, heads, width);
    Tensor cache = b.random(2, 1, dtype, ROWS, width);
    Tensor out = b.zeros(DType.F32, TOKENS, heads, c);
    b.run(new MlaAttention(0.4, c, BLOCK), q, cache, table(), sequence(), positions(), out);
    double[] qv = b.read(q);
    double[] cv = b.read(cache);
    double[] expected = new double[TOKENS * heads * c];
    for (int th = 0; th < TOKENS * heads; th++) {
      int at = th;
      double[] p =
          probabilities(
              th / heads,
              0.4,
              (t, row) -> Expect.dot(width, i -> qv[at * width + i], i -> cv[row * width + i]));
      for (int i = 0; i < c; i++) {
        int column = i;
        expected[th * c + i] = mix(th / heads, p, row -> cv[row * width + column]);
      }
    }
    Expect.close(expected, b.read(out), TOLERANCE, "latent attention");
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void mlaExpandedAttention(Expect.Weights weights) {
    for (int rope : new int[] {4, 0}) {
      expanded(weights, rope);
    }
  }

  private void expanded(Expect.Weights weights, int rope) {
    int heads = 3;
    int c = 33;
    int nope = 7;
    int value = 5;
    int per = nope + value;
    int width = c + rope;
    Tensor q = b.random(1, 2, DType.F32, TOKENS, heads, nope + rope);
    Tensor cache = b.random(2, 1, DType.BF16, ROWS, width);
    Tensor w = weights.make(b, 3, heads * per, c);
    Tensor out = b.zeros(DType.F32, TOKENS, heads, value);
    b.run(
        new MlaExpandedAttention(0.2, nope, value, BLOCK),
        q,
        cache,
        table(),
        sequence(),
        positions(),
        w,
        out);
    double[] qv = b.read(q);
    double[] cv = b.read(cache);
    double[] wv = b.read(w);
    double[][] kv = new double[ROWS][];
    for (int row = 0; row < ROWS; row++) {
      double[] latent = java.util.Arrays.copyOfRange(cv, row * width, row * width + c);
      kv[row] = Expect.linear(latent, wv, 1, heads * per, c);
    }
    double[] expected = new double[TOKENS * heads * value];
    for (int th = 0; th < TOKENS * heads; th++) {
      int at = th * (nope + rope);
      int head = th % heads * per;
      double[] p =
          probabilities(
              th / heads,
              0.2,
              (t, row) ->
                  Expect.dot(nope, i -> qv[at + i], i -> kv[row][head + i])
                      + Expect.dot(rope, i -> qv[at + nope + i], i -> cv[row * width + c + i]));
      for (int i = 0; i < value; i++) {
        int column = head + nope + i;
        expected[th * value + i] = mix(th / heads, p, row -> kv[row][column]);
      }
    }
    Expect.close(expected, b.read(out), TOLERANCE, "expanded, rope " + rope);
  }

  @Test
  void expandedEqualsAbsorbedForOneSequence() {
    int heads = 2;
    int c = 8;
    int rope = 4;
    int nope = 6;
    int value = 5;
    Tensor cache = b.random(2, 1, DType.F32, 12, c + rope);
    Tensor w = b.random(3, 1, DType.F32, heads * (nope + value), c);
    Tensor table = b.i32(new int[] {2, 0, 3}, 1, 3);
    Tensor sequence = b.i32(new int[] {0, 0, 0}, 3);
    Tensor positions = b.i32(new int[] {6, 7, 8}, 3);
    Tensor q = b.random(4, 1, DType.F32, 3, heads, nope + rope);
    Tensor expanded = b.zeros(DType.F32, 3, heads, value);
    b.run(
        new MlaExpandedAttention(0.5, nope, value, 3),
        q,
        cache,
        table,
        sequence,
        positions,
        w,
        expanded);
    Tensor latentQuery = b.zeros(DType.F32, 3, heads, c + rope);
    b.run(
        new HeadMatMul(nope + value, 0, nope, HeadMatMul.Orientation.ROWS_IN),
        q.slice(2, 0, nope),
        w,
        latentQuery.slice(2, 0, c));
    b.stream().copy(q.slice(2, nope, rope), latentQuery.slice(2, c, rope));
    Tensor mixed = b.zeros(DType.F32, 3, heads, c);
    b.run(new MlaAttention(0.5, c, 3), latentQuery, cache, table, sequence, positions, mixed);
    Tensor absorbed = b.zeros(DType.F32, 3, heads, value);
    b.run(
        new HeadMatMul(nope + value, nope, value, HeadMatMul.Orientation.ROWS_OUT),
        mixed,
        w,
        absorbed);
    Expect.close(b.read(expanded), b.read(absorbed), TOLERANCE, "two forms of one operator");
  }

  @Test
  void rowsNoTokenSeesDoNotMatter() {
    Tensor cache = b.random(2, 1, DType.F32, ROWS, 6);
    Tensor keys = b.random(3, 1, DType.F32, ROWS, 1, 6);
    Tensor q = b.random(1, 1, DType.F32, TOKENS, 2, 6);
    Tensor w = b.random(4, 1, DType.F32, 2 * 8, 4);
    double[][] before = both(q, cache, keys, w);
    boolean[] seen = new boolean[ROWS];
    for (int t = 0; t < TOKENS; t++) {
      for (int p = 0; p <= POSITIONS[t]; p++) {
        seen[row(t, p)] = true;
      }
    }
    int spoiled = 0;
    for (int row = 0; row < ROWS; row++) {
      if (!seen[row]) {
        b.stream().fill(cache.slice(0, row, 1), Double.NaN);
        b.stream().fill(keys.slice(0, row, 1), Double.NaN);
        spoiled++;
      }
    }
    assertEquals(4, spoiled);
    double[][] after = both(q, cache, keys, w);
    Expect.close(before[0], after[0], 1e-12, "latent");
    Expect.close(before[1], after[1], 1e-12, "paged");
    Expect.close(before[2], after[2], 1e-12, "expanded");
  }

  private double[][] both(Tensor q, Tensor cache, Tensor keys, Tensor w) {
    Tensor latent = b.zeros(DType.F32, TOKENS, 2, 4);
    b.run(new MlaAttention(1, 4, BLOCK), q, cache, table(), sequence(), positions(), latent);
    Tensor paged = b.zeros(DType.F32, TOKENS, 2, 6);
    b.run(new Attention(1, BLOCK), q, keys, keys, table(), sequence(), positions(), paged);
    Tensor expanded = b.zeros(DType.F32, TOKENS, 2, 4);
    b.run(
        new MlaExpandedAttention(1, 4, 4, BLOCK),
        q,
        cache,
        table(),
        sequence(),
        positions(),
        w,
        expanded);
    return new double[][] {b.read(latent), b.read(paged), b.read(expanded)};
  }

  @ParameterizedTest
  @CsvSource({"F32, INTERLEAVED", "F16, HALF_SPLIT", "BF16, INTERLEAVED", "BF16, HALF_SPLIT"})
  void cacheAppendNormsRotatesAndStores(DType dtype, RotaryEmbedding.Layout layout) {
    int tokens = 4;
    int c = 7;
    int rope = 6;
    int width = c + rope;
    int[] slots = {5, -1, 0, 3};
    int[] positions = {2, 1, 0, 4};
    Tensor raw = b.random(1, 2, DType.F32, tokens, width + 3).slice(1, 2, width);
    Tensor w = b.random(2, 1, DType.BF16, c);
    Tensor cos = b.random(3, 1, DType.F32, 5, rope / 2);
    Tensor sin = b.random(4, 1, DType.F32, 5, rope / 2);
    Tensor cache = b.random(5, 1, dtype, 6, width);
    double[] expected = b.read(cache);
    double[] rv = b.read(raw);
    for (int t = 0; t < tokens; t++) {
      if (slots[t] < 0) {
        continue;
      }
      double[] latent = java.util.Arrays.copyOfRange(rv, t * width, t * width + c);
      double[] normed = Expect.rmsNorm(latent, b.read(w), 1, c, 1e-6);
      int at = slots[t] * width;
      System.arraycopy(normed, 0, expected, at, c);
      for (int p = 0; p < rope / 2; p++) {
        int i = layout == RotaryEmbedding.Layout.INTERLEAVED ? 2 * p : p;
        int j = layout == RotaryEmbedding.Layout.INTERLEAVED ? 2 * p + 1 : p + rope / 2;
        double cs = b.read(cos)[positions[t] * 3 + p];
        double sn = b.read(sin)[positions[t] * 3 + p];
        double x = rv[t * width + c + i];
        double y = rv[t * width + c + j];
        expected[at + c + i] = x * cs - y * sn;
        expected[at + c + j] = x * sn + y * cs;
      }
    }
    b.run(
        new KvCacheAppend(1e-6, layout),
        raw,
        w,
        cos,
        sin,
        b.i32(positions, tokens),
        b.i32(slots, tokens),
        cache);
    double step = dtype == DType.F32 ? 2e-6 : dtype == DType.F16 ? 1.0 / 2048 : 1.0 / 256;
    Expect.close(expected, b.read(cache), step, "cache");
  }
}
