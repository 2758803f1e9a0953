package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Elementary;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code MaskedSoftmax}: docs/spec/softmax.md. */
public final class MaskedSoftmaxCases implements CaseSource {
  /** Extents of x and of lengths. */
  private static final long[][][] SHAPES = {
    {{1}, {}},
    {{17}, {}},
    {{129}, {}},
    {{3, 5}, {3}},
    {{5, 64}, {5}},
    {{33, 65}, {33}},
    {{4, 31}, {1}},
    {{4, 33}, {}},
    {{2, 3, 17}, {2, 3}},
    {{2, 3, 16}, {3}},
    {{2, 3, 15}, {2, 1}},
    {{2, 2, 3, 127}, {2, 1, 1}},
    {{0, 8}, {0}}
  };

  private static final double[] SCALES = {1, 0.07216878364870323};

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (double scale : SCALES) {
      for (long[][] s : SHAPES) {
        for (String lengths : List.of("random", "full", "empty", "one")) {
          boolean quick = lengths.equals("random") && s[0].length == 2;
          OperatorDefinition.Extent extent =
              quick ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
          all.add(softmax(scale, "normal", lengths, s[0], s[1], extent));
        }
        for (String data : List.of("large", "nan_beyond", "minus_infinity", "equal")) {
          all.add(softmax(scale, data, "random", s[0], s[1], OperatorDefinition.Extent.DENSE));
        }
      }
      all.add(
          softmax(
              scale,
              "normal",
              "random",
              new long[] {3, 7168},
              new long[] {3},
              OperatorDefinition.Extent.DENSE));
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition softmax(
      double scale,
      String data,
      String lengths,
      long[] dims,
      long[] lengthDims,
      OperatorDefinition.Extent extent) {
    int n = (int) dims[dims.length - 1];
    TensorType x = TensorType.of(DType.F32, dims);
    Shape rows = Shape.of(Arrays.copyOf(dims, dims.length - 1));
    return OperatorDefinition.free(
        CaseId.of("hal:op/MaskedSoftmax")
            .with("scale", scale)
            .with("data", data)
            .with("lengths", lengths)
            .with("shape", dims)
            .with("of", lengthDims),
        "The running error of scale, maximum, difference, exponential, sum and quotient.",
        requirements(data, lengths),
        new MaskedSoftmax(scale),
        List.of(x, TensorType.of(DType.I32, lengthDims), x),
        d -> {
          HostTensor given =
              switch (lengths) {
                case "random" -> d.indices(0, n, lengthDims);
                case "full" -> d.indices(n, n, lengthDims);
                case "empty" -> d.indices(0, 0, lengthDims);
                default -> d.indices(1, 1, lengthDims);
              };
          return Contents.of(1, numbers(d, data, dims, given.broadcast(rows)), given);
        },
        c -> List.of(expected(c, scale, c.get(1).broadcast(rows), n)),
        extent);
  }

  private static Set<String> requirements(String data, String lengths) {
    if (lengths.equals("empty")) {
      return Set.of("OP-MASKEDSOFTMAX-3", "OP-MASKEDSOFTMAX-4");
    }
    return data.equals("nan_beyond")
        ? Set.of("OP-MASKEDSOFTMAX-1", "OP-MASKEDSOFTMAX-2")
        : Set.of("OP-MASKEDSOFTMAX-1", "OP-MASKEDSOFTMAX-4");
  }

  private static HostTensor numbers(Draw d, String data, long[] dims, double[] lengths) {
    int n = (int) dims[dims.length - 1];
    HostTensor x = d.normal(DType.F32, data.equals("large") ? 1e4 : 3, dims);
    double[] v = x.stored().clone();
    for (int i = 0; i < v.length; i++) {
      int column = i % n;
      switch (data) {
        case "equal" -> v[i] = 7.5;
        case "nan_beyond" -> v[i] = column >= lengths[i / n] ? Double.NaN : v[i];
        // the first element stays: a row has a maximum
        case "minus_infinity" -> v[i] = column % 3 == 1 ? Double.NEGATIVE_INFINITY : v[i];
        default -> {}
      }
    }
    return HostTensor.of(DType.F32, x.shape(), v);
  }

  private static Expected expected(Contents c, double scale, double[] lengths, int n) {
    double[] x = c.get(0).stored();
    double[] v = new double[x.length];
    double[] bound = new double[x.length];
    for (int r = 0; r < lengths.length; r++) {
      int length = (int) lengths[r];
      if (length == 0) {
        continue;
      }
      Real row =
          Real.exact(Shape.of(1, length), Arrays.copyOfRange(x, r * n, r * n + length))
              .times(scale);
      Real e = row.minus(row.maxRow()).map(Elementary.EXP);
      Real out = e.dividedByColumn(e.sumRows());
      System.arraycopy(out.values(), 0, v, r * n, length);
      System.arraycopy(out.bounds(), 0, bound, r * n, length);
    }
    return Expected.of(Real.bounded(c.get(0).shape(), v, bound));
  }
}
