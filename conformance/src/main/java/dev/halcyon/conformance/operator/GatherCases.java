package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Gather} and {@code EmbeddingLookup}: docs/spec/rows.md. */
public final class GatherCases implements CaseSource {
  private static final DType[] DTYPES = {
    DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
  };

  /** Extents of table and indices. */
  private static final long[][][] SHAPES = {
    {{1, 1}, {1}}, {{7, 17}, {5}}, {{33, 64}, {65}}, {{9, 3, 5}, {4}}, {{9, 15}, {2, 3}},
    {{11}, {7}}, {{5, 6}, {0}}, {{6, 0}, {3}}, {{4, 2, 3, 2}, {3, 2}}, {{5, 31}, {}}
  };

  /** Rows, width and tokens of embeddings. */
  private static final int[][] EMBEDDINGS = {
    {1, 1, 1}, {3, 7, 5}, {100, 64, 17}, {31, 129, 2}, {257, 33, 33}, {5, 4, 0}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    Stream<OperatorDefinition> gathers =
        Stream.of(DTYPES)
            .flatMap(
                t ->
                    Stream.of(SHAPES)
                        .map(
                            s ->
                                gather(
                                    t,
                                    s[0],
                                    s[1],
                                    s[0].length == 2
                                        ? OperatorDefinition.Extent.QUICK
                                        : OperatorDefinition.Extent.LAYOUTS)));
    Stream<OperatorDefinition> large =
        Stream.of(DType.F32, DType.BF16)
            .map(
                t ->
                    gather(
                        t,
                        new long[] {129280, 16},
                        new long[] {33},
                        OperatorDefinition.Extent.DENSE));
    Stream<OperatorDefinition> embeddings =
        Stream.of(DType.F32, DType.F16, DType.BF16)
            .flatMap(
                t ->
                    Stream.concat(
                        Stream.of(EMBEDDINGS)
                            .map(
                                s ->
                                    embedding(
                                        t, s[0], s[1], s[2], OperatorDefinition.Extent.QUICK)),
                        Stream.of(
                            embedding(t, 64, 7168, 5, OperatorDefinition.Extent.DENSE),
                            embedding(t, 129280, 8, 33, OperatorDefinition.Extent.DENSE))));
    return Stream.of(gathers, large, embeddings).flatMap(s -> s).flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition gather(
      DType t, long[] table, long[] indices, OperatorDefinition.Extent extent) {
    long[] out = new long[indices.length + table.length - 1];
    System.arraycopy(indices, 0, out, 0, indices.length);
    System.arraycopy(table, 1, out, indices.length, table.length - 1);
    int rows = (int) table[0];
    return OperatorDefinition.free(
        CaseId.of("hal:op/Gather").with("dtype", t).with("table", table).with("indices", indices),
        "Indices repeat, some are negative.",
        Set.of("OP-GATHER-1", "OP-GATHER-2"),
        new Gather(),
        List.of(TensorType.of(t, table), TensorType.of(DType.I32, indices), TensorType.of(t, out)),
        d -> Contents.of(1, d.special(t, table), d.indices(-2, rows - 1, indices)),
        c -> List.of(Expected.moved(rows(c, Shape.of(out)))),
        extent);
  }

  private static OperatorDefinition embedding(
      DType t, int rows, int width, int tokens, OperatorDefinition.Extent extent) {
    return OperatorDefinition.free(
        CaseId.of("hal:op/EmbeddingLookup")
            .with("table", t)
            .with("v", rows)
            .with("h", width)
            .with("t", tokens),
        "Extreme and special numbers, widened.",
        Set.of("OP-EMBEDDINGLOOKUP-1"),
        new EmbeddingLookup(),
        List.of(
            TensorType.of(t, rows, width),
            TensorType.of(DType.I32, tokens),
            TensorType.of(DType.F32, tokens, width)),
        d -> Contents.of(1, d.special(t, rows, width), d.indices(0, rows - 1, tokens)),
        c -> {
          double[] v = rows(c, Shape.of(tokens, width));
          // subnormal numbers of the narrow formats may be computed with when widened
          double[] flushed = new double[v.length];
          for (int i = 0; i < v.length; i++) {
            flushed[i] = t != DType.F32 && Math.abs(v[i]) < 0x1p-120 ? Math.abs(v[i]) : 0;
          }
          return List.of(Expected.moved(v).flushing(flushed));
        },
        extent);
  }

  private static double[] rows(Contents c, Shape out) {
    double[] table = c.get(0).stored();
    double[] indices = c.get(1).stored();
    double[] v = new double[(int) out.elementCount()];
    int width = indices.length == 0 ? 0 : v.length / indices.length;
    for (int i = 0; i < v.length; i++) {
      int row = (int) indices[i / width];
      v[i] = row < 0 ? 0 : table[row * width + i % width];
    }
    return v;
  }
}
