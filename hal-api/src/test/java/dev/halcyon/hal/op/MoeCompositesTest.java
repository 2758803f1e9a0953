package dev.halcyon.hal.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.MoeGating.Choice;
import dev.halcyon.hal.op.MoeGating.GroupRule;
import dev.halcyon.hal.op.MoeGating.Normalization;
import dev.halcyon.hal.op.MoeGating.Scoring;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.testing.DeviceBench;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MoeCompositesTest {
  private final DeviceBench b = DeviceBench.reference();

  @AfterEach
  void close() {
    b.close();
  }

  static Stream<MoeGating> gatings() {
    List<MoeGating> all = new ArrayList<>();
    for (Scoring s : Scoring.values()) {
      for (Choice c : Choice.values()) {
        for (Normalization n : Normalization.values()) {
          all.add(new MoeGating(4, 1, 1, GroupRule.MAX, s, c, n, 2.5));
          all.add(new MoeGating(1, 5, 1, GroupRule.MAX, s, c, n, 1));
          for (GroupRule g : GroupRule.values()) {
            all.add(new MoeGating(5, 5, 2, g, s, c, n, 0.5));
            all.add(new MoeGating(6, 5, 2, g, s, c, n, 16));
            all.add(new MoeGating(3, 15, 7, g, s, c, n, 1));
          }
        }
      }
    }
    return all.stream();
  }

  /** The index of the first largest of the candidates. */
  private static int best(double[] v, boolean[] taken) {
    int best = -1;
    for (int i = 0; i < v.length; i++) {
      if (!taken[i] && (best < 0 || v[i] > v[best])) {
        best = i;
      }
    }
    return best;
  }

  /** Routing of one token, from the Javadoc of MoeGating. */
  private static int[] route(MoeGating g, double[] logits, double[] bias, double[] weights) {
    int experts = logits.length;
    double[] s = new double[experts];
    double[] soft = Expect.softmax(logits, 1);
    double[] choice = new double[experts];
    for (int e = 0; e < experts; e++) {
      // scores and choice scores are stored as f32
      s[e] = (float) (g.scoring() == Scoring.SIGMOID ? 1 / (1 + Math.exp(-logits[e])) : soft[e]);
      choice[e] = g.choice() == Choice.BIASED ? (float) (s[e] + bias[e]) : s[e];
    }
    int per = experts / g.groups();
    double[] groupScore = new double[g.groups()];
    for (int i = 0; i < g.groups(); i++) {
      double[] c = Arrays.copyOfRange(choice, i * per, (i + 1) * per);
      Arrays.sort(c);
      groupScore[i] =
          g.groupRule() == GroupRule.MAX || per == 1
              ? c[per - 1]
              : (float) (c[per - 1] + c[per - 2]);
    }
    boolean[] keptGroup = new boolean[g.groups()];
    for (int i = 0; i < g.groupTopK(); i++) {
      keptGroup[best(groupScore, keptGroup)] = true;
    }
    boolean[] taken = new boolean[experts];
    for (int e = 0; e < experts; e++) {
      taken[e] = !keptGroup[e / per];
    }
    int[] ids = new int[g.topK()];
    double sum = 0;
    for (int k = 0; k < ids.length; k++) {
      ids[k] = best(choice, taken);
      taken[ids[k]] = true;
      sum += s[ids[k]];
    }
    for (int k = 0; k < ids.length; k++) {
      double w = s[ids[k]];
      weights[k] = (g.normalization() == Normalization.SUM ? w / (sum + 1e-20) : w) * g.scale();
    }
    return ids;
  }

  @ParameterizedTest
  @MethodSource("gatings")
  void gatingFollowsItsFormula(MoeGating g) {
    int tokens = 6;
    int experts = 15;
    // few distinct values: many ties; the bias makes choice scores negative
    double[] logits = new double[tokens * experts];
    for (int i = 0; i < logits.length; i++) {
      logits[i] =
          i < 3 * experts
              ? Math.floorMod(i * 7919 + i / 4, 4) - 1.5
              : DeviceBench.uniform(i, 3, 1)[0];
    }
    double[] bias = new double[experts];
    for (int e = 0; e < experts; e++) {
      bias[e] = -2 + Math.floorMod(e * 5, 7) * 0.25;
    }
    Tensor weights = b.zeros(DType.F32, tokens, g.topK());
    Tensor ids = b.zeros(DType.I32, tokens, g.topK());
    Tensor in = b.f32(logits, tokens, experts);
    if (g.choice() == Choice.BIASED) {
      b.run(g, in, b.f32(bias, experts), weights, ids);
    } else {
      b.run(g, in, weights, ids);
    }
    double[] gotIds = b.read(ids);
    double[] gotWeights = b.read(weights);
    for (int t = 0; t < tokens; t++) {
      double[] w = new double[g.topK()];
      int[] expected =
          route(g, Arrays.copyOfRange(logits, t * experts, (t + 1) * experts), bias, w);
      double[] got = Arrays.copyOfRange(gotIds, t * g.topK(), (t + 1) * g.topK());
      assertArrayEquals(
          Arrays.stream(expected).asDoubleStream().toArray(), got, g + ", token " + t);
      Expect.close(
          w, Arrays.copyOfRange(gotWeights, t * g.topK(), (t + 1) * g.topK()), 2e-6, "weights");
    }
  }

  @Test
  void dispatchSortsStably() {
    int[] ids = {3, 0, 5, 3, 0, 3, 5, 1, 3};
    Tensor offsets = b.zeros(DType.I32, 8);
    Tensor slots = b.zeros(DType.I32, 9);
    b.run(new MoeDispatch(7), b.i32(ids, 3, 3), offsets, slots);
    assertArrayEquals(new double[] {0, 2, 3, 3, 7, 7, 9, 9}, b.read(offsets));
    assertArrayEquals(new double[] {1, 4, 7, 0, 3, 5, 8, 2, 6}, b.read(slots));
    Tensor transposed = b.i32(new int[] {3, 3, 5, 0, 0, 1, 5, 3, 3}, 3, 3).transpose(0, 1);
    b.run(new MoeDispatch(7), transposed, offsets, slots);
    assertArrayEquals(new double[] {1, 4, 7, 0, 3, 5, 8, 2, 6}, b.read(slots));
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void groupedMatMulUsesOneWeightPerRun(Expect.Weights weights) {
    int k = 131;
    int n = 8;
    int[] offsets = {0, 0, 3, 3, 5, 5};
    Tensor x = b.random(1, 1, DType.F32, 5, k + 1 - k % 2);
    Tensor w = weights.make(b, 2, 5, n, k);
    Tensor out = b.zeros(DType.F32, 5, n);
    b.run(new GroupedMatMul(), x, b.i32(offsets, 6), w, out);
    double[] expected = new double[5 * n];
    double[] xv = b.read(x);
    double[] wv = b.read(w);
    for (int e = 0; e < 5; e++) {
      for (int s = offsets[e]; s < offsets[e + 1]; s++) {
        double[] row =
            Expect.linear(
                Arrays.copyOfRange(xv, s * k, (s + 1) * k),
                Arrays.copyOfRange(wv, e * n * k, (e + 1) * n * k),
                1,
                n,
                k);
        System.arraycopy(row, 0, expected, s * n, n);
      }
    }
    Expect.close(expected, b.read(out), 2e-6, "grouped");
    Tensor stacked = Tensor.stack(List.of(weights.make(b, 5, n, k), weights.make(b, 6, n, k)));
    b.run(new GroupedMatMul(), x, b.i32(new int[] {0, 2, 5}, 3), stacked, out);
    double[] apart = b.read(out);
    for (int s = 0; s < 5; s++) {
      double[] row =
          Expect.linear(
              Arrays.copyOfRange(xv, s * k, (s + 1) * k),
              b.read(stacked.part(s < 2 ? 0 : 1)),
              1,
              n,
              k);
      Expect.close(row, Arrays.copyOfRange(apart, s * n, (s + 1) * n), 2e-6, "stacked row " + s);
    }
  }

  @Test
  void combineWeighsAndAdds() {
    int tokens = 3;
    int k = 2;
    int n = 5;
    int[] slots = {4, 0, 3, 5, 1, 2};
    Tensor h = b.random(1, 1, DType.F32, 6, n);
    Tensor w = b.random(2, 1, DType.F32, tokens, k);
    Tensor residual = b.random(3, 1, DType.F32, tokens, n);
    double[] plain = new double[tokens * n];
    for (int p = 0; p < 6; p++) {
      for (int c = 0; c < n; c++) {
        plain[slots[p] / k * n + c] += b.read(w)[slots[p]] * b.read(h)[p * n + c];
      }
    }
    Tensor out = b.zeros(DType.F32, tokens, n);
    b.run(new MoeCombine(Epilogue.NONE), h, b.i32(slots, 6), w, out);
    Expect.close(plain, b.read(out), 2e-6, "combine");
    for (int i = 0; i < plain.length; i++) {
      plain[i] += b.read(residual)[i];
    }
    b.run(new MoeCombine(Epilogue.RESIDUAL), h, b.i32(slots, 6), w, residual, residual);
    Expect.close(plain, b.read(residual), 2e-6, "residual in place");
  }

  @ParameterizedTest
  @MethodSource("dev.halcyon.hal.op.Expect#weights")
  void moeFfnSumsChosenExperts(Expect.Weights weights) {
    int t = 3;
    int h = 37;
    int inter = 36;
    int wide = 21;
    int experts = 5;
    int[] ids = {4, 1, 1, 0, 4, 0};
    Tensor x = b.random(1, 1, DType.F32, t, h);
    Tensor routing = b.random(2, 1, DType.F32, t, 2);
    Tensor[] w = {
      weights.make(b, 3, experts, inter, h),
      weights.make(b, 4, experts, inter, h),
      weights.make(b, 5, experts, h, inter),
      weights.make(b, 6, wide, h),
      weights.make(b, 7, wide, h),
      weights.make(b, 8, h, wide)
    };
    double[] xv = b.read(x);
    double[] routed = new double[t * h];
    for (int p = 0; p < ids.length; p++) {
      int e = ids[p];
      double[] row = Arrays.copyOfRange(xv, p / 2 * h, (p / 2 + 1) * h);
      double[] y =
          Expect.mlp(
              row, b.read(w[0].part(e)), b.read(w[1].part(e)), b.read(w[2].part(e)), 1, h, inter);
      for (int c = 0; c < h; c++) {
        routed[p / 2 * h + c] += b.read(routing)[p] * y[c];
      }
    }
    double[] shared = Expect.mlp(xv, b.read(w[3]), b.read(w[4]), b.read(w[5]), t, h, wide);
    for (MoeFfn.Shared s : MoeFfn.Shared.values()) {
      for (Epilogue e : new Epilogue[] {Epilogue.NONE, Epilogue.RESIDUAL}) {
        double[] expected = routed.clone();
        Tensor out = b.random(9, 1, DType.F32, t, h);
        double[] residual = b.read(out);
        for (int i = 0; i < expected.length; i++) {
          expected[i] += s == MoeFfn.Shared.SHARED ? shared[i] : 0;
          expected[i] += e == Epilogue.RESIDUAL ? residual[i] : 0;
        }
        List<Tensor> operands =
            new ArrayList<>(List.of(x, routing, b.i32(ids, t, 2), w[0], w[1], w[2]));
        if (s == MoeFfn.Shared.SHARED) {
          operands.addAll(List.of(w[3], w[4], w[5]));
        }
        if (e == Epilogue.RESIDUAL) {
          operands.add(out);
        }
        operands.add(out);
        b.run(new MoeFfn(s, e), operands.toArray(Tensor[]::new));
        Expect.close(expected, b.read(out), 5e-6, s + " " + e);
      }
    }
  }

  @Test
  void gatingOfOneExpertPerGroupSumsWhatThereIs() {
    MoeGating g =
        new MoeGating(
            2, 3, 2, GroupRule.SUM_TOP2, Scoring.SIGMOID, Choice.SCORES, Normalization.SUM, 1);
    Tensor weights = b.zeros(DType.F32, 1, 2);
    Tensor ids = b.zeros(DType.I32, 1, 2);
    b.run(g, b.f32(new double[] {0, 5, 0}, 1, 3), weights, ids);
    assertArrayEquals(new double[] {1, 0}, b.read(ids));
    assertEquals(1, b.read(weights)[0] + b.read(weights)[1], 1e-6);
  }
}
