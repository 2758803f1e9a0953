package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** {@code MatMul}: docs/spec/matmul.md. */
public final class MatMulCases implements CaseSource {
  private static final DType[] DTYPES = {DType.F32, DType.F16, DType.BF16};

  /** M, K, N: single rows, odd tails of every usual tile, tall, wide, and an empty sum. */
  private static final int[][] SIZES = {
    {1, 1, 1}, {1, 7, 5}, {3, 64, 33}, {5, 31, 17}, {16, 16, 16}, {33, 129, 65}, {2, 0, 3}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(DTYPES)
        .flatMap(
            a ->
                Stream.of(DTYPES)
                    .flatMap(b -> Stream.of(SIZES).map(s -> product(a, b, s[0], s[1], s[2]))))
        .flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition product(DType a, DType b, int m, int k, int n) {
    CaseId id =
        CaseId.of("hal:op/MatMul")
            .with("a", a.name().toLowerCase(Locale.ROOT))
            .with("b", b.name().toLowerCase(Locale.ROOT))
            .with("m", m)
            .with("k", k)
            .with("n", n);
    return new OperatorDefinition(
        id,
        "Uniform operands; the bound is gamma_K times the sum of magnitudes.",
        Set.of("OP-MATMUL-1", "OP-MATMUL-2"),
        new MatMul(),
        List.of(TensorType.of(a, m, k), TensorType.of(b, k, n), TensorType.of(DType.F32, m, n)),
        List.of(Freedom.ANY, Freedom.ANY, Freedom.ANY),
        d -> Contents.of(1, d.uniform(a, 1, m, k), d.uniform(b, 1, k, n)),
        c -> List.of(Expected.of(c.real(0).timesTransposed(Real.of(transpose(c.get(1)))))),
        OperatorDefinition.Extent.QUICK);
  }

  private static HostTensor transpose(HostTensor t) {
    int rows = (int) t.shape().dim(0);
    int columns = (int) t.shape().dim(1);
    double[] values = new double[t.size()];
    for (int i = 0; i < values.length; i++) {
      values[i % columns * rows + i / columns] = t.stored()[i];
    }
    return HostTensor.of(t.dtype(), dev.halcyon.hal.tensor.Shape.of(columns, rows), values);
  }
}
