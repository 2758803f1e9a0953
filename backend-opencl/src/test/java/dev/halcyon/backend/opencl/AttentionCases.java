package dev.halcyon.backend.opencl;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Attention over paged caches: ragged sequences, blocks in any order, -1 beyond the end. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class AttentionCases {
  private final Bench bench;

  AttentionCases(String... options) {
    bench = new Bench(options);
  }

  @AfterAll
  void close() {
    bench.close();
  }

  /** Block tables, and the tokens that read them. */
  private record Paging(
      Cell table, Cell sequence, Cell positions, int blocks, int blockSize, int rows) {
    int tokens() {
      return sequence.values().length;
    }

    int row(int token, int position) {
      return Reference.row(
          table.values(), blocks, (int) sequence.values()[token], position, blockSize);
    }
  }

  /** Sequences of {@code lengths}; tokens at the given (sequence, position) pairs. */
  private Paging paging(int[] lengths, int blockSize, int spare, int[]... tokens) {
    int blocks =
        Arrays.stream(lengths).map(n -> Math.ceilDiv(n, blockSize)).max().orElse(0) + spare;
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < lengths.length * blocks; i++) {
      order.add(i);
    }
    Collections.shuffle(order, bench.random);
    double[] table = new double[lengths.length * blocks];
    Arrays.fill(table, -1);
    int next = 0;
    for (int s = 0; s < lengths.length; s++) {
      for (int b = 0; b < Math.ceilDiv(lengths[s], blockSize); b++) {
        table[s * blocks + b] = order.get(next++);
      }
    }
    return new Paging(
        bench.i32(table, lengths.length, blocks),
        bench.i32(Arrays.stream(tokens).mapToDouble(t -> t[0]).toArray(), tokens.length),
        bench.i32(Arrays.stream(tokens).mapToDouble(t -> t[1]).toArray(), tokens.length),
        blocks,
        blockSize,
        order.size() * blockSize);
  }

  private List<Paging> pagings() {
    int[][] prefill = new int[23][];
    for (int i = 0; i < prefill.length; i++) {
      prefill[i] = new int[] {0, i};
    }
    int[][] ragged = {
      {1, -1}, {1, 4}, {1, 5}, {0, 200}, {2, 0}, {0, 130}, {2, 64}, {2, 63}, {1, 6}, {1, 0},
      {0, 199}
    };
    return List.of(
        paging(new int[] {1}, 16, 0, new int[] {0, 0}),
        paging(new int[] {300}, 16, 3, new int[] {0, 299}),
        paging(new int[] {23}, 5, 1, prefill),
        paging(new int[] {201, 7, 65}, 16, 2, ragged));
  }

  private void both(String what, double[] want, OperatorSpec spec, Cell... cells) {
    bench.run(spec, cells);
    Cell out = cells[cells.length - 1];
    bench.check(what + " native", out, want, 1e-5, 0.3);
    Cell again = bench.out(DType.F32, View.DENSE, out.view().shape().dims());
    Cell[] others = cells.clone();
    others[cells.length - 1] = again;
    bench.runDecomposed(spec, others);
    bench.check(what + " decomposed", again, want, 1e-5, 0.3);
  }

  @Test
  void mla() {
    for (int[] z : new int[][] {{16, 64, 32}, {3, 20, 12}, {9, 33, 7}}) {
      for (DType cd : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        for (Paging p : pagings()) {
          int heads = z[0];
          int c = z[1];
          int width = c + z[2];
          Cell q = bench.f32(View.SLICED, 1, p.tokens(), heads, width);
          Cell cache =
              bench.of(cd, View.SLICED, bench.numbers((long) p.rows() * width, 1), p.rows(), width);
          double[] want = new double[p.tokens() * heads * c];
          for (int t = 0; t < p.tokens(); t++) {
            double[][] keys = new double[(int) p.positions().values()[t] + 1][];
            for (int i = 0; i < keys.length; i++) {
              keys[i] = Reference.part(cache.values(), p.row(t, i) * width, width);
            }
            for (int h = 0; h < heads; h++) {
              double[] one = Reference.part(q.values(), (t * heads + h) * width, width);
              System.arraycopy(
                  Reference.attend(one, keys, keys, c, 0.4), 0, want, (t * heads + h) * c, c);
            }
          }
          both(
              "mla " + Arrays.toString(z) + cd,
              want,
              new MlaAttention(0.4, c, p.blockSize()),
              q,
              cache,
              p.table(),
              p.sequence(),
              p.positions(),
              bench.out(DType.F32, View.SLICED, p.tokens(), heads, c));
        }
      }
    }
  }

  @Test
  void expanded() {
    List<CompositeCases.Storage> storages =
        List.of(
            new CompositeCases.Storage(DType.BF16, QuantScheme.NONE),
            new CompositeCases.Storage(
                DType.F8_E4M3FN, new QuantScheme.Blocked(16, 16, QuantScheme.ScaleFormat.F32)));
    for (int[] z : new int[][] {{4, 32, 16, 24, 16}, {3, 20, 12, 10, 7}, {2, 33, 0, 9, 16}}) {
      for (CompositeCases.Storage s : storages) {
        for (Paging p : pagings()) {
          int heads = z[0];
          int c = z[1];
          int rope = z[2];
          int nope = z[3];
          int v = z[4];
          int width = c + rope;
          Cell q = bench.f32(View.SLICED, 1, p.tokens(), heads, nope + rope);
          Cell cache =
              bench.of(
                  DType.BF16,
                  View.SLICED,
                  bench.numbers((long) p.rows() * width, 1),
                  p.rows(),
                  width);
          Cell w = bench.weight(s.dtype(), s.scheme(), 0.3, heads * (nope + v), c);
          double[] want = new double[p.tokens() * heads * v];
          for (int t = 0; t < p.tokens(); t++) {
            int n = (int) p.positions().values()[t] + 1;
            for (int h = 0; h < heads; h++) {
              double[][] keys = new double[n][nope + rope];
              double[][] values = new double[n][];
              for (int i = 0; i < n; i++) {
                double[] kv =
                    Reference.linear(
                        cache.values(),
                        p.row(t, i) * width,
                        1,
                        c,
                        w.values(),
                        h * (nope + v) * c,
                        nope + v);
                System.arraycopy(kv, 0, keys[i], 0, nope);
                System.arraycopy(cache.values(), p.row(t, i) * width + c, keys[i], nope, rope);
                values[i] = Reference.part(kv, nope, v);
              }
              double[] one =
                  Reference.part(q.values(), (t * heads + h) * (nope + rope), nope + rope);
              System.arraycopy(
                  Reference.attend(one, keys, values, v, 0.4), 0, want, (t * heads + h) * v, v);
            }
          }
          both(
              "expanded " + Arrays.toString(z) + s,
              want,
              new MlaExpandedAttention(0.4, nope, v, p.blockSize()),
              q,
              cache,
              p.table(),
              p.sequence(),
              p.positions(),
              w,
              bench.out(DType.F32, View.SLICED, p.tokens(), heads, v));
        }
      }
    }
  }

  @Test
  void groupedQueriesDecompose() {
    Paging p = pagings().get(3);
    int heads = 6;
    int groups = 2;
    int d = 10;
    int v = 7;
    Cell q = bench.f32(p.tokens(), heads, d);
    Cell keys =
        bench.of(
            DType.F16,
            View.DENSE,
            bench.numbers((long) p.rows() * groups * d, 1),
            p.rows(),
            groups,
            d);
    Cell values =
        bench.of(
            DType.F16,
            View.DENSE,
            bench.numbers((long) p.rows() * groups * v, 1),
            p.rows(),
            groups,
            v);
    Cell out = bench.out(DType.F32, View.DENSE, p.tokens(), heads, v);
    double[] want = new double[p.tokens() * heads * v];
    for (int t = 0; t < p.tokens(); t++) {
      int n = (int) p.positions().values()[t] + 1;
      for (int h = 0; h < heads; h++) {
        double[][] k = new double[n][];
        double[][] x = new double[n][];
        for (int i = 0; i < n; i++) {
          int row = p.row(t, i) * groups + h / (heads / groups);
          k[i] = Reference.part(keys.values(), row * d, d);
          x[i] = Reference.part(values.values(), row * v, v);
        }
        double[] one = Reference.part(q.values(), (t * heads + h) * d, d);
        System.arraycopy(Reference.attend(one, k, x, v, 0.5), 0, want, (t * heads + h) * v, v);
      }
    }
    Cell[] cells = {q, keys, values, p.table(), p.sequence(), p.positions(), out};
    bench.runDecomposed(new Attention(0.5, p.blockSize()), cells);
    bench.check("attention", out, want, 1e-5, 0.3);
  }
}
