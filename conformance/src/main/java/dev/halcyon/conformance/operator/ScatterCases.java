package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** {@code ScatterAdd} and {@code ScatterUpdate}: docs/spec/rows.md. */
public final class ScatterCases implements CaseSource {
  private static final DType[] DTYPES = {
    DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
  };

  /** Rows of source (M), width (W) and rows of out (N); M is at most N. */
  private static final int[][] SIZES = {
    {1, 1, 1}, {5, 17, 9}, {7, 64, 7}, {33, 31, 65}, {0, 4, 3}, {3, 0, 4}, {2, 257, 3}, {16, 16, 16}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    Stream<OperatorDefinition> adds =
        Stream.of(DType.F32, DType.I32)
            .flatMap(
                t ->
                    Stream.of("uniform", "wide", "one_row", "special")
                        .flatMap(data -> Stream.of(SIZES).map(s -> add(t, data, s))));
    Stream<OperatorDefinition> updates =
        Stream.of(DTYPES).flatMap(t -> Stream.of(SIZES).map(s -> update(t, s)));
    return Stream.concat(adds, updates).flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition add(DType t, String data, int[] s) {
    return definition(
        new ScatterAdd(),
        CaseId.of("hal:op/ScatterAdd").with("dtype", t).with("data", data),
        Set.of("OP-SCATTERADD-1", "OP-SCATTERADD-2"),
        t,
        s,
        d ->
            contents(
                data.equals("one_row") ? d.indices(0, 0, s[0]) : d.indices(-1, s[2] - 1, s[0]),
                numbers(d, t, data, s[0], s[1]),
                numbers(d, t, data, s[2], s[1])),
        c -> List.of(added(c, t)));
  }

  private static HostTensor numbers(Draw d, DType t, String data, long... dims) {
    if (data.equals("special")) {
      return d.special(t, dims);
    }
    if (t == DType.I32) {
      return d.fill(t, () -> d.random().nextInt(), dims);
    }
    return data.equals("wide") ? d.wide(t, -20, 20, dims) : d.uniform(t, 1, dims);
  }

  private static OperatorDefinition update(DType t, int[] s) {
    return definition(
        new ScatterUpdate(),
        CaseId.of("hal:op/ScatterUpdate").with("dtype", t).with("data", "special"),
        Set.of("OP-SCATTERUPDATE-1", "OP-SCATTERUPDATE-2"),
        t,
        s,
        d -> {
          double[] indices = new double[s[0]];
          int[] rows = d.permutation(s[2]);
          Arrays.setAll(indices, i -> d.random().nextInt(5) == 0 ? -1 : rows[i]);
          return contents(
              HostTensor.of(DType.I32, Shape.of(s[0]), indices),
              d.special(t, s[0], s[1]),
              d.special(t, s[2], s[1]));
        },
        c -> List.of(Expected.moved(updated(c))));
  }

  private static Contents contents(HostTensor... all) {
    return new Contents(Arrays.stream(all).map(Optional::of).toList());
  }

  private static OperatorDefinition definition(
      OperatorSpec spec,
      CaseId id,
      Set<String> requirements,
      DType t,
      int[] s,
      ContentSource contents,
      Oracle oracle) {
    return OperatorDefinition.free(
        id.with("m", s[0]).with("w", s[1]).with("n", s[2]),
        "Some indices are negative; rows that no index names keep their content.",
        requirements,
        spec,
        List.of(
            TensorType.of(DType.I32, s[0]),
            TensorType.of(t, s[0], s[1]),
            TensorType.of(t, s[2], s[1])),
        contents,
        oracle,
        OperatorDefinition.Extent.QUICK);
  }

  private static double[] updated(Contents c) {
    double[] out = c.get(2).stored().clone();
    int width = (int) c.get(2).shape().dim(1);
    for (int i = 0; i < c.get(0).size(); i++) {
      int row = (int) c.get(0).stored()[i];
      if (row >= 0) {
        System.arraycopy(c.get(1).stored(), i * width, out, row * width, width);
      }
    }
    return out;
  }

  private static Expected added(Contents c, DType t) {
    double[] out = c.get(2).stored().clone();
    double[] flushed = new double[out.length];
    int width = (int) c.get(2).shape().dim(1);
    for (int i = 0; i < c.get(0).size(); i++) {
      int row = (int) c.get(0).stored()[i];
      for (int k = 0; row >= 0 && k < width; k++) {
        int at = row * width + k;
        double source = c.get(1).stored()[i * width + k];
        double sum = out[at] + source;
        boolean subnormal =
            StorageFormat.F32.isSubnormal(source) || StorageFormat.F32.isSubnormal(out[at]);
        out[at] = t == DType.I32 ? (int) (long) sum : StorageFormat.F32.round(sum);
        if (t == DType.F32 && (subnormal || StorageFormat.F32.isSubnormal(out[at]))) {
          flushed[at] += 2 * Real.TINY;
        }
      }
    }
    return Expected.exactly(out).flushing(flushed);
  }
}
