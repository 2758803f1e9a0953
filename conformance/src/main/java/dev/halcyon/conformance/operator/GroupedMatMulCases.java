package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code GroupedMatMul}: docs/spec/moe.md. */
public final class GroupedMatMulCases implements OperatorSource {
  /** Rows of each expert. */
  private enum Runs {
    ONE_ROW(0, 0, 1, 0),
    ONE_EACH(1, 1, 1),
    FIRST_ONLY(9, 0, 0),
    LAST_ONLY(0, 0, 0, 6),
    RAGGED(3, 0, 17, 1, 0, 5),
    GAPS(0, 2, 0, 0, 4, 0),
    ALONE(5),
    ALL_EMPTY(0, 0, 0),
    MANY(0, 33, 8, 16, 31);

    private final int[] rows;

    Runs(int... rows) {
      this.rows = rows;
    }
  }

  /** N and K; even K for nibbles. */
  private static final int[][] SIZES = {{5, 34}, {33, 64}, {1, 2}, {17, 130}};

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(small(), large()).flatMap(s -> s);
  }

  private static Stream<OperatorDefinition> small() {
    return Stream.of(WeightFormat.all())
        .flatMap(
            w ->
                Stream.of(Runs.values())
                    .flatMap(
                        r ->
                            IntStream.range(0, SIZES.length)
                                .filter(i -> (r.ordinal() + i) % 2 == 0)
                                .mapToObj(
                                    i ->
                                        product(
                                            w,
                                            r,
                                            SIZES[i][0],
                                            SIZES[i][1],
                                            r == Runs.RAGGED
                                                ? OperatorDefinition.Extent.QUICK
                                                : OperatorDefinition.Extent.LAYOUTS))));
  }

  /** Several blocks of scales in both directions, ragged at the edges, and odd K. */
  private static Stream<OperatorDefinition> large() {
    return Stream.of(WeightFormat.all())
        .flatMap(
            w ->
                Stream.of(
                    product(w, Runs.GAPS, 150, 390, OperatorDefinition.Extent.DENSE),
                    product(w, Runs.RAGGED, 256, 512, OperatorDefinition.Extent.DENSE),
                    product(w, Runs.ONE_EACH, 129, 258, OperatorDefinition.Extent.LAYOUTS)));
  }

  private static OperatorDefinition product(
      WeightFormat w, Runs runs, int n, int k, OperatorDefinition.Extent extent) {
    int experts = runs.rows.length;
    int rows = Arrays.stream(runs.rows).sum();
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/GroupedMatMul"))
            .with("runs", runs.name().toLowerCase(java.util.Locale.ROOT))
            .with("n", n)
            .with("k", k),
        "Runs of rows, each with its own matrix; the matrices of empty runs hold NaN.",
        Set.of("OP-GROUPED-1", "OP-GROUPED-2"),
        new GroupedMatMul(),
        List.of(
            TensorType.of(DType.F32, rows, k),
            TensorType.of(DType.I32, experts + 1),
            w.type(experts, n, k),
            TensorType.of(DType.F32, rows, n)),
        List.of(Freedom.ANY, Freedom.ANY, Freedom.PARTS, Freedom.ANY),
        d ->
            Contents.of(
                1,
                d.normal(DType.F32, 1, rows, k),
                offsets(runs),
                WeightFormat.withoutUnused(w.draw(d, 1, experts, n, k), used(runs))),
        GroupedMatMulCases::expect,
        extent);
  }

  private static HostTensor offsets(Runs runs) {
    double[] offsets = new double[runs.rows.length + 1];
    for (int e = 0; e < runs.rows.length; e++) {
      offsets[e + 1] = offsets[e] + runs.rows[e];
    }
    return HostTensor.of(DType.I32, Shape.of(offsets.length), offsets);
  }

  private static boolean[] used(Runs runs) {
    boolean[] used = new boolean[runs.rows.length];
    for (int e = 0; e < used.length; e++) {
      used[e] = runs.rows[e] > 0;
    }
    return used;
  }

  static List<Expected> expect(Contents c) {
    Real x = c.real(0);
    Real weights = WeightFormat.real(c.get(2));
    int k = (int) x.shape().dim(1);
    int n = (int) weights.shape().dim(1);
    double[] value = new double[(int) x.shape().dim(0) * n];
    double[] bound = new double[value.length];
    for (int e = 0; e < weights.shape().dim(0); e++) {
      int begin = (int) c.get(1).stored()[e];
      int rows = (int) c.get(1).stored()[e + 1] - begin;
      Real run =
          Real.exact(
              Shape.of(rows, k), Arrays.copyOfRange(x.values(), begin * k, (begin + rows) * k));
      Real out = run.timesTransposed(WeightFormat.expert(weights, e));
      System.arraycopy(out.values(), 0, value, begin * n, rows * n);
      System.arraycopy(out.bounds(), 0, bound, begin * n, rows * n);
    }
    return List.of(new Expected(value, bound, Expected.Zeros.EQUAL));
  }
}
