package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code SwiGlu} and {@code GatedMlp}: docs/spec/mlp.md. */
public final class GatedMlpCases implements CaseSource {
  private static final int[][] ROWS = {
    {1, 1}, {1, 17}, {3, 64}, {5, 127}, {17, 33}, {33, 65}, {2, 1536}, {0, 4}, {4, 0}
  };

  /** T, H, I. */
  private static final int[][] SIZES = {
    {1, 64, 32}, {3, 65, 33}, {5, 128, 96}, {2, 256, 130}, {1, 300, 129}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (int[] s : ROWS) {
      for (String data : List.of("normal", "hundreds", "small")) {
        all.add(swiGlu(data, s, OperatorDefinition.Extent.QUICK));
      }
    }
    all.add(swiGlu("normal", new int[] {9, 18432}, OperatorDefinition.Extent.DENSE));
    for (WeightFormat w : WeightFormat.floatingAndQuantized()) {
      for (Epilogue e : List.of(Epilogue.NONE, Epilogue.RESIDUAL)) {
        for (int[] s : SIZES) {
          OperatorDefinition.Extent extent =
              s[0] == 3 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
          all.add(mlp(w, e, s, extent));
        }
        all.add(mlp(w, e, new int[] {2, 512, 384}, OperatorDefinition.Extent.DENSE));
      }
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition swiGlu(String data, int[] s, OperatorDefinition.Extent extent) {
    TensorType t = TensorType.of(DType.F32, s[0], s[1]);
    return OperatorDefinition.free(
        CaseId.of("hal:op/SwiGlu").with("data", data).with("t", s[0]).with("n", s[1]),
        "The running error of exponential, sum, quotient and two products.",
        Set.of("OP-SWIGLU-1"),
        new SwiGlu(),
        List.of(t, t, t),
        d -> Contents.of(1, numbers(d, data, s), numbers(d, data, s)),
        c -> List.of(Expected.of(c.real(0).silu().times(c.real(1)))),
        extent);
  }

  private static HostTensor numbers(Draw d, String data, int[] s) {
    return switch (data) {
      case "hundreds" -> d.uniform(DType.F32, 150, s[0], s[1]);
      case "small" -> d.wide(DType.F32, -30, -2, s[0], s[1]);
      default -> d.normal(DType.F32, 2, s[0], s[1]);
    };
  }

  private static OperatorDefinition mlp(
      WeightFormat w, Epilogue epilogue, int[] s, OperatorDefinition.Extent extent) {
    boolean residual = epilogue == Epilogue.RESIDUAL;
    TensorType rows = TensorType.of(DType.F32, s[0], s[1]);
    List<TensorType> types = new ArrayList<>();
    types.add(rows);
    types.add(w.type(s[2], s[1]));
    types.add(w.type(s[2], s[1]));
    types.add(w.type(s[1], s[2]));
    List<Freedom> freedoms = new ArrayList<>();
    freedoms.addAll(List.of(Freedom.ANY, Freedom.ROWS, Freedom.ROWS, Freedom.ROWS, Freedom.ANY));
    types.add(rows);
    if (residual) {
      types.add(rows);
      freedoms.add(Freedom.ANY);
    }
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/GatedMlp"))
            .with("epilogue", epilogue)
            .with("t", s[0])
            .with("h", s[1])
            .with("i", s[2]),
        "The running error of three products and SwiGlu.",
        residual ? Set.of("OP-GATEDMLP-1", "OP-GATEDMLP-2") : Set.of("OP-GATEDMLP-1"),
        new GatedMlp(epilogue),
        types,
        freedoms,
        d -> {
          HostTensor x = d.normal(DType.F32, 0.05, s[0], s[1]);
          HostTensor gate = w.uniform(d, s[2], s[1]);
          HostTensor up = w.uniform(d, s[2], s[1]);
          HostTensor down = w.uniform(d, s[1], s[2]);
          return residual
              ? Contents.of(1, x, gate, up, down, d.normal(DType.F32, 1, s[0], s[1]))
              : Contents.of(1, x, gate, up, down);
        },
        c -> {
          Real gate = LinearCases.product(c.real(0), c.get(1));
          Real up = LinearCases.product(c.real(0), c.get(2));
          Real out = LinearCases.product(gate.silu().times(up), c.get(3));
          return List.of(Expected.of(residual ? out.plus(c.real(4)) : out));
        },
        extent);
  }
}
