package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.HeadMatMul.Orientation;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code HeadMatMul}: docs/spec/matmul.md. */
public final class HeadMatMulCases implements CaseSource {
  /** T, H, rowsPerHead, rowOffset, rows, C. */
  private static final int[][] SIZES = {
    {1, 2, 8, 0, 8, 16},
    {3, 4, 24, 8, 16, 64},
    {2, 3, 7, 2, 5, 33},
    {5, 1, 130, 1, 129, 65},
    {1, 16, 32, 16, 16, 128},
    {2, 5, 200, 72, 128, 130},
    {1, 1, 1, 0, 1, 1}
  };

  private static final int[][] LARGE = {{1, 3, 256, 0, 128, 512}, {2, 2, 256, 128, 128, 512}};

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (WeightFormat w : WeightFormat.floatingAndQuantized()) {
      for (Orientation o : Orientation.values()) {
        for (int[] s : SIZES) {
          OperatorDefinition.Extent extent =
              s[0] == 3 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
          all.add(product(w, o, "uniform", s, extent));
          all.add(product(w, o, "whole", s, OperatorDefinition.Extent.DENSE));
        }
        for (int[] s : LARGE) {
          all.add(product(w, o, "whole", s, OperatorDefinition.Extent.DENSE));
        }
      }
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition product(
      WeightFormat w, Orientation o, String data, int[] s, OperatorDefinition.Extent extent) {
    int in = o == Orientation.ROWS_OUT ? s[5] : s[4];
    int out = o == Orientation.ROWS_OUT ? s[4] : s[5];
    boolean whole = data.equals("whole");
    CaseId id = w.in(CaseId.of("hal:op/HeadMatMul")).with("orientation", o).with("data", data);
    return new OperatorDefinition(
        id.with("t", s[0])
            .with("h", s[1])
            .with("per", s[2])
            .with("offset", s[3])
            .with("rows", s[4])
            .with("c", s[5]),
        "The bound is gamma_K times the sum of magnitudes; whole numbers are exact.",
        Set.of(
            o == Orientation.ROWS_OUT ? "OP-HEADMATMUL-1" : "OP-HEADMATMUL-2", "OP-HEADMATMUL-3"),
        new HeadMatMul(s[2], s[3], s[4], o),
        List.of(
            TensorType.of(DType.F32, s[0], s[1], in),
            w.type((long) s[1] * s[2], s[5]),
            TensorType.of(DType.F32, s[0], s[1], out)),
        List.of(Freedom.ROWS, Freedom.ROWS, Freedom.ROWS),
        d ->
            whole
                ? Contents.of(
                    1,
                    d.integers(DType.F32, -3, 3, s[0], s[1], in),
                    w.whole(d, (long) s[1] * s[2], s[5]))
                : Contents.of(
                    1,
                    d.uniform(DType.F32, 1, s[0], s[1], in),
                    w.uniform(d, (long) s[1] * s[2], s[5])),
        c -> {
          Real r = expected(c, o, s, in, out);
          return List.of(whole ? Expected.exactly(r.values()) : Expected.of(r));
        },
        extent);
  }

  private static Real expected(Contents c, Orientation o, int[] s, int in, int out) {
    HostTensor weight = c.get(1);
    double[] w = weight.values();
    double[] x = c.get(0).stored();
    double[] v = new double[s[0] * s[1] * out];
    double[] b = new double[v.length];
    // a scaled weight is rounded once more
    double relative = Real.gamma(in) + (weight.type().isQuantized() ? Real.U : 0);
    for (int i = 0; i < v.length; i++) {
      int head = i / out % s[1];
      double magnitude = 0;
      for (int k = 0; k < in; k++) {
        int row = head * s[2] + s[3] + (o == Orientation.ROWS_OUT ? i % out : k);
        int column = o == Orientation.ROWS_OUT ? k : i % out;
        double p = x[i / out * in + k] * w[row * s[5] + column];
        v[i] += p;
        magnitude += Math.abs(p);
      }
      b[i] = relative * magnitude * Real.SECOND_ORDER + in * Real.TINY;
    }
    return Real.bounded(Shape.of(s[0], s[1], out), v, b);
  }
}
