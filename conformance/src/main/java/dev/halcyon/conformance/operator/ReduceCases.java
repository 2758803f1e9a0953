package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Reduce}: docs/spec/reduce.md. */
public final class ReduceCases implements CaseSource {
  private static final long[][] EMPTY = {{0}, {3, 0}, {2, 3, 0}, {0, 5}};
  private static final long[][] LARGE = {{1, 7168}, {2, 129280}, {512, 3}};

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(Reduce.Op.values())
        .flatMap(op -> Stream.of(DType.F32, DType.I32).flatMap(t -> definitions(op, t)))
        .flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> definitions(Reduce.Op op, DType t) {
    List<OperatorDefinition> all = new ArrayList<>();
    OperatorDefinition.Extent layouts = OperatorDefinition.Extent.LAYOUTS;
    OperatorDefinition.Extent dense = OperatorDefinition.Extent.DENSE;
    for (long[] s : Shapes.ROWS) {
      all.add(
          reduce(op, t, "uniform", s, s.length == 2 ? OperatorDefinition.Extent.QUICK : layouts));
      all.add(reduce(op, t, "whole", s, layouts));
      all.add(reduce(op, t, "special", s, dense));
      if (t == DType.F32) {
        all.add(reduce(op, t, "wide", s, dense));
      }
    }
    for (long[] s : EMPTY) {
      all.add(reduce(op, t, "uniform", s, layouts));
    }
    for (long[] s : LARGE) {
      all.add(reduce(op, t, "uniform", s, dense));
      all.add(reduce(op, t, "whole", s, dense));
    }
    return all.stream();
  }

  private static OperatorDefinition reduce(
      Reduce.Op op, DType t, String data, long[] dims, OperatorDefinition.Extent extent) {
    long[] out = dims.clone();
    out[out.length - 1] = 1;
    return OperatorDefinition.free(
        CaseId.of("hal:op/Reduce")
            .with("op", op)
            .with("dtype", t)
            .with("data", data)
            .with("shape", dims),
        "Whole numbers must come out exactly, others within gamma of the number of additions.",
        requirements(op, dims),
        new Reduce(op),
        List.of(TensorType.of(t, dims), TensorType.of(t, out)),
        d -> Contents.of(1, numbers(d, t, op, data, dims)),
        c -> List.of(expected(op, t, data, c.get(0), Shape.of(out))),
        extent);
  }

  private static Set<String> requirements(Reduce.Op op, long[] dims) {
    String id = op == Reduce.Op.SUM ? "OP-REDUCE-1" : "OP-REDUCE-2";
    return dims[dims.length - 1] == 0 ? Set.of(id, "OP-REDUCE-3") : Set.of(id);
  }

  private static HostTensor numbers(Draw d, DType t, Reduce.Op op, String data, long[] dims) {
    return switch (data) {
      case "uniform" ->
          t == DType.F32 ? d.uniform(t, 1, dims) : d.fill(t, () -> d.random().nextInt(), dims);
      case "whole" -> d.integers(t, -50, 50, dims);
      case "wide" -> d.wide(t, -30, 30, dims);
      // sums of the largest numbers overflow or not by their order
      default ->
          op == Reduce.Op.SUM && t == DType.F32
              ? d.fill(
                  t,
                  () ->
                      d.random().nextInt(40) == 0
                          ? Double.POSITIVE_INFINITY
                          : d.random().nextInt(40) == 0 ? Double.NaN : d.random().nextGaussian(),
                  dims)
              : d.special(t, dims);
    };
  }

  private static Expected expected(Reduce.Op op, DType t, String data, HostTensor x, Shape out) {
    if (op == Reduce.Op.SUM && t == DType.F32 && !data.equals("whole")) {
      return Expected.of(Real.of(x).sumRows());
    }
    int n = (int) x.shape().dim(-1);
    double[] v = new double[(int) out.elementCount()];
    for (int r = 0; r < v.length; r++) {
      double y =
          switch (op) {
            case SUM -> 0;
            case MAX -> t == DType.F32 ? Double.NEGATIVE_INFINITY : Integer.MIN_VALUE;
            case MIN -> t == DType.F32 ? Double.POSITIVE_INFINITY : Integer.MAX_VALUE;
          };
      for (int i = r * n; i < (r + 1) * n; i++) {
        double e = x.stored()[i];
        y =
            switch (op) {
              case SUM -> y + e;
              case MAX -> Math.max(y, e);
              case MIN -> Math.min(y, e);
            };
      }
      v[r] = t == DType.I32 ? (int) (long) y : y;
    }
    Expected exact = Expected.exactly(v);
    if (t == DType.F32 && data.equals("special")) {
      double[] flushed = new double[v.length];
      java.util.Arrays.fill(flushed, Real.TINY);
      return exact.flushing(flushed);
    }
    return exact;
  }
}
