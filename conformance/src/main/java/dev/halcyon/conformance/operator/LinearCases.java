package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Quantized;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.QuantizedLinear;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Linear} and {@code QuantizedLinear}: docs/spec/matmul.md. */
public final class LinearCases implements CaseSource {
  /** M, K, N: one row and several, tails of groups, blocks and tiles. */
  private static final int[][] SIZES = {
    {1, 64, 17}, {1, 129, 33}, {3, 256, 65}, {5, 31, 7}, {17, 128, 16}, {2, 384, 129}, {1, 1, 1}
  };

  private static final int[][] EPILOGUES = {{1, 96, 33}, {6, 130, 31}};
  private static final int[][] LARGE = {
    {1, 7168, 64}, {4, 2048, 96}, {1, 1536, 33}, {2, 512, 576}, {65, 512, 63}, {0, 64, 5}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (WeightFormat w : WeightFormat.floatingAndQuantized()) {
      for (int[] s : SIZES) {
        OperatorDefinition.Extent extent =
            s[0] == 3 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
        all.add(linear(w, Epilogue.NONE, "uniform", s, extent));
        all.add(linear(w, Epilogue.NONE, "whole", s, OperatorDefinition.Extent.DENSE));
      }
      for (int[] s : EPILOGUES) {
        for (Epilogue e : List.of(Epilogue.BIAS, Epilogue.RESIDUAL)) {
          all.add(linear(w, e, "uniform", s, OperatorDefinition.Extent.LAYOUTS));
          all.add(linear(w, e, "whole", s, OperatorDefinition.Extent.DENSE));
        }
      }
      for (int[] s : LARGE) {
        all.add(linear(w, Epilogue.NONE, "uniform", s, OperatorDefinition.Extent.DENSE));
        all.add(linear(w, Epilogue.NONE, "whole", s, OperatorDefinition.Extent.DENSE));
      }
    }
    activations().forEach(a -> quantized(a).forEach(all::add));
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition linear(
      WeightFormat w, Epilogue epilogue, String data, int[] s, OperatorDefinition.Extent extent) {
    List<TensorType> types = new ArrayList<>();
    List<Freedom> freedoms = new ArrayList<>(List.of(Freedom.ANY, Freedom.ROWS));
    types.add(TensorType.of(DType.F32, s[0], s[1]));
    types.add(w.type(s[2], s[1]));
    long[] added = epilogue == Epilogue.BIAS ? new long[] {s[2]} : new long[] {s[0], s[2]};
    if (epilogue != Epilogue.NONE) {
      types.add(TensorType.of(DType.F32, added));
      freedoms.add(Freedom.ANY);
    }
    types.add(TensorType.of(DType.F32, s[0], s[2]));
    freedoms.add(Freedom.ANY);
    boolean whole = data.equals("whole");
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/Linear"))
            .with("epilogue", epilogue)
            .with("data", data)
            .with("m", s[0])
            .with("k", s[1])
            .with("n", s[2]),
        "The bound is gamma_K times the sum of magnitudes; whole numbers are exact.",
        epilogue == Epilogue.NONE ? Set.of("OP-LINEAR-1") : Set.of("OP-LINEAR-1", "OP-LINEAR-2"),
        new Linear(epilogue),
        types,
        freedoms,
        d -> {
          HostTensor x =
              whole
                  ? d.integers(DType.F32, -3, 3, s[0], s[1])
                  : d.uniform(DType.F32, 1, s[0], s[1]);
          HostTensor weight = whole ? w.whole(d, s[2], s[1]) : w.uniform(d, s[2], s[1]);
          return epilogue == Epilogue.NONE
              ? Contents.of(1, x, weight)
              : Contents.of(
                  1,
                  x,
                  weight,
                  whole ? d.integers(DType.F32, -9, 9, added) : d.uniform(DType.F32, 1, added));
        },
        c -> List.of(expected(c, epilogue, data)),
        extent);
  }

  private static Expected expected(Contents c, Epilogue epilogue, String data) {
    Real product = product(c.real(0), c.get(1));
    Real out = epilogue == Epilogue.NONE ? product : product.plus(c.real(2));
    return data.equals("whole") ? Expected.exactly(out.values()) : Expected.of(out);
  }

  /** {@code x W^T} as docs/spec/matmul.md defines it. */
  static Real product(Real x, HostTensor weight) {
    return x.timesTransposed(WeightFormat.real(weight));
  }

  private static List<WeightFormat> activations() {
    return List.of(
        new WeightFormat("fp8_1x128", DType.F8_E4M3FN, QuantScheme.FP8_1X128),
        new WeightFormat(
            "fp8_1x128_ue8m0", DType.F8_E4M3FN, new Blocked(1, 128, ScaleFormat.UE8M0)),
        new WeightFormat("i8_row", DType.I8, QuantScheme.perChannel()),
        new WeightFormat("i8_g32", DType.I8, QuantScheme.grouped(32)));
  }

  private static Stream<OperatorDefinition> quantized(WeightFormat activation) {
    int[][] sizes = {{1, 128, 17}, {3, 256, 33}, {5, 300, 65}, {2, 64, 130}};
    return WeightFormat.QUANTIZED.stream()
        .flatMap(
            w ->
                Stream.concat(
                    Stream.of(sizes)
                        .map(s -> quantized(activation, w, s, OperatorDefinition.Extent.LAYOUTS)),
                    Stream.of(
                        quantized(
                            activation,
                            w,
                            new int[] {2, 7168, 16},
                            OperatorDefinition.Extent.DENSE))));
  }

  private static OperatorDefinition quantized(
      WeightFormat activation, WeightFormat w, int[] s, OperatorDefinition.Extent extent) {
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/QuantizedLinear").with("activation", activation.name()))
            .with("m", s[0])
            .with("k", s[1])
            .with("n", s[2]),
        "x is quantised first; what lies on a midpoint may go either way.",
        Set.of("OP-QUANTIZEDLINEAR-1"),
        new QuantizedLinear(activation.dtype(), activation.blocks()),
        List.of(
            TensorType.of(DType.F32, s[0], s[1]),
            w.type(s[2], s[1]),
            TensorType.of(DType.F32, s[0], s[2])),
        List.of(Freedom.ROWS, Freedom.ROWS, Freedom.ANY),
        d -> Contents.of(1, d.normal(DType.F32, 1, s[0], s[1]), w.uniform(d, s[2], s[1])),
        c ->
            List.of(
                Expected.of(
                    product(
                        Quantized.of(c.get(0), activation.dtype(), activation.blocks())
                            .dequantized(),
                        c.get(1)))),
        extent);
  }
}
