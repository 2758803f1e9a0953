package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Copy}: docs/spec/elementwise.md. */
public final class CopyCases implements CaseSource {
  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(DType.values())
        .flatMap(t -> Stream.of(Shapes.ELEMENTWISE).map(s -> copy(t, s)))
        .flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition copy(DType dtype, long[] dims) {
    TensorType type = TensorType.of(dtype, dims);
    // nibbles of one byte are not divided between two tensors
    Freedom freedom = dtype == DType.I4 ? Freedom.DENSE : Freedom.ANY;
    return new OperatorDefinition(
        CaseId.of("hal:op/Copy").with("dtype", dtype).with("shape", dims),
        "Extreme and special numbers, moved without change.",
        Set.of("OP-COPY-1"),
        new Copy(),
        List.of(type, type),
        Collections.nCopies(2, freedom),
        d -> Contents.of(1, d.special(dtype, dims)),
        c -> List.of(Expected.moved(c.get(0).stored())),
        dims.length == 2 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS);
  }
}
