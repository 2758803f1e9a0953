package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.backend.opencl.CompositeCases.Storage;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Mixtures of experts, native and decomposed, against double arithmetic. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class MoeCases {
  private final Bench bench;

  MoeCases(String... options) {
    bench = new Bench(options);
  }

  @AfterAll
  void close() {
    bench.close();
  }

  static Stream<Storage> storages() {
    return CompositeCases.storages();
  }

  private static Integer[] ranked(double[] v) {
    Integer[] order = IntStream.range(0, v.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparingDouble((Integer i) -> -v[i]).thenComparing(i -> i));
    return order;
  }

  @Test
  void gating() {
    for (MoeGating.Scoring scoring : MoeGating.Scoring.values()) {
      for (MoeGating.Choice choice : MoeGating.Choice.values()) {
        for (MoeGating.GroupRule rule : MoeGating.GroupRule.values()) {
          for (MoeGating.Normalization norm : MoeGating.Normalization.values()) {
            for (int[] z :
                new int[][] {
                  {15, 5, 2, 4}, {32, 1, 1, 6}, {8, 8, 3, 2}, {7, 1, 1, 7}, {64, 8, 4, 8}
                }) {
              gating(new MoeGating(z[3], z[1], z[2], rule, scoring, choice, norm, 2.5), z[0]);
            }
          }
        }
      }
    }
  }

  private void gating(MoeGating s, int experts) {
    int tokens = 6;
    double[] values = bench.numbers(tokens * experts, 2);
    // ties: a row of equal scores, and pairs
    Arrays.fill(values, 0, experts, 0.25);
    for (int e = 1; e < experts; e += 2) {
      values[experts + e] = values[experts + e - 1];
    }
    Cell logits = bench.of(DType.F32, View.SLICED, values, tokens, experts);
    double[] biases =
        s.choice() == MoeGating.Choice.BIASED ? bench.numbers(experts, 1) : new double[experts];
    Arrays.fill(biases, 0, Math.min(experts, 3), s.choice() == MoeGating.Choice.BIASED ? -1.5 : 0);
    Cell bias = bench.of(DType.F32, View.DENSE, biases, experts);
    double[] weights = new double[tokens * s.topK()];
    double[] ids = new double[tokens * s.topK()];
    for (int t = 0; t < tokens; t++) {
      double[] row = Reference.part(values, t * experts, experts);
      double[] score =
          s.scoring() == MoeGating.Scoring.SIGMOID
              ? Arrays.stream(row).map(x -> 1 / (1 + Math.exp(-x))).toArray()
              : Reference.softmax(row, experts);
      double[] by =
          IntStream.range(0, experts)
              .mapToDouble(e -> (float) ((float) score[e] + (float) biases[e]))
              .toArray();
      int per = experts / s.groups();
      double[] group = new double[s.groups()];
      for (int g = 0; g < group.length; g++) {
        double[] sorted = Arrays.copyOfRange(by, g * per, (g + 1) * per);
        Arrays.sort(sorted);
        group[g] = sorted[per - 1];
        if (s.groupRule() == MoeGating.GroupRule.SUM_TOP2 && per > 1) {
          group[g] += sorted[per - 2];
        }
      }
      List<Integer> kept = Arrays.asList(ranked(group)).subList(0, s.groupTopK());
      double[] limited =
          IntStream.range(0, experts)
              .mapToDouble(e -> kept.contains(e / per) ? by[e] : Double.NEGATIVE_INFINITY)
              .toArray();
      Integer[] chosen = ranked(limited);
      double sum = 1e-20;
      for (int j = 0; j < s.topK(); j++) {
        sum += score[chosen[j]];
      }
      for (int j = 0; j < s.topK(); j++) {
        ids[t * s.topK() + j] = chosen[j];
        weights[t * s.topK() + j] =
            score[chosen[j]]
                / (s.normalization() == MoeGating.Normalization.SUM ? sum : 1)
                * s.scale();
      }
    }
    for (boolean nativeRun : new boolean[] {true, false}) {
      Cell w = bench.out(DType.F32, View.SLICED, tokens, s.topK());
      Cell i = bench.out(DType.I32, View.DENSE, tokens, s.topK());
      Cell[] cells =
          s.choice() == MoeGating.Choice.BIASED
              ? new Cell[] {logits, bias, w, i}
              : new Cell[] {logits, w, i};
      if (nativeRun) {
        bench.run(s, cells);
      } else {
        bench.runDecomposed(s, cells);
      }
      bench.checkExact("ids " + s + nativeRun, i, ids);
      bench.check("weights " + s, w, weights, 3e-6, 1e-3);
    }
  }

  /** slots and offsets of {@code ids}. */
  private static double[][] sorted(double[] ids, int experts) {
    List<Double> slots = new ArrayList<>();
    double[] offsets = new double[experts + 1];
    for (int e = 0; e < experts; e++) {
      offsets[e] = slots.size();
      for (int i = 0; i < ids.length; i++) {
        if (ids[i] == e) {
          slots.add((double) i);
        }
      }
    }
    offsets[experts] = slots.size();
    return new double[][] {slots.stream().mapToDouble(x -> x).toArray(), offsets};
  }

  @Test
  void dispatchAndCombine() {
    for (View view : View.values()) {
      int experts = 9;
      Cell ids = bench.of(DType.I32, view, bench.integers(7 * 3, 6), 7, 3);
      Cell offsets = bench.out(DType.I32, View.DENSE, experts + 1);
      Cell slots = bench.out(DType.I32, View.DENSE, 21);
      double[][] want = sorted(ids.values(), experts);
      bench.run(new MoeDispatch(experts), ids, offsets, slots);
      bench.checkExact("slots", slots, want[0]);
      bench.checkExact("offsets", offsets, want[1]);
      bench.runDecomposed(new MoeDispatch(experts), ids, offsets, slots);
      bench.checkExact("slots decomposed", slots, want[0]);
      int n = 37;
      Cell h = bench.f32(View.SLICED, 1, 21, n);
      Cell weights = bench.f32(view, 1, 7, 3);
      Cell residual = bench.f32(7, n);
      double[] sum = new double[7 * n];
      for (int p = 0; p < 21; p++) {
        int slot = (int) want[0][p];
        for (int i = 0; i < n; i++) {
          sum[slot / 3 * n + i] += weights.values()[slot] * h.values()[p * n + i];
        }
      }
      Cell plain = bench.out(DType.F32, View.SLICED, 7, n);
      bench.run(new MoeCombine(Epilogue.NONE), h, slots, weights, plain);
      bench.check("combine", plain, sum, 1e-6, 1);
      bench.run(new MoeCombine(Epilogue.RESIDUAL), h, slots, weights, residual, residual);
      bench.check("combine residual", residual, Reference.plus(sum, residual.values()), 1e-6, 1);
      Cell again = bench.out(DType.F32, View.DENSE, 7, n);
      bench.runDecomposed(new MoeCombine(Epilogue.NONE), h, slots, weights, again);
      bench.check("combine decomposed", again, sum, 1e-6, 1);
    }
  }

  @ParameterizedTest
  @MethodSource("storages")
  void groupedMatMul(Storage s) {
    int experts = 5;
    int n = 13;
    for (int k : new int[] {32, 45}) {
      Cell x = bench.f32(View.SLICED, 1, 11, k);
      double[] offsets = {0, 0, 6, 7, 7, 11};
      Cell w = bench.weight(s.dtype(), s.scheme(), 1, experts, n, k);
      Cell out = bench.out(DType.F32, View.SLICED, 11, n);
      double[] want = new double[11 * n];
      for (int e = 0; e < experts; e++) {
        int rows = (int) (offsets[e + 1] - offsets[e]);
        double[] part =
            Reference.linear(x.values(), (int) offsets[e] * k, rows, k, w.values(), e * n * k, n);
        System.arraycopy(part, 0, want, (int) offsets[e] * n, part.length);
      }
      bench.run(new GroupedMatMul(), x, bench.i32(offsets, 6), w, out);
      bench.check("grouped " + s, out, want, 2e-6, 10);
      if (s.dtype() != DType.I4 || n * k % 2 == 0) {
        Cell again = bench.out(DType.F32, View.DENSE, 11, n);
        bench.runDecomposed(new GroupedMatMul(), x, bench.i32(offsets, 6), w, again);
        bench.check("grouped decomposed " + s, again, want, 2e-6, 10);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("storages")
  void ffn(Storage s) {
    for (int[] z :
        new int[][] {{1, 32, 24, 16}, {2, 84, 10, 0}, {17, 64, 9, 7}, {30, 20, 12, 18}}) {
      for (Epilogue epilogue : new Epilogue[] {Epilogue.NONE, Epilogue.RESIDUAL}) {
        ffn(s, z[0], z[1], z[2], z[3], epilogue);
      }
    }
  }

  private void ffn(Storage s, int tokens, int hidden, int inter, int wide, Epilogue epilogue) {
    int experts = 6;
    int k = 2;
    Cell x = bench.f32(View.SLICED, 1, tokens, hidden);
    Cell weights = bench.f32(View.SLICED, 1, tokens, k);
    double[] routing = new double[tokens * k];
    for (int t = 0; t < tokens; t++) {
      routing[t * k] = bench.random.nextInt(experts - 1);
      routing[t * k + 1] = (routing[t * k] + 1 + bench.random.nextInt(experts - 2)) % (experts - 1);
    }
    Cell ids = bench.i32(routing, tokens, k);
    Cell g = bench.weight(s.dtype(), s.scheme(), 0.3, experts, inter, hidden);
    Cell u = bench.weight(s.dtype(), s.scheme(), 0.3, experts, inter, hidden);
    Cell d = bench.weight(s.dtype(), s.scheme(), 0.3, experts, hidden, inter);
    List<Cell> cells = new ArrayList<>(List.of(x, weights, ids, g, u, d));
    double[] want = new double[tokens * hidden];
    for (int i = 0; i < tokens * k; i++) {
      int e = (int) routing[i];
      double[] one =
          Reference.mlp(
              x.values(),
              i / k * hidden,
              hidden,
              inter,
              g.values(),
              u.values(),
              e * inter * hidden,
              d.values(),
              e * inter * hidden);
      for (int j = 0; j < hidden; j++) {
        want[i / k * hidden + j] += weights.values()[i] * one[j];
      }
    }
    if (wide > 0) {
      Cell sg = bench.weight(s.dtype(), s.scheme(), 0.3, wide, hidden);
      Cell su = bench.weight(s.dtype(), s.scheme(), 0.3, wide, hidden);
      Cell sd = bench.weight(s.dtype(), s.scheme(), 0.3, hidden, wide);
      cells.addAll(List.of(sg, su, sd));
      for (int t = 0; t < tokens; t++) {
        double[] one =
            Reference.mlp(
                x.values(), t * hidden, hidden, wide, sg.values(), su.values(), 0, sd.values(), 0);
        for (int j = 0; j < hidden; j++) {
          want[t * hidden + j] += one[j];
        }
      }
    }
    if (epilogue == Epilogue.RESIDUAL) {
      Cell r = bench.f32(tokens, hidden);
      cells.add(r);
      want = Reference.plus(want, r.values());
    }
    cells.add(bench.out(DType.F32, View.SLICED, tokens, hidden));
    OperatorSpec spec = new MoeFfn(wide > 0 ? MoeFfn.Shared.SHARED : MoeFfn.Shared.NONE, epilogue);
    String what = "ffn " + s + " " + tokens + " " + hidden + " " + wide + epilogue;
    bench.run(spec, cells.toArray(Cell[]::new));
    bench.check(what, cells.getLast(), want, 5e-6, 3);
    if (s.dtype() == DType.I4 && inter * hidden % 2 != 0) {
      return;
    }
    Cell again = bench.out(DType.F32, View.DENSE, tokens, hidden);
    cells.set(cells.size() - 1, again);
    bench.runDecomposed(spec, cells.toArray(Cell[]::new));
    bench.check(what + " decomposed", again, want, 5e-6, 3);
    assertEquals(want.length, again.values().length);
  }
}
