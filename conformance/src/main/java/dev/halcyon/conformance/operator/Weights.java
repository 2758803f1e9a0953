package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Optional;

/**
 * A way to store a weight: a floating dtype, or a quantised one.
 *
 * @param name in case ids
 * @param dtype of the stored numbers
 * @param scheme of the scales, if quantised
 */
record Weights(String name, DType dtype, Optional<Blocked> scheme) {
  static final List<Weights> FLOATING =
      List.of(plain(DType.F32), plain(DType.F16), plain(DType.BF16), plain(DType.F8_E4M3FN));

  static final List<Weights> QUANTIZED =
      List.of(
          quantized("fp8_128x128", DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_128X128),
          quantized("fp8_128x128_ue8m0", DType.F8_E4M3FN, new Blocked(128, 128, ScaleFormat.UE8M0)),
          quantized("fp8_1x128", DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_1X128),
          quantized("i8_channel", DType.I8, (Blocked) QuantScheme.perChannel()),
          quantized("i8_g32", DType.I8, (Blocked) QuantScheme.grouped(32)),
          quantized("i8_g64", DType.I8, (Blocked) QuantScheme.grouped(64)),
          quantized("i8_g128", DType.I8, (Blocked) QuantScheme.grouped(128)),
          quantized("i4_g32", DType.I4, (Blocked) QuantScheme.grouped(32)),
          quantized("i4_g64", DType.I4, (Blocked) QuantScheme.grouped(64)),
          quantized("i4_g128", DType.I4, (Blocked) QuantScheme.grouped(128)));

  private static Weights plain(DType dtype) {
    return new Weights(dtype.name().toLowerCase(java.util.Locale.ROOT), dtype, Optional.empty());
  }

  static Weights quantized(String name, DType dtype, Blocked scheme) {
    return new Weights(name, dtype, Optional.of(scheme));
  }

  TensorType type(long... dims) {
    TensorType t = TensorType.of(dtype, dims);
    return scheme.isPresent() ? t.withQuant(scheme.get()) : t;
  }

  /** Numbers over the range of the dtype. */
  HostTensor draw(Draw d, long... dims) {
    return scheme.isPresent() ? d.quantized(dtype, scheme.get(), dims) : d.uniform(dtype, 1, dims);
  }

  /** Small whole numbers under scales of 1 or 2, so that sums are exact in any order. */
  HostTensor whole(Draw d, long... dims) {
    HostTensor data = d.integers(dtype, -3, 3, dims);
    if (scheme.isEmpty()) {
      return data;
    }
    Blocked s = scheme.get();
    long[] scaleDims = s.scaleShape(data.shape()).dims();
    boolean codes = s.scaleFormat() == ScaleFormat.UE8M0;
    return HostTensor.quantized(
        data, d.integers(s.scaleFormat().dtype(), codes ? 127 : 1, codes ? 128 : 2, scaleDims), s);
  }

  CaseId in(CaseId id) {
    return id.with("weight", name);
  }

  /** What a weight means; a scaled one rounds once where it is multiplied. */
  static Real real(HostTensor weight) {
    if (!weight.type().isQuantized()) {
      return Real.of(weight);
    }
    double[] v = weight.values();
    double[] b = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      b[i] = Real.rounding(v[i]);
    }
    return Real.bounded(weight.shape(), v, b);
  }
}
