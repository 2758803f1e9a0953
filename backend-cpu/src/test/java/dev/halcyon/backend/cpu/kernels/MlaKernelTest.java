package dev.halcyon.backend.cpu.kernels;

import dev.halcyon.backend.cpu.kernels.TestWeights.Scaling;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** MLA_DECODE with MLA_MERGE, and MLA_PREFILL, against a dense f64 softmax. */
class MlaKernelTest {
  private static final double SCALE = 0.31;

  /** Pages of the two sequences, in no order. */
  private static final int[] TABLE = {7, 2, 5, 0, 9, 1, 3, 8, 4, 6};

  private static final int BLOCKS = 5;
  private static final int PAGE = 9;

  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  private static int cacheRow(int seq, int position) {
    return TABLE[seq * BLOCKS + position / PAGE] * PAGE + position % PAGE;
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void decode(KernelTier tier) {
    for (int type = 0; type < 3; type++) {
      for (int heads : new int[] {1, 4, 7}) {
        for (int split : new int[] {45, 16}) {
          for (int headParts : new int[] {1, 2, 5}) {
            decode(tier, type, heads, 37, 6, split, headParts);
            decode(tier, type, heads, 128, 16, split, headParts);
          }
        }
      }
    }
    decode(tier, Kernels.BF16, 3, 1100, 64, 45, 1);
  }

  private static void decode(
      KernelTier tier, int type, int heads, int latent, int rope, int split, int headParts) {
    try (Bench bench = new Bench(tier)) {
      int width = latent + rope;
      int[] seqs = {0, 1, 1};
      int[] positions = {0, 44, 17};
      int tokens = seqs.length;
      int splits = (45 + split - 1) / split;
      TestWeights cache = new TestWeights(bench, type, 10 * PAGE, width, Scaling.NONE, 2);
      long q = bench.randoms((long) tokens * heads * width);
      long partial = bench.floats((long) tokens * splits * heads * (latent + 2));
      long out = bench.floats((long) tokens * heads * latent);
      Object[] parts = {
        bench.scratch,
        q,
        heads * width,
        width,
        heads,
        latent,
        rope,
        cache.data,
        cache.rowBytes,
        type,
        bench.ints(TABLE),
        BLOCKS,
        PAGE,
        bench.ints(seqs),
        bench.ints(positions),
        SCALE,
        splits,
        split,
        partial,
        headParts,
        out,
        heads * latent,
        latent
      };
      bench.run(Kernels.MLA_DECODE, Bench.slots(parts), (long) tokens * splits * headParts, 2);
      if (splits > 1) {
        long[] merge = Bench.slots(0, partial, splits, heads, latent, out, heads * latent, latent);
        bench.run(Kernels.MLA_MERGE, merge, (long) tokens * heads, 2);
      }
      for (int t = 0; t < tokens; t++) {
        for (int h = 0; h < heads; h++) {
          int n = positions[t] + 1;
          double[] s = new double[n];
          for (int p = 0; p < n; p++) {
            double[] row = cache.values[cacheRow(seqs[t], p)];
            for (int i = 0; i < width; i++) {
              s[p] += SCALE * Raw.f32(q + 4L * ((t * heads + h) * width + i)) * row[i];
            }
          }
          softmax(s);
          for (int c = 0; c < latent; c++) {
            double want = 0;
            for (int p = 0; p < n; p++) {
              want += s[p] * cache.values[cacheRow(seqs[t], p)][c];
            }
            float got = Raw.f32(out + 4L * ((t * heads + h) * latent + c));
            String what = tier.name() + " decode " + type + " " + t + "," + h + "," + c;
            Bench.near(what, got, want, 2e-5);
          }
        }
      }
    }
  }

  private static void softmax(double[] s) {
    double max = Double.NEGATIVE_INFINITY;
    for (double v : s) {
      max = Math.max(max, v);
    }
    double sum = 0;
    for (int i = 0; i < s.length; i++) {
      s[i] = Math.exp(s[i] - max);
      sum += s[i];
    }
    for (int i = 0; i < s.length; i++) {
      s[i] /= sum;
    }
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void prefill(KernelTier tier) {
    for (int type = 0; type < 3; type++) {
      for (int weights = 0; weights < 6; weights++) {
        prefill(tier, type, weights, Scaling.NONE, 64, 1);
      }
      prefill(tier, type, Kernels.BF16, Scaling.NONE, 4, 8);
      prefill(tier, type, Kernels.I8, new Scaling(Kernels.SCALE_F32, 3, 32), 16, 3);
    }
  }

  private static void prefill(
      KernelTier tier, int type, int weightType, Scaling scaling, int queryBlock, int blocks) {
    try (Bench bench = new Bench(tier)) {
      int heads = 3;
      int nope = 18;
      int rope = 6;
      int vDim = 21;
      int latent = 40;
      int d = nope + rope;
      int[] start = {0, 5, 32}; // the first sequence has 12 tokens before these, the second none
      int[] seqRow = {1, 0};
      int tokens = start[2];
      int[] positions = new int[tokens];
      for (int t = 0; t < tokens; t++) {
        positions[t] = t < 5 ? 12 + t : t - 5;
      }
      TestWeights cache = new TestWeights(bench, type, 10 * PAGE, latent + rope, Scaling.NONE, 0);
      TestWeights kvb =
          new TestWeights(bench, weightType, heads * (nope + vDim), latent, scaling, 1);
      double largest = 1;
      for (double[] row : kvb.values) {
        for (double v : row) {
          largest = Math.max(largest, Math.abs(v));
        }
      }
      double scale = 0.3 / largest;
      long q = bench.randoms((long) tokens * heads * d);
      long out = bench.floats((long) tokens * heads * vDim);
      Object[] parts = {
        bench.scratch,
        q,
        heads * d,
        d,
        heads,
        nope,
        rope,
        vDim,
        latent,
        cache.data,
        cache.rowBytes,
        type,
        bench.ints(TABLE),
        BLOCKS,
        PAGE,
        bench.ints(start),
        bench.ints(seqRow),
        bench.ints(positions),
        scale,
        out,
        heads * vDim,
        vDim,
        queryBlock,
        blocks,
        kvb.slots
      };
      bench.run(Kernels.MLA_PREFILL, Bench.slots(parts), 2L * heads * blocks, 1);
      for (int seq = 0; seq < 2; seq++) {
        for (int h = 0; h < heads; h++) {
          double[][] expanded = expand(cache, kvb, seqRow[seq], h, nope + vDim, latent);
          for (int t = start[seq]; t < start[seq + 1]; t++) {
            double[] s = new double[positions[t] + 1];
            for (int p = 0; p < s.length; p++) {
              for (int i = 0; i < d; i++) {
                double key =
                    i < nope
                        ? expanded[p][i]
                        : cache.values[cacheRow(seqRow[seq], p)][latent + i - nope];
                s[p] += scale * Raw.f32(q + 4L * ((t * heads + h) * d + i)) * key;
              }
            }
            softmax(s);
            for (int v = 0; v < vDim; v++) {
              double want = 0;
              for (int p = 0; p < s.length; p++) {
                want += s[p] * expanded[p][nope + v];
              }
              float got = Raw.f32(out + 4L * ((t * heads + h) * vDim + v));
              String what = tier.name() + " prefill " + type + " by " + weightType + " token " + t;
              Bench.near(what, got, want, 5e-5 * largest);
            }
          }
        }
      }
    }
  }

  /** Keys and values of one head for the positions of a sequence. */
  private static double[][] expand(
      TestWeights cache, TestWeights kvb, int seq, int head, int rows, int latent) {
    double[][] all = new double[BLOCKS * PAGE][rows];
    for (int p = 0; p < all.length; p++) {
      for (int n = 0; n < rows; n++) {
        for (int c = 0; c < latent; c++) {
          all[p][n] += kvb.values[head * rows + n][c] * cache.values[cacheRow(seq, p)][c];
        }
      }
    }
    return all;
  }
}
