package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Select}: docs/spec/elementwise.md. */
public final class SelectCases implements CaseSource {
  /** Extents of condition, a, b and out. */
  private static final long[][][] BROADCASTS = {
    {{3, 1}, {3, 5}, {5}, {3, 5}},
    {{5}, {}, {1}, {3, 5}},
    {{1}, {2, 3, 7}, {7}, {2, 3, 7}},
    {{2, 1, 7}, {3, 1}, {1, 1, 1}, {2, 3, 7}},
    {{2, 1, 3, 1}, {4}, {5, 1, 4}, {2, 5, 3, 4}}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(DType.F32, DType.I32, DType.U8)
        .flatMap(c -> Stream.of(DType.F32, DType.I32).flatMap(t -> definitions(c, t)))
        .flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> definitions(DType condition, DType t) {
    return Stream.concat(
        Stream.of(Shapes.ELEMENTWISE).map(s -> select(condition, t, s, s, s, s)),
        Stream.of(BROADCASTS).map(b -> select(condition, t, b[0], b[1], b[2], b[3])));
  }

  private static OperatorDefinition select(
      DType condition, DType t, long[] shape, long[] a, long[] b, long[] out) {
    CaseId id = CaseId.of("hal:op/Select").with("condition", condition).with("dtype", t);
    return OperatorDefinition.free(
        id.with("c", shape).with("a", a).with("b", b).with("out", out),
        "Conditions are zero in half of the cases, -0, subnormal and NaN among them.",
        Set.of("OP-SELECT-1"),
        new Select(),
        List.of(
            TensorType.of(condition, shape),
            TensorType.of(t, a),
            TensorType.of(t, b),
            TensorType.of(t, out)),
        d -> Contents.of(1, conditions(d, condition, shape), d.special(t, a), d.special(t, b)),
        c -> List.of(expected(c, Shape.of(out))),
        out.length == 2 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS);
  }

  private static HostTensor conditions(Draw d, DType dtype, long[] dims) {
    double[] set = StorageFormat.of(dtype).specials();
    return d.fill(
        dtype, () -> d.random().nextBoolean() ? 0 : set[d.random().nextInt(set.length)], dims);
  }

  private static Expected expected(Contents c, Shape out) {
    double[] condition = c.get(0).broadcast(out);
    double[] a = c.get(1).broadcast(out);
    double[] b = c.get(2).broadcast(out);
    boolean floating = c.get(0).dtype() == DType.F32;
    double[] v = new double[a.length];
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = condition[i] != 0 ? a[i] : b[i];
      if (floating && StorageFormat.F32.isSubnormal(condition[i])) {
        flushed[i] = Double.POSITIVE_INFINITY;
      }
    }
    return Expected.moved(v).flushing(flushed);
  }
}
