package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.backend.cpu.kernels.TestWeights.Scaling;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** MOE_ROUTE, MOE_GATE_UP and MOE_DOWN against f64, empty and shared experts included. */
class MoeKernelTest {
  private static final int HIDDEN = 70;
  private static final int ROUTED = 6;
  private static final int SHARED = 1;
  private static final int ENTRIES = ROUTED + SHARED;
  private static final int K = 2;
  private static final int BLOCK = 16;

  static Stream<Named<KernelTier>> tiers() {
    return Bench.tiers();
  }

  @ParameterizedTest
  @MethodSource("tiers")
  void everyWeightType(KernelTier tier) {
    for (int type = 0; type < 6; type++) {
      for (int tokens : new int[] {1, 2, 7, 40}) {
        run(tier, type, Scaling.NONE, tokens);
        run(tier, type, new Scaling(Kernels.SCALE_F16, 1, 32), tokens);
      }
    }
    run(tier, Kernels.F8, new Scaling(Kernels.SCALE_F32, 16, 64), 5);
  }

  private static void run(KernelTier tier, int type, Scaling scaling, int tokens) {
    try (Bench bench = new Bench(tier)) {
      List<TestWeights[]> experts = new ArrayList<>();
      int widest = 0;
      long table = bench.bytes(8L * Kernels.EXPERT_WORDS * ENTRIES, 0);
      for (int e = 0; e < ENTRIES; e++) {
        int inter = e < ROUTED ? 37 : 50; // the shared expert is wider
        widest = Math.max(widest, inter);
        TestWeights gate = new TestWeights(bench, type, inter, HIDDEN, scaling, 0);
        TestWeights up = new TestWeights(bench, type, inter, HIDDEN, scaling, 0);
        TestWeights down = new TestWeights(bench, type, HIDDEN, inter, scaling, 0);
        experts.add(new TestWeights[] {gate, up, down});
        long[] words = {
          gate.data,
          gate.scales,
          up.data,
          up.scales,
          down.data,
          down.scales,
          inter,
          down.rowBytes,
          down.ldScale
        };
        for (int i = 0; i < words.length; i++) {
          Raw.ALL.set(
              java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED,
              table + 8L * (e * Kernels.EXPERT_WORDS + i),
              words[i]);
        }
      }
      int[] ids = new int[tokens * K];
      for (int i = 0; i < ids.length; i++) { // expert 4 stays empty
        ids[i] = new int[] {0, 3, 1, 5, 0, 2}[bench.random.nextInt(6)];
      }
      ids[ids.length - 1] = ROUTED; // not a routed expert: dropped
      long gates = bench.randoms((long) tokens * K);
      int slotCount = tokens * (K + SHARED);
      long offsets = bench.bytes(4 * (ENTRIES + 1), 0);
      long rows = bench.bytes(4L * slotCount, 0);
      long weights = bench.bytes(4L * slotCount, 0);
      long tasks = bench.bytes(8L * ENTRIES * 4, 0);
      long taskCount = bench.ints(0);
      bench.run(
          Kernels.MOE_ROUTE,
          Bench.slots(
              0,
              bench.ints(ids),
              gates,
              tokens,
              K,
              ROUTED,
              SHARED,
              offsets,
              rows,
              weights,
              table,
              BLOCK,
              tasks,
              taskCount),
          1);
      checkRoute(ids, gates, tokens, experts, offsets, rows, weights, tasks, taskCount);

      long x = bench.randoms((long) tokens * HIDDEN);
      long h = bench.floats((long) slotCount * widest);
      TestWeights any = experts.get(0)[0];
      bench.run(
          Kernels.MOE_GATE_UP,
          Bench.slots(
              bench.scratch,
              x,
              HIDDEN,
              HIDDEN,
              table,
              offsets,
              rows,
              tasks,
              taskCount,
              BLOCK,
              h,
              widest,
              type,
              any.rowBytes,
              any.slots[4],
              any.slots[5],
              any.slots[6],
              any.ldScale),
          ENTRIES * 4L,
          1);
      long base = bench.randoms((long) tokens * HIDDEN);
      long y = bench.floats((long) tokens * HIDDEN);
      long[] down =
          Bench.slots(
              bench.scratch,
              h,
              widest,
              tokens,
              HIDDEN,
              table,
              ENTRIES,
              offsets,
              rows,
              weights,
              y,
              HIDDEN,
              base,
              HIDDEN,
              type,
              any.slots[4],
              any.slots[5],
              any.slots[6]);
      bench.run(Kernels.MOE_DOWN, down, HIDDEN, 24);
      checkSums(
          tier.name() + " type " + type + " " + scaling + " tokens " + tokens,
          bench,
          experts,
          tokens,
          widest,
          offsets,
          rows,
          weights,
          x,
          h,
          base,
          y);
    }
  }

  private static void checkRoute(
      int[] ids,
      long gates,
      int tokens,
      List<TestWeights[]> experts,
      long offsets,
      long rows,
      long weights,
      long tasks,
      long taskCount) {
    int slot = 0;
    List<Integer> wantTasks = new ArrayList<>();
    for (int e = 0; e < ENTRIES; e++) {
      assertEquals(slot, Raw.i32(offsets + 4L * e));
      int first = slot;
      for (int t = 0; t < tokens; t++) {
        for (int j = 0; j < (e < ROUTED ? K : 1); j++) {
          if (e >= ROUTED || ids[t * K + j] == e) {
            assertEquals(t, Raw.i32(rows + 4L * slot));
            float want = e < ROUTED ? Raw.f32(gates + 4L * (t * K + j)) : 1;
            assertEquals(want, Raw.f32(weights + 4L * slot));
            slot++;
          }
        }
      }
      for (int b = 0; slot > first && b * BLOCK < experts.get(e)[0].rows; b++) {
        wantTasks.add(e);
        wantTasks.add(b);
      }
    }
    assertEquals(slot, Raw.i32(offsets + 4L * ENTRIES));
    assertEquals(wantTasks.size() / 2, Raw.i32(taskCount));
    assertArrayEquals(
        wantTasks.stream().mapToInt(Integer::intValue).toArray(),
        Bench.readInts(tasks, wantTasks.size()));
  }

  private static void checkSums(
      String what,
      Bench bench,
      List<TestWeights[]> experts,
      int tokens,
      int ldh,
      long offsets,
      long rows,
      long weights,
      long x,
      long h,
      long base,
      long y) {
    double[][] want = new double[tokens][HIDDEN];
    double[][] size = new double[tokens][HIDDEN];
    for (int t = 0; t < tokens; t++) {
      for (int n = 0; n < HIDDEN; n++) {
        want[t][n] = Raw.f32(base + 4L * (t * HIDDEN + n));
        size[t][n] = Math.abs(want[t][n]);
      }
    }
    for (int e = 0; e < ENTRIES; e++) {
      TestWeights[] expert = experts.get(e);
      for (int s = Raw.i32(offsets + 4L * e); s < Raw.i32(offsets + 4L * (e + 1)); s++) {
        int t = Raw.i32(rows + 4L * s);
        for (int i = 0; i < expert[0].rows; i++) {
          double g = 0;
          double u = 0;
          double gs = 0;
          double us = 0;
          for (int c = 0; c < HIDDEN; c++) {
            double v = Raw.f32(x + 4L * (t * HIDDEN + c));
            g += v * expert[0].values[i][c];
            u += v * expert[1].values[i][c];
            gs += Math.abs(v * expert[0].values[i][c]);
            us += Math.abs(v * expert[1].values[i][c]);
          }
          double value = g / (1 + Math.exp(-g)) * u;
          float got = Raw.f32(h + 4L * (s * ldh + i));
          // |silu'| <= 1.1
          double bound = 1e-6 * (1.1 * gs * Math.abs(u) + us * Math.abs(g) + gs * us * 1e-6);
          Bench.near(what + " h " + s + "," + i, got, value, bound + 1e-6 * Math.abs(value) + 1e-9);
        }
        for (int n = 0; n < HIDDEN; n++) { // from the h in memory: its own error is checked above
          double gate = Raw.f32(weights + 4L * s);
          for (int i = 0; i < expert[0].rows; i++) {
            double p = gate * Raw.f32(h + 4L * (s * ldh + i)) * expert[2].values[n][i];
            want[t][n] += p;
            size[t][n] += Math.abs(p);
          }
        }
      }
    }
    for (int t = 0; t < tokens; t++) {
      for (int n = 0; n < HIDDEN; n++) {
        float got = Raw.f32(y + 4L * (t * HIDDEN + n));
        Bench.near(what + " y " + t + "," + n, got, want[t][n], 1e-6 * size[t][n]);
      }
    }
  }
}
