package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * How a weight is stored.
 *
 * @param name for case ids
 * @param dtype of the elements
 * @param scheme of the scales
 */
record WeightFormat(String name, DType dtype, QuantScheme scheme) {
  static final WeightFormat F32 = new WeightFormat("f32", DType.F32, QuantScheme.NONE);
  static final WeightFormat F16 = new WeightFormat("f16", DType.F16, QuantScheme.NONE);
  static final WeightFormat BF16 = new WeightFormat("bf16", DType.BF16, QuantScheme.NONE);
  static final WeightFormat FP8 = new WeightFormat("fp8", DType.F8_E4M3FN, QuantScheme.NONE);
  static final WeightFormat FP8_BLOCKS =
      new WeightFormat("fp8_128x128", DType.F8_E4M3FN, QuantScheme.FP8_128X128);
  static final WeightFormat FP8_UE8M0 =
      new WeightFormat(
          "fp8_128x128_ue8m0", DType.F8_E4M3FN, new Blocked(128, 128, ScaleFormat.UE8M0));
  static final WeightFormat I8_ROWS =
      new WeightFormat("i8_rows", DType.I8, QuantScheme.perChannel());
  static final WeightFormat I8_GROUPS =
      new WeightFormat("i8_32", DType.I8, QuantScheme.grouped(32));
  static final WeightFormat I4_GROUPS =
      new WeightFormat("i4_32", DType.I4, QuantScheme.grouped(32));
  static final WeightFormat I4_WIDE =
      new WeightFormat("i4_128_bf16", DType.I4, new Blocked(1, 128, ScaleFormat.BF16));

  /** What operators of whole models are asked for. */
  static WeightFormat[] all() {
    return new WeightFormat[] {
      F32, F16, BF16, FP8, FP8_BLOCKS, FP8_UE8M0, I8_ROWS, I8_GROUPS, I4_GROUPS, I4_WIDE
    };
  }

  /** Without scales, by the names of their dtypes. */
  static final List<WeightFormat> FLOATING =
      Stream.of(DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN)
          .map(t -> new WeightFormat(t.name().toLowerCase(Locale.ROOT), t, QuantScheme.NONE))
          .toList();

  /** With scales: what products of one weight are asked for. */
  static final List<WeightFormat> QUANTIZED =
      List.of(
          FP8_BLOCKS,
          FP8_UE8M0,
          new WeightFormat("fp8_1x128", DType.F8_E4M3FN, QuantScheme.FP8_1X128),
          new WeightFormat("i8_channel", DType.I8, QuantScheme.perChannel()),
          new WeightFormat("i8_g32", DType.I8, QuantScheme.grouped(32)),
          new WeightFormat("i8_g64", DType.I8, QuantScheme.grouped(64)),
          new WeightFormat("i8_g128", DType.I8, QuantScheme.grouped(128)),
          new WeightFormat("i4_g32", DType.I4, QuantScheme.grouped(32)),
          new WeightFormat("i4_g64", DType.I4, QuantScheme.grouped(64)),
          new WeightFormat("i4_g128", DType.I4, QuantScheme.grouped(128)));

  /** {@link #FLOATING}, then {@link #QUANTIZED}. */
  static List<WeightFormat> floatingAndQuantized() {
    return Stream.concat(FLOATING.stream(), QUANTIZED.stream()).toList();
  }

  CaseId in(CaseId id) {
    return id.with("weight", name);
  }

  /** The scheme of a format with scales. */
  Blocked blocks() {
    return (Blocked) scheme;
  }

  TensorType type(long... dims) {
    return TensorType.of(dtype, dims).withQuant(scheme);
  }

  /**
   * Random elements of magnitude up to about {@code amplitude}, where scales allow; each block
   * another scale, of either sign for integers.
   */
  HostTensor draw(Draw draw, double amplitude, long... dims) {
    HostTensor data =
        switch (dtype) {
          case I8 -> draw.integers(dtype, -127, 127, dims);
          case I4 -> draw.integers(dtype, -8, 7, dims);
          case F8_E4M3FN -> fp8(draw, scheme instanceof Blocked ? 448 : amplitude, dims);
          default -> draw.uniform(dtype, amplitude, dims);
        };
    if (!(scheme instanceof Blocked blocked)) {
      return data;
    }
    double unit = amplitude / StorageFormat.of(dtype).largest();
    boolean integers = !dtype.isFloating();
    Shape scaleShape = blocked.scaleShape(Shape.of(dims));
    HostTensor scales =
        blocked.scaleFormat() == ScaleFormat.UE8M0
            ? draw.integers(
                DType.U8,
                127 + Math.getExponent(unit) - 2,
                127 + Math.getExponent(unit),
                scaleShape.dims())
            : draw.fill(
                blocked.scaleFormat().dtype(),
                () ->
                    unit
                        * (0.25 + 0.75 * draw.random().nextDouble())
                        * (integers && draw.random().nextBoolean() ? -1 : 1),
                scaleShape.dims());
    return HostTensor.quantized(data, scales, blocked);
  }

  /** Uniform numbers of magnitude up to 1, or over the range of a dtype with scales. */
  HostTensor uniform(Draw draw, long... dims) {
    return scheme instanceof Blocked blocked
        ? draw.quantized(dtype, blocked, dims)
        : draw.uniform(dtype, 1, dims);
  }

  /** Small whole numbers under scales of 1 or 2, so that sums are exact in any order. */
  HostTensor whole(Draw draw, long... dims) {
    HostTensor data = draw.integers(dtype, -3, 3, dims);
    if (!(scheme instanceof Blocked blocked)) {
      return data;
    }
    long[] scaleDims = blocked.scaleShape(data.shape()).dims();
    boolean codes = blocked.scaleFormat() == ScaleFormat.UE8M0;
    DType scaleDtype = blocked.scaleFormat().dtype();
    return HostTensor.quantized(
        data, draw.integers(scaleDtype, codes ? 127 : 1, codes ? 128 : 2, scaleDims), blocked);
  }

  /** Every code up to a number, each as likely: subnormal numbers and both zeros as well. */
  private HostTensor fp8(Draw draw, double most, long... dims) {
    StorageFormat format = StorageFormat.F8_E4M3FN;
    int codes = 1 + (int) format.encode(format.round(most));
    return draw.fill(
        dtype,
        () -> {
          double value = format.decode(draw.random().nextInt(codes));
          return draw.random().nextBoolean() ? -value : value;
        },
        dims);
  }

  /** {@code weight} [E, N, K] with NaN in every matrix that {@code used} does not name. */
  static HostTensor withoutUnused(HostTensor weight, boolean[] used) {
    if (weight.scales().isPresent()) {
      HostTensor scales = weight.scales().get();
      if (!scales.dtype().isFloating()) {
        return weight;
      }
      return new HostTensor(
          weight.type(), weight.stored(), Optional.of(withoutUnused(scales, used)));
    }
    double[] values = weight.stored().clone();
    int part = values.length / used.length;
    for (int i = 0; i < values.length; i++) {
      if (!used[i / part]) {
        values[i] = Double.NaN;
      }
    }
    return new HostTensor(weight.type(), values, Optional.empty());
  }

  /**
   * What a weight means to a product: a quantised element may be rounded to f32 first, or its scale
   * be applied to a sum, which rounds once as well.
   */
  static Real real(HostTensor weight) {
    double[] values = weight.values();
    double[] bounds = new double[values.length];
    if (weight.type().isQuantized()) {
      Arrays.setAll(bounds, i -> Real.rounding(values[i]));
    }
    return Real.bounded(weight.shape(), values, bounds);
  }

  /** One matrix of a weight [E, N, K]. */
  static Real expert(Real all, int expert) {
    int n = (int) all.shape().dim(1);
    int k = (int) all.shape().dim(2);
    int begin = expert * n * k;
    return Real.bounded(
        Shape.of(n, k),
        Arrays.copyOfRange(all.values(), begin, begin + n * k),
        Arrays.copyOfRange(all.bounds(), begin, begin + n * k));
  }
}
