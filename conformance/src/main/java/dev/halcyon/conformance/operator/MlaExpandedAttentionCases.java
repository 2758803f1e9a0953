package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code MlaExpandedAttention}: docs/spec/attention.md. */
public final class MlaExpandedAttentionCases implements OperatorSource {
  private static final DType[] CACHES = {DType.F32, DType.F16, DType.BF16};

  /** Heads, latent, unrotated dims, rotated dims, value dims; an even latent for nibbles. */
  private static final int[][] SIZES = {
    {2, 16, 8, 4, 8}, {1, 32, 4, 2, 6}, {3, 34, 5, 3, 7}, {4, 8, 6, 0, 3}, {5, 64, 16, 8, 16}
  };

  private static final int[][] ODD = {{1, 1, 1, 1, 1}, {3, 33, 7, 5, 9}, {2, 7, 3, 0, 5}};

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(formats(), odd(), real()).flatMap(s -> s);
  }

  /** Every weight format with every batch; block sizes, caches and sizes in turn. */
  private static Stream<OperatorDefinition> formats() {
    WeightFormat[] formats = WeightFormat.all();
    int batches = PagedBatch.all(1).size();
    return IntStream.range(0, formats.length * batches)
        .mapToObj(
            i -> {
              int block = PagedBatch.BLOCK_SIZES[i % 4];
              return attention(
                  CACHES[i % 3],
                  formats[i / batches],
                  SIZES[i % SIZES.length],
                  PagedBatch.all(block).get(i % batches),
                  i % 14 == 1
                      ? OperatorDefinition.Extent.QUICK
                      : OperatorDefinition.Extent.LAYOUTS);
            });
  }

  private static Stream<OperatorDefinition> odd() {
    PagedBatch batch = PagedBatch.all(3).get(7);
    return Stream.of(WeightFormat.all())
        .filter(w -> w.dtype() != DType.I4)
        .flatMap(
            w ->
                Stream.of(ODD)
                    .map(
                        z ->
                            attention(DType.BF16, w, z, batch, OperatorDefinition.Extent.LAYOUTS)));
  }

  /** The head of DeepSeek-V2 and V3, and blocks of scales that span heads. */
  private static Stream<OperatorDefinition> real() {
    PagedBatch prompt =
        PagedBatch.of(
            "prompt5",
            64,
            new int[] {40},
            new int[][] {{0, 35}, {0, 36}, {0, 37}, {0, 38}, {0, 39}});
    return Stream.of(WeightFormat.all())
        .flatMap(
            w ->
                Stream.of(
                    attention(
                        DType.F16,
                        w,
                        new int[] {3, 32, 12, 6, 10},
                        PagedBatch.prompts(),
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        DType.F16,
                        w,
                        new int[] {3, 32, 12, 6, 10},
                        PagedBatch.none(),
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        DType.F32,
                        w,
                        new int[] {2, 512, 128, 64, 128},
                        prompt,
                        OperatorDefinition.Extent.DENSE),
                    attention(
                        DType.BF16,
                        w,
                        new int[] {3, 192, 48, 16, 32},
                        prompt,
                        OperatorDefinition.Extent.DENSE)));
  }

  private static OperatorDefinition attention(
      DType cache, WeightFormat w, int[] size, PagedBatch batch, OperatorDefinition.Extent extent) {
    int tokens = batch.tokenCount();
    int heads = size[0];
    int latent = size[1];
    int nope = size[2];
    int rope = size[3];
    int valueDim = size[4];
    long weightRows = heads * (long) (nope + valueDim);
    MlaExpandedAttention spec =
        new MlaExpandedAttention(1.2 / Math.sqrt(nope + rope), nope, valueDim, batch.blockSize());
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/MlaExpandedAttention"))
            .with("batch", batch.name())
            .with("block", batch.blockSize())
            .with("cache", cache.name().toLowerCase(Locale.ROOT))
            .with("heads", heads)
            .with("latent", latent)
            .with("nope", nope)
            .with("rope", rope)
            .with("valueDim", valueDim),
        "Keys and values of each head from the latent; rows that no token sees hold NaN.",
        Set.of("OP-MLAEXPANDED-1", "OP-ATTENTION-2", "OP-ATTENTION-3", "OP-ATTENTION-4"),
        spec,
        List.of(
            TensorType.of(DType.F32, tokens, heads, nope + rope),
            TensorType.of(cache, batch.rows(), latent + rope),
            batch.tableType(),
            batch.perTokenType(),
            batch.perTokenType(),
            w.type(weightRows, latent),
            TensorType.of(DType.F32, tokens, heads, valueDim)),
        List.of(
            Freedom.ANY,
            Freedom.ANY,
            batch.tableFreedom(),
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ROWS,
            Freedom.ANY),
        d -> {
          HostTensor table = batch.table(d);
          return Contents.of(
              1,
              d.normal(DType.F32, 1, tokens, heads, nope + rope),
              batch.cache(d, table, Scores.PLAIN, cache, batch.rows(), latent + rope),
              table,
              batch.sequence(),
              batch.positions(),
              w.draw(d, 2 / Math.sqrt(latent), weightRows, latent));
        },
        c -> expect(spec, c),
        extent);
  }

  /** What {@code spec} gives. */
  static List<Expected> expect(MlaExpandedAttention spec, Contents c) {
    HostTensor cache = c.get(1);
    int rows = (int) cache.shape().dim(0);
    int heads = (int) c.get(0).shape().dim(1);
    int latent = (int) c.get(5).shape().dim(1);
    int row = (int) cache.shape().dim(1);
    int nope = spec.nopeDim();
    int rope = row - latent;
    int valueDim = spec.valueDim();
    double[] latents = new double[rows * latent];
    for (int r = 0; r < rows; r++) {
      System.arraycopy(cache.stored(), r * row, latents, r * latent, latent);
    }
    Real expanded =
        Real.exact(Shape.of(rows, latent), latents).timesTransposed(WeightFormat.real(c.get(5)));
    Real stored = Real.of(cache);
    int width = nope + rope;
    Parts keys = new Parts(rows * heads, width);
    Parts values = new Parts(rows * heads, valueDim);
    for (int i = 0; i < rows * heads; i++) {
      int from = i * (nope + valueDim);
      keys.copy(expanded, from, i, 0, nope);
      keys.copy(stored, i / heads * row + latent, i, nope, rope);
      values.copy(expanded, from + nope, i, 0, valueDim);
    }
    return List.of(
        Expected.of(
            new AttentionOracle(c.get(2), c.get(3), c.get(4), spec.blockSize())
                .attend(
                    c.real(0),
                    keys.real(rows, heads),
                    values.real(rows, heads),
                    valueDim,
                    spec.scale())));
  }

  /** Vectors put together from others. */
  private record Parts(double[] value, double[] bound, int width) {
    Parts(int vectors, int width) {
      this(new double[vectors * width], new double[vectors * width], width);
    }

    void copy(Real from, int at, int vector, int begin, int n) {
      System.arraycopy(from.values(), at, value, vector * width + begin, n);
      System.arraycopy(from.bounds(), at, bound, vector * width + begin, n);
    }

    Real real(int rows, int heads) {
      return Real.bounded(Shape.of(rows, heads, width), value, bound);
    }
  }
}
