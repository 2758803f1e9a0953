package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;

/** {@code Fill} and {@code Iota}: docs/spec/elementwise.md. */
public final class FillCases implements CaseSource {
  private static final DType[] DTYPES = {
    DType.F32, DType.F16, DType.BF16, DType.I64, DType.I32, DType.I8, DType.U8
  };
  private static final double[] FLOATING = {
    0, -0.0, 1, -2.5, 0.1, 1e-40, 65520, 1e30, -1e39, Double.NaN, Double.NEGATIVE_INFINITY
  };
  private static final double[] WHOLE = {0, 1, -1, 7, 100, -300, 1000, 3e9};
  private static final long[][] IOTA = {
    {1}, {0}, {2}, {17}, {64}, {257}, {7168}, {3, 5}, {5, 33}, {2, 3, 129}, {2, 2, 2, 7}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(fills(), values(), iotas()).flatMap(s -> s).flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> fills() {
    return Stream.of(DTYPES)
        .flatMap(
            t ->
                Stream.of(Shapes.ELEMENTWISE)
                    .map(s -> fill(t, 3, s, OperatorDefinition.Extent.LAYOUTS)));
  }

  private static Stream<OperatorDefinition> values() {
    return Stream.of(DTYPES)
        .flatMap(
            t ->
                Arrays.stream(t.isFloating() ? FLOATING : WHOLE)
                    .mapToObj(
                        v -> fill(t, v, new long[] {3, 17}, OperatorDefinition.Extent.QUICK)));
  }

  private static OperatorDefinition fill(
      DType dtype, double value, long[] dims, OperatorDefinition.Extent extent) {
    double stored = StorageFormat.of(dtype).round(value);
    CaseId id =
        CaseId.of("hal:op/Fill").with("dtype", dtype).with("value", value).with("shape", dims);
    return written(
        id, Set.of("OP-FILL-1"), new Fill(value), TensorType.of(dtype, dims), i -> stored, extent);
  }

  private static Stream<OperatorDefinition> iotas() {
    return Stream.of(DType.F32, DType.I32)
        .flatMap(
            t ->
                Stream.of(IOTA)
                    .map(
                        s -> {
                          int n = (int) s[s.length - 1];
                          return written(
                              CaseId.of("hal:op/Iota").with("dtype", t).with("shape", s),
                              Set.of("OP-IOTA-1"),
                              new Iota(),
                              TensorType.of(t, s),
                              i -> i % n,
                              OperatorDefinition.Extent.QUICK);
                        }));
  }

  private static OperatorDefinition written(
      CaseId id,
      Set<String> requirements,
      OperatorSpec spec,
      TensorType type,
      IntToDoubleFunction element,
      OperatorDefinition.Extent extent) {
    return OperatorDefinition.free(
        id,
        "No inputs.",
        requirements,
        spec,
        List.of(type),
        d -> Contents.of(1),
        c -> {
          double[] v = new double[(int) type.elementCount()];
          Arrays.setAll(v, element);
          return List.of(Expected.exactly(v));
        },
        extent);
  }
}
