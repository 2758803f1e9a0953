package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code MlaAttention}: docs/spec/attention.md. */
public final class MlaAttentionCases implements OperatorSource {
  private static final DType[] CACHES = {DType.F32, DType.F16, DType.BF16};

  /** Heads, latent, rotated dims. */
  private static final int[][] SIZES = {
    {1, 8, 4}, {4, 16, 8}, {3, 20, 12}, {9, 33, 7}, {2, 5, 0}, {16, 64, 32}, {1, 1, 1}
  };

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(pagings(), shapes(), real()).flatMap(s -> s);
  }

  private static Stream<OperatorDefinition> pagings() {
    List<PagedBatch> batches =
        IntStream.of(PagedBatch.BLOCK_SIZES)
            .boxed()
            .flatMap(b -> PagedBatch.all(b).stream())
            .toList();
    int n = batches.size();
    return IntStream.range(0, n * CACHES.length)
        .mapToObj(
            i ->
                attention(
                    CACHES[i / n],
                    SIZES[i % SIZES.length],
                    batches.get(i % n),
                    Scores.PLAIN,
                    i % 7 == 2
                        ? OperatorDefinition.Extent.QUICK
                        : OperatorDefinition.Extent.LAYOUTS));
  }

  /** Scores that run in every way along contexts of one block and of many. */
  private static Stream<OperatorDefinition> shapes() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (Scores scores : Scores.values()) {
      for (DType cache : CACHES) {
        for (int batch : new int[] {1, 3, 5}) {
          all.add(
              attention(
                  cache,
                  new int[] {5, 32, 8},
                  PagedBatch.all(16).get(batch),
                  scores,
                  OperatorDefinition.Extent.LAYOUTS));
        }
      }
    }
    return all.stream();
  }

  /** The geometries of DeepSeek-V2-Lite and V3, in decoding and in a prompt. */
  private static Stream<OperatorDefinition> real() {
    PagedBatch decode =
        PagedBatch.of("decode2", 64, new int[] {70, 33}, new int[][] {{0, 69}, {1, 32}});
    PagedBatch one = PagedBatch.of("decode1", 64, new int[] {65}, new int[][] {{0, 64}});
    PagedBatch rows = PagedBatch.of("long", 1, new int[] {700}, new int[][] {{0, 699}});
    PagedBatch longer = PagedBatch.of("long", 64, new int[] {1100}, new int[][] {{0, 1099}});
    return Stream.of(CACHES)
        .flatMap(
            c ->
                Stream.of(
                    attention(
                        c,
                        new int[] {128, 512, 64},
                        one,
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        c,
                        new int[] {16, 512, 64},
                        decode,
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        c,
                        new int[] {4, 48, 16},
                        longer,
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        c,
                        new int[] {2, 12, 4},
                        rows,
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        c,
                        new int[] {4, 48, 16},
                        PagedBatch.none(),
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        c,
                        new int[] {5, 40, 12},
                        PagedBatch.prompts(),
                        Scores.PLAIN,
                        OperatorDefinition.Extent.DENSE)));
  }

  private static OperatorDefinition attention(
      DType cache, int[] size, PagedBatch batch, Scores scores, OperatorDefinition.Extent extent) {
    int tokens = batch.tokenCount();
    int heads = size[0];
    int latent = size[1];
    int row = latent + size[2];
    MlaAttention spec = new MlaAttention(1.3 / Math.sqrt(row), latent, batch.blockSize());
    return new OperatorDefinition(
        CaseId.of("hal:op/MlaAttention")
            .with("batch", batch.name())
            .with("block", batch.blockSize())
            .with("scores", scores.name().toLowerCase(Locale.ROOT))
            .with("cache", cache.name().toLowerCase(Locale.ROOT))
            .with("heads", heads)
            .with("latent", latent)
            .with("rope", size[2]),
        "Blocks lie scattered; rows that no token sees hold NaN.",
        Set.of("OP-MLA-1", "OP-ATTENTION-2", "OP-ATTENTION-3", "OP-ATTENTION-4"),
        spec,
        List.of(
            TensorType.of(DType.F32, tokens, heads, row),
            TensorType.of(cache, batch.rows(), row),
            batch.tableType(),
            batch.perTokenType(),
            batch.perTokenType(),
            TensorType.of(DType.F32, tokens, heads, latent)),
        List.of(
            Freedom.ANY, Freedom.ANY, batch.tableFreedom(), Freedom.ANY, Freedom.ANY, Freedom.ANY),
        d -> {
          HostTensor table = batch.table(d);
          return Contents.of(
              1,
              batch.query(d, scores, tokens, heads, row),
              batch.cache(d, table, scores, cache, batch.rows(), row),
              table,
              batch.sequence(),
              batch.positions());
        },
        c -> expect(spec, c),
        extent);
  }

  /** What {@code spec} gives: the one cache row of a position is key and value of every head. */
  static List<Expected> expect(MlaAttention spec, Contents c) {
    Real cache = c.real(1);
    Real rows = cache.reshape(cache.shape().dim(0), 1, cache.shape().dim(1));
    return List.of(
        Expected.of(
            new AttentionOracle(c.get(2), c.get(3), c.get(4), spec.blockSize())
                .attend(c.real(0), rows, rows, spec.latentDim(), spec.scale())));
  }
}
