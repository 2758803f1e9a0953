package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Quantized;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Quantize} and {@code Dequantize}: docs/spec/quantization.md. */
public final class QuantizeCases implements CaseSource {
  /** One block, ragged ends, several blocks, one row, batches. */
  private static final long[][] SHAPES = {
    {1, 1}, {1, 127}, {3, 128}, {5, 129}, {2, 300}, {17, 64}, {130, 33}, {200}, {2, 3, 130}, {4, 0}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (WeightFormat w : schemes()) {
      for (long[] s : SHAPES) {
        all.add(quantize(w, "normal", s, OperatorDefinition.Extent.QUICK));
        all.add(quantize(w, "ties", s, OperatorDefinition.Extent.DENSE));
        all.add(quantize(w, "zeros", s, OperatorDefinition.Extent.DENSE));
        all.add(quantize(w, "wide", s, OperatorDefinition.Extent.DENSE));
        all.add(quantize(w, "opposites", s, OperatorDefinition.Extent.DENSE));
        all.add(dequantize(w, s, OperatorDefinition.Extent.QUICK));
      }
      all.add(quantize(w, "normal", new long[] {2, 7168}, OperatorDefinition.Extent.DENSE));
      all.add(dequantize(w, new long[] {129, 2048}, OperatorDefinition.Extent.DENSE));
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static List<WeightFormat> schemes() {
    List<WeightFormat> all = new ArrayList<>(WeightFormat.QUANTIZED);
    all.add(
        new WeightFormat(
            "fp8_1x128_ue8m0", DType.F8_E4M3FN, new Blocked(1, 128, ScaleFormat.UE8M0)));
    all.add(new WeightFormat("i8_1x64_bf16", DType.I8, new Blocked(1, 64, ScaleFormat.BF16)));
    all.add(new WeightFormat("i8_2x3_f32", DType.I8, new Blocked(2, 3, ScaleFormat.F32)));
    all.add(new WeightFormat("i4_channel", DType.I4, new Blocked(1, 0, ScaleFormat.F32)));
    return all;
  }

  private static Set<String> requirements(DType dtype) {
    String scale =
        switch (dtype) {
          case I8 -> "OP-QUANTIZE-2";
          case I4 -> "OP-QUANTIZE-3";
          default -> "OP-QUANTIZE-1";
        };
    return Set.of(scale, "OP-QUANTIZE-4", "OP-QUANTIZE-5");
  }

  private static OperatorDefinition quantize(
      WeightFormat w, String data, long[] dims, OperatorDefinition.Extent extent) {
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/Quantize")).with("data", data).with("shape", dims),
        "Stored numbers next to a midpoint may go either way where the divisions round.",
        data.equals("zeros") ? Set.of("OP-QUANTIZE-6") : requirements(w.dtype()),
        new Quantize(),
        List.of(TensorType.of(DType.F32, dims), w.type(dims)),
        List.of(Freedom.ROWS, Freedom.ROWS),
        d -> Contents.of(1, numbers(d, w.dtype(), data, dims)),
        c -> {
          Quantized q = Quantized.of(c.get(0), w.dtype(), w.blocks());
          return List.of(q.data(), q.scales());
        },
        extent);
  }

  private static HostTensor numbers(Draw d, DType dtype, String data, long[] dims) {
    return switch (data) {
      case "normal" -> d.normal(DType.F32, 3, dims);
      case "zeros" -> d.cycle(DType.F32, new double[] {0, -0.0}, dims);
      // equal magnitudes of either sign: the first decides the sign of an i4 scale
      case "opposites" -> d.fill(DType.F32, () -> d.random().nextBoolean() ? 3 : -3, dims);
      case "wide" -> d.wide(DType.F32, -8, 8, dims);
      default -> ties(d, dtype, dims);
    };
  }

  /**
   * The largest number of the format in every row and column of blocks, so that scales are 1; then
   * numbers on the midpoints of the format.
   */
  private static HostTensor ties(Draw d, DType dtype, long[] dims) {
    StorageFormat f = StorageFormat.of(dtype);
    double top = dtype == DType.I4 ? -8 : f.largest();
    int[] at = {0};
    return d.fill(
        DType.F32,
        () -> {
          // a block has three columns or more, or all there are
          if (at[0]++ % 3 == 0 || dims[dims.length - 1] < 3) {
            return top;
          }
          if (dtype != DType.F8_E4M3FN) {
            int range = dtype == DType.I4 ? 7 : 126;
            return d.random().nextInt(-range, range) + 0.5;
          }
          int code = d.random().nextInt(0x7d);
          return (f.decode(code) + f.decode(code + 1)) / 2 * (d.random().nextBoolean() ? 1 : -1);
        },
        dims);
  }

  private static OperatorDefinition dequantize(
      WeightFormat w, long[] dims, OperatorDefinition.Extent extent) {
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/Dequantize")).with("shape", dims),
        "Every stored number under scales of several binary orders.",
        Set.of("OP-DEQUANTIZE-1"),
        new Dequantize(),
        List.of(w.type(dims), TensorType.of(DType.F32, dims)),
        List.of(Freedom.ROWS, Freedom.ANY),
        d -> Contents.of(1, w.uniform(d, dims)),
        c -> List.of(expected(c.get(0))),
        extent);
  }

  private static Expected expected(HostTensor in) {
    double[] v = in.values().clone();
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = StorageFormat.F32.round(v[i]);
      flushed[i] = Math.abs(v[i]) < 2 * Real.TINY ? Real.TINY : 0;
    }
    return Expected.exactly(v).flushing(flushed);
  }
}
