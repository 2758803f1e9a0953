package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Elementary;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** {@code RmsNorm}: docs/spec/norm.md. */
public final class RmsNormCases implements CaseSource {
  private static final DType[] WEIGHTS = {DType.F32, DType.F16, DType.BF16};
  private static final int[][] SIZES = {{1, 1}, {1, 7}, {3, 100}, {5, 513}, {17, 64}, {2, 7168}};

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(WEIGHTS)
        .flatMap(w -> Stream.of(SIZES).map(s -> norm(w, s[0], s[1])))
        .flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition norm(DType weight, int t, int n) {
    double epsilon = 1e-6;
    return new OperatorDefinition(
        CaseId.of("hal:op/RmsNorm")
            .with("weight", weight.name().toLowerCase(Locale.ROOT))
            .with("t", t)
            .with("n", n),
        "Normal rows.",
        Set.of("OP-RMSNORM-1"),
        new RmsNorm(epsilon),
        List.of(
            TensorType.of(DType.F32, t, n),
            TensorType.of(weight, n),
            TensorType.of(DType.F32, t, n)),
        List.of(Freedom.ROWS, Freedom.ROWS, Freedom.ROWS),
        d -> Contents.of(1, d.normal(DType.F32, 1, t, n), d.uniform(weight, 2, n)),
        c -> List.of(Expected.of(norm(c.real(0), c.real(1), epsilon))),
        OperatorDefinition.Extent.QUICK);
  }

  /** {@code x / sqrt(mean(x^2) + epsilon) * weight}, row by row. */
  static Real norm(Real x, Real weight, double epsilon) {
    Real mean = x.times(x).sumRows().dividedBy(x.shape().dim(-1));
    Real inverse = mean.plus(epsilon).map(Elementary.RSQRT);
    return x.timesColumn(inverse).times(weight);
  }
}
