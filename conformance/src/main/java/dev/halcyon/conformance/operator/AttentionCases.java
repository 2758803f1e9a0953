package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code Attention}: docs/spec/attention.md. */
public final class AttentionCases implements OperatorSource {
  private static final DType[] CACHES = {DType.F32, DType.F16, DType.BF16};

  /** Query heads, key heads: ratios 1 to 16, odd ones among them. */
  private static final int[][] HEADS = {
    {1, 1}, {3, 3}, {2, 1}, {4, 2}, {6, 2}, {8, 2}, {5, 1}, {14, 2}, {8, 1}, {12, 1}, {16, 1}
  };

  /** Dims of a key and of a value. */
  private static final int[][] DIMS = {{8, 8}, {16, 24}, {5, 3}, {1, 1}, {33, 17}, {64, 64}};

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(pagings(), heads(), shapes(), wide()).flatMap(s -> s);
  }

  /** Every cache dtype, block size and batch; heads and dims in turn. */
  private static Stream<OperatorDefinition> pagings() {
    List<Paging> all =
        Stream.of(CACHES)
            .flatMap(
                kv ->
                    IntStream.of(PagedBatch.BLOCK_SIZES)
                        .boxed()
                        .flatMap(b -> PagedBatch.all(b).stream().map(p -> new Paging(kv, p))))
            .toList();
    return IntStream.range(0, all.size())
        .mapToObj(
            i -> {
              Paging p = all.get(i);
              return attention(
                  p.cache,
                  p.cache,
                  HEADS[i % HEADS.length],
                  DIMS[i % 5],
                  p.batch,
                  Scores.PLAIN,
                  i % 13 == 5
                      ? OperatorDefinition.Extent.QUICK
                      : OperatorDefinition.Extent.LAYOUTS);
            });
  }

  private record Paging(DType cache, PagedBatch batch) {}

  /** Scores that run in every way along contexts of one block and of many. */
  private static Stream<OperatorDefinition> shapes() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (Scores scores : Scores.values()) {
      for (DType cache : CACHES) {
        for (int batch : new int[] {1, 3, 5}) {
          for (int block : new int[] {1, 16}) {
            all.add(
                attention(
                    cache,
                    cache,
                    new int[] {6, 2},
                    new int[] {16, 8},
                    PagedBatch.all(block).get(batch),
                    scores,
                    scores == Scores.HUGE && cache == DType.F16
                        ? OperatorDefinition.Extent.QUICK
                        : OperatorDefinition.Extent.LAYOUTS));
          }
        }
      }
    }
    return all.stream();
  }

  /** Every ratio of heads with every pair of dims; keys and values of any two dtypes. */
  private static Stream<OperatorDefinition> heads() {
    List<int[]> pairs =
        Stream.of(HEADS)
            .flatMap(h -> Stream.of(DIMS).map(d -> new int[] {h[0], h[1], d[0], d[1]}))
            .toList();
    return IntStream.range(0, pairs.size())
        .mapToObj(
            i -> {
              int[] p = pairs.get(i);
              return attention(
                  CACHES[i % 3],
                  CACHES[i / 3 % 3],
                  new int[] {p[0], p[1]},
                  new int[] {p[2], p[3]},
                  PagedBatch.of("pair", 5, new int[] {11, 6}, new int[][] {{0, 10}, {1, 5}}),
                  Scores.PLAIN,
                  OperatorDefinition.Extent.LAYOUTS);
            });
  }

  /** Head sizes of models, and a context long enough for every split. */
  private static Stream<OperatorDefinition> wide() {
    PagedBatch decode =
        PagedBatch.of("decode2", 16, new int[] {150, 33}, new int[][] {{0, 149}, {1, 32}});
    PagedBatch longer = PagedBatch.of("long", 64, new int[] {1500}, new int[][] {{0, 1499}});
    return Stream.of(CACHES)
        .flatMap(
            kv ->
                Stream.of(
                    wide(kv, new int[] {28, 4}, new int[] {128, 128}, decode),
                    wide(kv, new int[] {4, 4}, new int[] {192, 128}, decode),
                    wide(kv, new int[] {6, 3}, new int[] {20, 12}, PagedBatch.prompts()),
                    wide(kv, new int[] {6, 3}, new int[] {20, 12}, PagedBatch.none()),
                    wide(kv, new int[] {7, 1}, new int[] {128, 256}, decode),
                    wide(kv, new int[] {4, 2}, new int[] {24, 40}, longer)));
  }

  private static OperatorDefinition wide(DType kv, int[] heads, int[] dims, PagedBatch batch) {
    return attention(kv, kv, heads, dims, batch, Scores.PLAIN, OperatorDefinition.Extent.DENSE);
  }

  private static OperatorDefinition attention(
      DType keys,
      DType values,
      int[] heads,
      int[] dims,
      PagedBatch batch,
      Scores scores,
      OperatorDefinition.Extent extent) {
    int tokens = batch.tokenCount();
    Attention spec = new Attention(1.5 / Math.sqrt(dims[0]), batch.blockSize());
    return new OperatorDefinition(
        CaseId.of("hal:op/Attention")
            .with("batch", batch.name())
            .with("block", batch.blockSize())
            .with("scores", scores.name().toLowerCase(Locale.ROOT))
            .with("keys", keys.name().toLowerCase(Locale.ROOT))
            .with("values", values.name().toLowerCase(Locale.ROOT))
            .with("heads", heads[0])
            .with("groups", heads[1])
            .with("dim", dims[0])
            .with("valueDim", dims[1]),
        "Blocks lie scattered; rows that no token sees hold NaN.",
        Set.of("OP-ATTENTION-1", "OP-ATTENTION-2", "OP-ATTENTION-3", "OP-ATTENTION-4"),
        spec,
        List.of(
            TensorType.of(DType.F32, tokens, heads[0], dims[0]),
            TensorType.of(keys, batch.rows(), heads[1], dims[0]),
            TensorType.of(values, batch.rows(), heads[1], dims[1]),
            batch.tableType(),
            batch.perTokenType(),
            batch.perTokenType(),
            TensorType.of(DType.F32, tokens, heads[0], dims[1])),
        List.of(
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY,
            batch.tableFreedom(),
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY),
        d -> {
          HostTensor table = batch.table(d);
          return Contents.of(
              1,
              batch.query(d, scores, tokens, heads[0], dims[0]),
              batch.cache(d, table, scores, keys, batch.rows(), heads[1], dims[0]),
              batch.cache(d, table, scores, values, batch.rows(), heads[1], dims[1]),
              table,
              batch.sequence(),
              batch.positions());
        },
        c -> expect(spec, c),
        extent);
  }

  /** What {@code spec} gives. */
  static List<Expected> expect(Attention spec, Contents c) {
    return List.of(
        Expected.of(
            new AttentionOracle(c.get(3), c.get(4), c.get(5), spec.blockSize())
                .attend(
                    c.real(0), c.real(1), c.real(2), (int) c.get(2).shape().dim(2), spec.scale())));
  }
}
