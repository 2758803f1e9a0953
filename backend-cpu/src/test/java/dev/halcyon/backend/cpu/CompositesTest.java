package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Norms, rotation, softmax and attention on every tier, native and decomposed, against the oracle.
 */
class CompositesTest {
  private static final String TIERS = "dev.halcyon.backend.cpu.CpuFixture#tiers";
  private static final DType[] FLOATS = {DType.F32, DType.F16, DType.BF16};

  @ParameterizedTest
  @MethodSource(TIERS)
  void norms(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t : FLOATS) {
        for (int n : new int[] {1, 17, 256, 1000}) {
          Tensor w = f.uniform(t, n);
          Tensor x = f.f32(5, n + 4).slice(1, 3, n);
          double[] expected = Oracle.rmsNorm(Values.read(x), Values.read(w), 1e-6);
          Tensor y = f.empty(DType.F32, 5, n);
          f.run(new RmsNorm(1e-6), x, w, y);
          Values.assertNear(expected, Values.read(y), 2e-6, "norm " + n);
          f.runDecomposed(new RmsNorm(1e-6), x, w, y);
          Values.assertNear(expected, Values.read(y), 2e-6, "decomposed norm " + n);
          Tensor residual = f.f32(5, n);
          double[] sum = Oracle.add(Values.read(x), Values.read(residual));
          f.run(new AddRmsNorm(1e-5), x, w, residual, y);
          Values.assertNear(sum, Values.read(residual), 1e-6, "residual " + n);
          Values.assertNear(
              Oracle.rmsNorm(sum, Values.read(w), 1e-5), Values.read(y), 4e-6, "add norm " + n);
          f.run(new RmsNorm(1e-6), x, w, x);
          Values.assertNear(expected, Values.read(x), 2e-6, "in place " + n);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void swiGlu(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor g = f.f32(7, 90).slice(1, 0, 45);
      Tensor u = f.f32(7, 45);
      double[] gv = Values.read(g);
      double[] uv = Values.read(u);
      double[] expected = gv.clone();
      Arrays.setAll(expected, i -> Oracle.silu(gv[i]) * uv[i]);
      Tensor y = f.empty(DType.F32, 7, 45);
      f.run(new SwiGlu(), g, u, y);
      Values.assertNear(expected, Values.read(y), 1e-6, "swiglu");
      f.run(new SwiGlu(), g, u, g);
      Values.assertNear(expected, Values.read(g), 1e-6, "in place");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void softmax(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor x = f.f32(4, 3, 29);
      for (Tensor lengths :
          List.of(
              f.ints(new int[] {0, 29, 7, 400}, 4, 1), f.ints(-1, 31, 3), f.ints(0, 30, 4, 3))) {
        double[] in = Values.read(x);
        int[] len = Values.ints(lengths.broadcastTo(dev.halcyon.hal.tensor.Shape.of(4, 3)));
        double[] expected = new double[in.length];
        for (int r = 0; r < 12; r++) {
          double[] row = Oracle.softmax(Oracle.row(in, r, 29), Math.clamp(len[r], 0, 29), 0.7);
          System.arraycopy(row, 0, expected, r * 29, 29);
        }
        Tensor y = f.f32(4, 3, 29);
        f.run(new MaskedSoftmax(0.7), x, lengths, y);
        Values.assertNear(expected, Values.read(y), 1e-6, "softmax " + lengths.type());
        f.runDecomposed(new MaskedSoftmax(0.7), x, lengths, y);
        Values.assertNear(expected, Values.read(y), 1e-6, "decomposed softmax " + lengths.type());
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void rotary(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor cos = f.f32(20, 4);
      Tensor sin = f.f32(20, 4);
      Tensor positions = f.ints(0, 20, 6);
      double[] c = Values.read(cos);
      double[] s = Values.read(sin);
      int[] p = Values.ints(positions);
      for (RotaryEmbedding.Layout layout : RotaryEmbedding.Layout.values()) {
        for (int offset : new int[] {0, 3, 5}) {
          Tensor x = f.f32(3, 6, 13).transpose(0, 1);
          double[] in = Values.read(x);
          double[] expected = new double[in.length];
          for (int r = 0; r < 18; r++) {
            double[] row =
                Oracle.rotate(
                    Oracle.row(in, r, 13),
                    Oracle.row(c, p[r / 3], 4),
                    Oracle.row(s, p[r / 3], 4),
                    offset,
                    8,
                    layout == RotaryEmbedding.Layout.INTERLEAVED);
            System.arraycopy(row, 0, expected, r * 13, 13);
          }
          RotaryEmbedding spec = new RotaryEmbedding(layout, offset, 8);
          Tensor y = f.f32(6, 3, 13);
          f.run(spec, x, positions, cos, sin, y);
          Values.assertNear(expected, Values.read(y), 1e-6, spec.toString());
          f.runDecomposed(spec, x, positions, cos, sin, y);
          Values.assertNear(expected, Values.read(y), 1e-6, "decomposed " + spec);
          f.run(spec, x, positions, cos, sin, x);
          Values.assertNear(expected, Values.read(x), 1e-6, "in place " + spec);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void kvAppend(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int latent = 37;
      int rope = 6;
      int width = latent + rope;
      for (DType t : FLOATS) {
        for (RotaryEmbedding.Layout layout : RotaryEmbedding.Layout.values()) {
          Tensor raw = f.f32(5, width);
          Tensor w = f.uniform(t, latent);
          Tensor cos = f.f32(30, 3);
          Tensor sin = f.f32(30, 3);
          Tensor positions = f.ints(0, 30, 5);
          Tensor slots = f.ints(new int[] {9, -1, 3, 0, 11}, 5);
          Tensor cache = f.uniform(t, 12, width + 5).slice(1, 0, width);
          Tensor other = f.copyOf(cache);
          double[] expected = Values.read(cache);
          double[] in = Values.read(raw);
          for (int i = 0; i < 5; i++) {
            int slot = Values.ints(slots)[i];
            if (slot < 0) {
              continue;
            }
            double[] row = Oracle.row(in, i, width);
            double[] norm = Oracle.rmsNorm(Arrays.copyOf(row, latent), Values.read(w), 1e-6);
            int p = Values.ints(positions)[i];
            double[] turned =
                Oracle.rotate(
                    Arrays.copyOfRange(row, latent, width),
                    Oracle.row(Values.read(cos), p, 3),
                    Oracle.row(Values.read(sin), p, 3),
                    0,
                    rope,
                    layout == RotaryEmbedding.Layout.INTERLEAVED);
            System.arraycopy(norm, 0, expected, slot * width, latent);
            System.arraycopy(turned, 0, expected, slot * width + latent, rope);
          }
          KvCacheAppend spec = new KvCacheAppend(1e-6, layout);
          double tolerance = t == DType.F32 ? 1e-6 : t == DType.F16 ? 1e-3 : 1e-2;
          if (layout == RotaryEmbedding.Layout.INTERLEAVED) {
            f.run(spec, raw, w, cos, sin, positions, slots, cache);
            Values.assertNear(expected, Values.read(cache), tolerance, spec + " " + t);
          }
          f.runDecomposed(spec, raw, w, cos, sin, positions, slots, other);
          Values.assertNear(
              expected, Values.read(other), tolerance, "decomposed " + spec + " " + t);
        }
      }
    }
  }

  /** Sequences of given lengths over a shuffled block table, and some tokens at the end of each. */
  private static final class Paged {
    final int blockSize = 4;
    final int[] lengths = {13, 1, 40, 6};
    final int maxBlocks = 11;
    final int width;
    final Tensor cache;
    final Tensor blockTable;
    final Tensor sequence;
    final Tensor positions;
    final int tokens;

    Paged(CpuFixture f, DType dtype, int width, int newTokens) {
      this.width = width;
      int blocks = 0;
      for (int n : lengths) {
        blocks += Math.ceilDiv(n, blockSize);
      }
      List<Integer> order = new ArrayList<>();
      for (int b = 0; b < blocks + 3; b++) {
        order.add(b);
      }
      Collections.shuffle(order, f.random);
      int[] table = new int[lengths.length * maxBlocks];
      Arrays.fill(table, -1);
      List<Integer> seq = new ArrayList<>();
      List<Integer> pos = new ArrayList<>();
      int next = 0;
      for (int s = 0; s < lengths.length; s++) {
        for (int b = 0; b < Math.ceilDiv(lengths[s], blockSize); b++) {
          table[s * maxBlocks + b] = order.get(next++);
        }
        for (int p = Math.max(0, lengths[s] - newTokens); p < lengths[s]; p++) {
          seq.add(s);
          pos.add(p);
        }
      }
      tokens = seq.size();
      cache = f.uniform(dtype, (long) (blocks + 3) * blockSize, width);
      blockTable = f.ints(table, lengths.length, maxBlocks);
      sequence = f.ints(seq.stream().mapToInt(i -> i).toArray(), tokens);
      positions = f.ints(pos.stream().mapToInt(i -> i).toArray(), tokens);
    }

    /** The cache rows token {@code t} sees. */
    double[][] context(int t) {
      int s = Values.ints(sequence)[t];
      int p = Values.ints(positions)[t];
      int[] table = Values.ints(blockTable);
      double[] rows = Values.read(cache);
      double[][] out = new double[p + 1][];
      for (int i = 0; i <= p; i++) {
        int row = table[s * maxBlocks + i / blockSize] * blockSize + i % blockSize;
        out[i] = Oracle.row(rows, row, width);
      }
      return out;
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void mlaAttention(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t : FLOATS) {
        for (int newTokens : new int[] {1, 3}) {
          int latent = 40;
          int rope = 6;
          int heads = 5;
          Paged paged = new Paged(f, t, latent + rope, newTokens);
          Tensor q = f.f32(paged.tokens, heads, latent + rope);
          double[] qv = Values.read(q);
          double[] expected = new double[paged.tokens * heads * latent];
          for (int i = 0; i < paged.tokens; i++) {
            double[][] context = paged.context(i);
            for (int h = 0; h < heads; h++) {
              double[] query = Oracle.row(qv, i * heads + h, latent + rope);
              double[] scores = new double[context.length];
              Arrays.setAll(scores, j -> dot(query, context[j], 0, 0, latent + rope));
              double[] p = Oracle.softmax(scores, scores.length, 0.3);
              for (int j = 0; j < p.length; j++) {
                for (int c = 0; c < latent; c++) {
                  expected[(i * heads + h) * latent + c] += p[j] * context[j][c];
                }
              }
            }
          }
          MlaAttention spec = new MlaAttention(0.3, latent, paged.blockSize);
          Tensor y = f.empty(DType.F32, paged.tokens, heads, latent);
          Tensor[] operands = {
            q, paged.cache, paged.blockTable, paged.sequence, paged.positions, y
          };
          f.run(spec, operands);
          Values.assertNear(expected, Values.read(y), 1e-5, spec + " " + t);
          f.runDecomposed(spec, operands);
          Values.assertNear(expected, Values.read(y), 1e-5, "decomposed " + spec + " " + t);
        }
      }
    }
  }

  private static double dot(double[] a, double[] b, int fromA, int fromB, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += a[fromA + i] * b[fromB + i];
    }
    return sum;
  }

  /** One long context, so that splits are real, and a block table entry that lies outside. */
  @ParameterizedTest
  @MethodSource(TIERS)
  void longContextAndBadTables(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int n = 700;
      Tensor cache = f.f32(704, 24);
      Tensor table =
          f.ints(java.util.stream.IntStream.range(0, 44).map(i -> 43 - i).toArray(), 1, 44);
      Tensor q = f.f32(1, 2, 24);
      Tensor sequence = f.ints(new int[] {0}, 1);
      Tensor positions = f.ints(new int[] {n - 1}, 1);
      MlaAttention spec = new MlaAttention(1, 16, 16);
      Tensor y = f.empty(DType.F32, 1, 2, 16);
      Tensor z = f.empty(DType.F32, 1, 2, 16);
      f.run(spec, q, cache, table, sequence, positions, y);
      f.runDecomposed(spec, q, cache, table, sequence, positions, z);
      Values.assertNear(Values.read(z), Values.read(y), 1e-5, "long context");
      Tensor bad = f.ints(new int[] {44, 2}, 1, 2);
      Tensor near = f.ints(new int[] {3}, 1);
      HalException e =
          assertThrows(HalException.class, () -> f.run(spec, q, cache, bad, sequence, near, y));
      assertEquals(HalErrorCode.OUT_OF_BOUNDS, e.code());
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void mlaExpandedAttention(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int latent = 40;
      int rope = 6;
      int heads = 3;
      int nope = 9;
      int value = 11;
      for (LinearTest.Form form : LinearTest.forms()) {
        Tensor w = form.make(f, heads * (nope + value), latent);
        double[] wv = Values.read(w);
        for (int newTokens : new int[] {1, 5, 60}) {
          Paged paged = new Paged(f, DType.BF16, latent + rope, newTokens);
          Tensor q = f.f32(paged.tokens, heads, nope + rope);
          double[] qv = Values.read(q);
          double[] expected = new double[paged.tokens * heads * value];
          for (int i = 0; i < paged.tokens; i++) {
            double[][] context = paged.context(i);
            for (int h = 0; h < heads; h++) {
              double[] query = Oracle.row(qv, i * heads + h, nope + rope);
              double[] slice =
                  Arrays.copyOfRange(
                      wv, h * (nope + value) * latent, (h + 1) * (nope + value) * latent);
              double[] scores = new double[context.length];
              double[][] kv = new double[context.length][];
              for (int j = 0; j < context.length; j++) {
                kv[j] =
                    Oracle.linear(
                        Arrays.copyOf(context[j], latent), slice, 1, nope + value, latent);
                scores[j] =
                    dot(query, kv[j], 0, 0, nope) + dot(query, context[j], nope, latent, rope);
              }
              double[] p = Oracle.softmax(scores, scores.length, 0.2);
              for (int j = 0; j < p.length; j++) {
                for (int c = 0; c < value; c++) {
                  expected[(i * heads + h) * value + c] += p[j] * kv[j][nope + c];
                }
              }
            }
          }
          MlaExpandedAttention spec = new MlaExpandedAttention(0.2, nope, value, paged.blockSize);
          Tensor y = f.empty(DType.F32, paged.tokens, heads, value);
          Tensor[] operands = {
            q, paged.cache, paged.blockTable, paged.sequence, paged.positions, w, y
          };
          f.run(spec, operands);
          Values.assertNear(expected, Values.read(y), 5e-5, spec + " " + form);
          f.runDecomposed(spec, operands);
          Values.assertNear(expected, Values.read(y), 5e-5, "decomposed " + spec + " " + form);
        }
      }
    }
  }

  /**
   * Padding: a negative position sees nothing, is not rotated, and its cache row is not written.
   */
  @ParameterizedTest
  @MethodSource(TIERS)
  void paddingTokens(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor cache = f.f32(16, 24);
      Tensor table = f.ints(new int[] {1, -1}, 1, 2);
      Tensor sequence = f.ints(new int[] {0, 0, 0}, 3);
      Tensor positions = f.ints(new int[] {-1, 3, -1}, 3);
      Tensor q = f.f32(3, 2, 24);
      Tensor y = f.f32(3, 2, 16);
      Tensor z = f.f32(3, 2, 16);
      MlaAttention absorbed = new MlaAttention(1, 16, 8);
      f.run(absorbed, q, cache, table, sequence, positions, y);
      f.runDecomposed(absorbed, q, cache, table, sequence, positions, z);
      Values.assertNear(Values.read(z), Values.read(y), 1e-5, "absorbed");
      Tensor w = f.f32(2 * 9, 16);
      Tensor qe = f.f32(3, 2, 12);
      Tensor ye = f.f32(3, 2, 5);
      Tensor ze = f.f32(3, 2, 5);
      MlaExpandedAttention expanded = new MlaExpandedAttention(1, 4, 5, 8);
      f.run(expanded, qe, cache, table, sequence, positions, w, ye);
      f.runDecomposed(expanded, qe, cache, table, sequence, positions, w, ze);
      Values.assertNear(Values.read(ze), Values.read(ye), 1e-5, "expanded");
      Tensor cos = f.f32(9, 4);
      Tensor sin = f.f32(9, 4);
      Tensor r1 = f.f32(3, 2, 24);
      Tensor r2 = f.f32(3, 2, 24);
      RotaryEmbedding rope = new RotaryEmbedding(RotaryEmbedding.Layout.INTERLEAVED, 16, 8);
      f.run(rope, q, positions, cos, sin, r1);
      f.runDecomposed(rope, q, positions, cos, sin, r2);
      Values.assertNear(Values.read(r2), Values.read(r1), 1e-6, "rope");
      double[] before = Values.read(cache);
      KvCacheAppend append = new KvCacheAppend(1e-6, RotaryEmbedding.Layout.INTERLEAVED);
      Tensor skipped = f.ints(new int[] {-1, -1, -1}, 3);
      f.run(append, f.f32(3, 24), f.f32(16), cos, sin, positions, skipped, cache);
      Values.assertNear(before, Values.read(cache), 0, "skipped");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void groupedQueryAttentionRunsDecomposed(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Paged paged = new Paged(f, DType.F32, 1, 2);
      long rows = paged.cache.dim(0);
      Tensor keys = f.uniform(DType.BF16, rows, 2, 8);
      Tensor values = f.uniform(DType.BF16, rows, 2, 6);
      Tensor q = f.f32(paged.tokens, 4, 8);
      Tensor y = f.empty(DType.F32, paged.tokens, 4, 6);
      f.runDecomposed(
          new Attention(0.5, paged.blockSize),
          q,
          keys,
          values,
          paged.blockTable,
          paged.sequence,
          paged.positions,
          y);
      double[] kv = Values.read(keys);
      double[] vv = Values.read(values);
      double[] qv = Values.read(q);
      int[] table = Values.ints(paged.blockTable);
      double[] expected = new double[paged.tokens * 24];
      for (int t = 0; t < paged.tokens; t++) {
        int s = Values.ints(paged.sequence)[t];
        int n = Values.ints(paged.positions)[t] + 1;
        for (int h = 0; h < 4; h++) {
          double[] scores = new double[n];
          int[] row = new int[n];
          for (int j = 0; j < n; j++) {
            row[j] = table[s * paged.maxBlocks + j / 4] * 4 + j % 4;
            scores[j] = dot(qv, kv, (t * 4 + h) * 8, (row[j] * 2 + h / 2) * 8, 8);
          }
          double[] p = Oracle.softmax(scores, n, 0.5);
          for (int j = 0; j < n; j++) {
            for (int c = 0; c < 6; c++) {
              expected[(t * 4 + h) * 6 + c] += p[j] * vv[(row[j] * 2 + h / 2) * 6 + c];
            }
          }
        }
      }
      Values.assertNear(expected, Values.read(y), 1e-5, "attention");
    }
  }
}
