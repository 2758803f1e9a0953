package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Routing and experts on every tier, native and decomposed, against the oracle. */
class ExpertsTest {
  private static final String TIERS = "dev.halcyon.backend.cpu.CpuFixture#tiers";

  @ParameterizedTest
  @MethodSource(TIERS)
  void gating(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int experts = 24;
      for (int groups : new int[] {1, 4, 24}) {
        for (MoeGating.GroupRule rule : MoeGating.GroupRule.values()) {
          for (MoeGating.Scoring scoring : MoeGating.Scoring.values()) {
            for (MoeGating.Choice choice : MoeGating.Choice.values()) {
              for (MoeGating.Normalization norm : MoeGating.Normalization.values()) {
                int kept = Math.max(1, groups / 2);
                int k = Math.min(5, kept * (experts / groups));
                MoeGating spec = new MoeGating(k, groups, kept, rule, scoring, choice, norm, 2.5);
                gating(f, spec, experts);
              }
            }
          }
        }
      }
    }
  }

  private static void gating(CpuFixture f, MoeGating spec, int experts) {
    int tokens = 6;
    // multiples of a quarter: many equal scores
    double[] v =
        Arrays.stream(f.uniform((long) tokens * experts)).map(d -> Math.rint(8 * d) / 4).toArray();
    Tensor logits = f.of(DType.F32, v, tokens, experts);
    double[] b = Arrays.stream(f.uniform(experts)).map(d -> Math.rint(2 * d)).toArray();
    Tensor bias = f.of(DType.F32, b, experts);
    boolean biased = spec.choice() == MoeGating.Choice.BIASED;
    Tensor weights = f.empty(DType.F32, tokens, spec.topK());
    Tensor ids = f.empty(DType.I32, tokens, spec.topK());
    Tensor[] operands =
        biased ? new Tensor[] {logits, bias, weights, ids} : new Tensor[] {logits, weights, ids};
    for (boolean decomposed : new boolean[] {false, true}) {
      if (decomposed) {
        f.runDecomposed(spec, operands);
      } else {
        f.run(spec, operands);
      }
      for (int t = 0; t < tokens; t++) {
        double[] row = Oracle.row(v, t, experts);
        double[] score =
            spec.scoring() == MoeGating.Scoring.SOFTMAX
                ? Oracle.softmax(row, experts, 1)
                : Arrays.stream(row).map(d -> 1 / (1 + Math.exp(-d))).toArray();
        // equal logits give equal scores in any precision; unequal ones lie far apart
        double[] choose = score.clone();
        if (biased) {
          Arrays.setAll(choose, e -> (float) ((float) score[e] + (float) b[e]));
        }
        int[] expected = choose(spec, choose, experts);
        int[] got = Arrays.copyOfRange(Values.ints(ids), t * spec.topK(), (t + 1) * spec.topK());
        String what = spec + " decomposed " + decomposed + " token " + t;
        assertArrayEquals(expected, got, what);
        double[] w = Arrays.stream(expected).mapToDouble(e -> score[e]).toArray();
        double sum =
            spec.normalization() == MoeGating.Normalization.SUM ? Arrays.stream(w).sum() : 1;
        Arrays.setAll(w, i -> w[i] / sum * 2.5);
        double[] gotWeights = Oracle.row(Values.read(weights), t, spec.topK());
        Values.assertNear(w, gotWeights, 2e-6, what);
      }
    }
  }

  private static int[] choose(MoeGating spec, double[] score, int experts) {
    int per = experts / spec.groups();
    double[] groupScore = new double[spec.groups()];
    for (int g = 0; g < spec.groups(); g++) {
      double[] best = Arrays.copyOfRange(score, g * per, (g + 1) * per);
      Arrays.sort(best);
      groupScore[g] = best[per - 1];
      if (spec.groupRule() == MoeGating.GroupRule.SUM_TOP2 && per > 1) {
        groupScore[g] = (float) (best[per - 1] + best[per - 2]);
      }
    }
    List<Integer> kept =
        IntStream.range(0, spec.groups())
            .boxed()
            .sorted(Comparator.comparingDouble(g -> -groupScore[g]))
            .limit(spec.groupTopK())
            .toList();
    return IntStream.range(0, experts)
        .filter(e -> spec.groups() == 1 || kept.contains(e / per))
        .boxed()
        .sorted(Comparator.comparingDouble(e -> -score[e]))
        .limit(spec.topK())
        .mapToInt(e -> e)
        .toArray();
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void dispatchGroupedCombine(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int experts = 6;
      int tokens = 9;
      int k = 2;
      int in = 50;
      int out = 37;
      for (Tensor ids : List.of(f.ints(0, 6, tokens, k), f.ints(3, 4, tokens, k))) {
        Tensor offsets = f.empty(DType.I32, experts + 1);
        Tensor slots = f.empty(DType.I32, tokens * k);
        int[] id = Values.ints(ids);
        int[] sorted =
            IntStream.range(0, tokens * k)
                .boxed()
                .sorted(Comparator.comparingInt(i -> id[i]))
                .mapToInt(i -> i)
                .toArray();
        f.run(new MoeDispatch(experts), ids, offsets, slots);
        assertArrayEquals(sorted, Values.ints(slots));
        f.runDecomposed(new MoeDispatch(experts), ids, offsets, slots);
        assertArrayEquals(sorted, Values.ints(slots));
        for (int e = 0; e <= experts; e++) {
          int expert = e;
          assertEquals(Arrays.stream(id).filter(i -> i < expert).count(), Values.ints(offsets)[e]);
        }
        for (LinearTest.Form form : LinearTest.forms()) {
          for (Tensor w :
              List.of(form.make(f, experts, out, in), stack(f, form, experts, out, in))) {
            Tensor x = f.f32(tokens * k, in);
            Tensor y = f.empty(DType.F32, tokens * k, out);
            double[] expected = new double[tokens * k * out];
            for (int s = 0; s < tokens * k; s++) {
              double[] we = Oracle.row(Values.read(w), id[sorted[s]], out * in);
              double[] row = Oracle.linear(Oracle.row(Values.read(x), s, in), we, 1, out, in);
              System.arraycopy(row, 0, expected, s * out, out);
            }
            f.run(new GroupedMatMul(), x, offsets, w, y);
            Values.assertNear(expected, Values.read(y), 1e-4, form.toString());
          }
        }
        Tensor h = f.f32(tokens * k, out);
        Tensor weights = f.f32(tokens, k);
        Tensor residual = f.f32(tokens, out);
        double[] sum = Values.read(residual);
        for (int p = 0; p < tokens * k; p++) {
          for (int c = 0; c < out; c++) {
            sum[sorted[p] / k * out + c] +=
                Values.read(weights)[sorted[p]] * Values.read(h)[p * out + c];
          }
        }
        Tensor y = f.empty(DType.F32, tokens, out);
        f.runDecomposed(new MoeCombine(Epilogue.RESIDUAL), h, slots, weights, residual, y);
        Values.assertNear(sum, Values.read(y), 1e-6, "decomposed combine");
        f.run(new MoeCombine(Epilogue.RESIDUAL), h, slots, weights, residual, residual);
        Values.assertNear(sum, Values.read(residual), 1e-6, "combine");
      }
    }
  }

  private static Tensor stack(
      CpuFixture f, LinearTest.Form form, int experts, long rows, long columns) {
    List<Tensor> parts = new ArrayList<>();
    for (int e = 0; e < experts; e++) {
      f.arena.allocate(dev.halcyon.hal.tensor.TensorType.of(DType.U8, 100 * (e + 1)));
      parts.add(form.make(f, rows, columns));
    }
    return Tensor.stack(parts);
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void gatedMlp(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      int hidden = 70;
      for (LinearTest.Form form : LinearTest.forms()) {
        for (int inter : new int[] {2, 130}) {
          for (int tokens : new int[] {1, 7}) {
            Tensor gate = form.make(f, inter, hidden);
            Tensor up = form.make(f, inter, hidden);
            Tensor down = form.make(f, hidden, inter);
            Tensor x = f.f32(tokens, hidden);
            Tensor residual = f.f32(tokens, hidden);
            double[] expected = Values.read(residual);
            for (int t = 0; t < tokens; t++) {
              double[] y =
                  Oracle.mlp(
                      Oracle.row(Values.read(x), t, hidden),
                      Values.read(gate),
                      Values.read(up),
                      Values.read(down));
              for (int i = 0; i < hidden; i++) {
                expected[t * hidden + i] += y[i];
              }
            }
            GatedMlp spec = new GatedMlp(Epilogue.RESIDUAL);
            Tensor y = f.empty(DType.F32, tokens, hidden);
            f.runDecomposed(spec, x, gate, up, down, residual, y);
            Values.assertNear(expected, Values.read(y), 1e-3, "decomposed " + form);
            f.run(spec, x, gate, up, down, residual, residual);
            Values.assertNear(expected, Values.read(residual), 1e-3, form.toString());
          }
        }
      }
    }
  }

  /** Who goes where: spread, all to one expert, and experts without tokens. */
  private static List<int[]> routings(CpuFixture f, int tokens, int k, int experts) {
    int[] spread = new int[tokens * k];
    int[] one = new int[tokens * k];
    int[] few = new int[tokens * k];
    for (int t = 0; t < tokens; t++) {
      int start = f.random.nextInt(experts);
      for (int j = 0; j < k; j++) {
        spread[t * k + j] = (start + 2 * j) % experts;
        one[t * k + j] = experts - 1;
        few[t * k + j] = j;
      }
    }
    return List.of(spread, one, few);
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void moeFfn(String tier) {
    LinearTest.Form bf16 = new LinearTest.Form(DType.BF16, QuantScheme.NONE);
    LinearTest.Form f8 = new LinearTest.Form(DType.F8_E4M3FN, QuantScheme.FP8_128X128);
    LinearTest.Form i4 = new LinearTest.Form(DType.I4, QuantScheme.grouped(32));
    LinearTest.Form i8 = new LinearTest.Form(DType.I8, QuantScheme.perChannel());
    LinearTest.Form[][] mixes = {{bf16, bf16}, {f8, f8}, {i4, i4}, {i8, i8}, {i4, bf16}};
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (LinearTest.Form[] mix : mixes) {
        for (int tokens : new int[] {1, 6}) {
          for (int[] routing : routings(f, tokens, 3, 5)) {
            for (MoeFfn.Shared shared : MoeFfn.Shared.values()) {
              for (Epilogue epilogue : new Epilogue[] {Epilogue.NONE, Epilogue.RESIDUAL}) {
                moeFfn(f, mix[0], mix[1], tokens, routing, new MoeFfn(shared, epilogue));
              }
            }
          }
        }
      }
    }
  }

  private static void moeFfn(
      CpuFixture f,
      LinearTest.Form form,
      LinearTest.Form sharedForm,
      int tokens,
      int[] routing,
      MoeFfn spec) {
    int hidden = 66;
    int inter = 50;
    int wide = 98;
    int k = 3;
    int experts = 5;
    Tensor x = f.f32(tokens, hidden);
    Tensor weights = f.f32(tokens, k);
    Tensor ids = f.ints(routing, tokens, k);
    Tensor gate = stack(f, form, experts, inter, hidden);
    Tensor up = form.make(f, experts, inter, hidden);
    Tensor down = stack(f, form, experts, hidden, inter);
    List<Tensor> operands = new ArrayList<>(List.of(x, weights, ids, gate, up, down));
    double[] expected = new double[tokens * hidden];
    double[] xv = Values.read(x);
    double[] wv = Values.read(weights);
    double[] g = Values.read(gate);
    double[] u = Values.read(up);
    double[] d = Values.read(down);
    for (int p = 0; p < tokens * k; p++) {
      int e = routing[p];
      double[] y =
          Oracle.mlp(
              Oracle.row(xv, p / k, hidden),
              Oracle.row(g, e, inter * hidden),
              Oracle.row(u, e, inter * hidden),
              Oracle.row(d, e, inter * hidden));
      for (int i = 0; i < hidden; i++) {
        expected[p / k * hidden + i] += wv[p] * y[i];
      }
    }
    if (spec.shared() == MoeFfn.Shared.SHARED) {
      Tensor sg = sharedForm.make(f, wide, hidden);
      Tensor su = sharedForm.make(f, wide, hidden);
      Tensor sd = sharedForm.make(f, hidden, wide);
      operands.addAll(List.of(sg, su, sd));
      for (int t = 0; t < tokens; t++) {
        double[] y =
            Oracle.mlp(
                Oracle.row(xv, t, hidden), Values.read(sg), Values.read(su), Values.read(sd));
        for (int i = 0; i < hidden; i++) {
          expected[t * hidden + i] += y[i];
        }
      }
    }
    Tensor out = f.f32(tokens, hidden);
    Tensor other = f.f32(tokens, hidden);
    if (spec.epilogue() == Epilogue.RESIDUAL) {
      Tensor residual = f.copyOf(out);
      expected = Oracle.add(expected, Values.read(out));
      operands.add(residual);
      operands.add(other);
      f.runDecomposed(spec, operands.toArray(Tensor[]::new));
      operands.set(operands.size() - 2, out);
      operands.set(operands.size() - 1, out);
    } else {
      operands.add(other);
      f.runDecomposed(spec, operands.toArray(Tensor[]::new));
      operands.set(operands.size() - 1, out);
    }
    String what = spec + " " + form + " tokens " + tokens + " to " + Arrays.toString(routing);
    Values.assertNear(expected, Values.read(other), 1e-3, "decomposed " + what);
    f.run(spec, operands.toArray(Tensor[]::new));
    Values.assertNear(expected, Values.read(out), 1e-3, what);
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void badOffsetsAreReported(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor offsets = f.ints(new int[] {0, 5, 3}, 3);
      HalException e =
          assertThrows(
              HalException.class,
              () ->
                  f.run(
                      new GroupedMatMul(),
                      f.f32(4, 8),
                      offsets,
                      f.f32(2, 3, 8),
                      f.empty(DType.F32, 4, 3)));
      assertEquals(HalErrorCode.OUT_OF_BOUNDS, e.code());
    }
  }
}
