package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Cast}: docs/spec/elementwise.md. */
public final class CastCases implements CaseSource {
  private static final DType[] DTYPES = {
    DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
  };
  private static final long[][] SHAPES = {{}, {1}, {17}, {0}, {5, 33}, {2, 3, 7}};

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(DTYPES)
        .flatMap(from -> Stream.of(DTYPES).flatMap(to -> pair(from, to)))
        .flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> pair(DType from, DType to) {
    List<OperatorDefinition> all = new ArrayList<>();
    for (long[] s : SHAPES) {
      OperatorDefinition.Extent extent =
          s.length == 2 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
      all.add(cast(from, to, "special", s, d -> d.special(from, s), extent));
    }
    long[] many = {4, 250};
    all.add(dense(from, to, "uniform", many, d -> d.uniform(from, 300, many)));
    if (from.isFloating()) {
      all.add(dense(from, to, "wide", many, d -> d.wide(from, -40, 40, many)));
      all.add(dense(from, to, "quarters", many, d -> quarters(d, from, many)));
    }
    if (from.bits() <= 16) {
      long[] codes = {1L << from.bits()};
      all.add(dense(from, to, "codes", codes, d -> codes(from)));
    }
    if (from == DType.F32 && to.isFloating() && to.bits() <= 16) {
      double[] midpoints = midpoints(StorageFormat.of(to));
      long[] dims = {midpoints.length};
      all.add(dense(from, to, "midpoints", dims, d -> d.cycle(from, midpoints, dims)));
    }
    return all.stream();
  }

  private static HostTensor quarters(Draw d, DType dtype, long[] dims) {
    return d.fill(dtype, () -> d.random().nextInt(-1100, 1100) / 4.0, dims);
  }

  /** Every number of a narrow format. */
  private static HostTensor codes(DType dtype) {
    StorageFormat format = StorageFormat.of(dtype);
    double[] all = new double[1 << dtype.bits()];
    for (int i = 0; i < all.length; i++) {
      all[i] = format.decode(i);
    }
    return HostTensor.of(dtype, dev.halcyon.hal.tensor.Shape.of(all.length), all);
  }

  /** Halfway between any two neighbours of a format, and the numbers of f32 beside it. */
  private static double[] midpoints(StorageFormat format) {
    int codes = 1 << format.storageBits() - 1;
    double[] all = new double[6 * codes];
    for (int i = 0; i < codes; i++) {
      double low = format.decode(i);
      double high = format.decode(i + 1);
      // above the largest: as if the next number existed; infinities and NaN have none
      double above = Double.isFinite(high) && i + 1 < codes ? high : 2 * low - format.decode(i - 1);
      float middle = (float) ((low + above) / 2);
      all[6 * i] = middle;
      all[6 * i + 1] = Math.nextUp(middle);
      all[6 * i + 2] = Math.nextDown(middle);
      for (int k = 0; k < 3; k++) {
        all[6 * i + 3 + k] = -all[6 * i + k];
      }
    }
    return all;
  }

  private static OperatorDefinition dense(
      DType from, DType to, String data, long[] dims, Generator generator) {
    return cast(from, to, data, dims, generator, OperatorDefinition.Extent.DENSE);
  }

  /** Makes the one input. */
  private interface Generator {
    HostTensor generate(Draw draw);
  }

  private static OperatorDefinition cast(
      DType from,
      DType to,
      String data,
      long[] dims,
      Generator generator,
      OperatorDefinition.Extent extent) {
    return OperatorDefinition.free(
        CaseId.of("hal:op/Cast")
            .with("from", from)
            .with("to", to)
            .with("data", data)
            .with("shape", dims),
        "Compared with the conversion written from the formats' definitions.",
        to.isFloating() ? Set.of("OP-CAST-1") : Set.of("OP-CAST-2"),
        new Cast(),
        List.of(TensorType.of(from, dims), TensorType.of(to, dims)),
        d -> Contents.of(1, generator.generate(d)),
        c -> List.of(converted(c.get(0), to)),
        extent);
  }

  private static Expected converted(HostTensor in, DType to) {
    StorageFormat source = StorageFormat.of(in.dtype());
    StorageFormat target = StorageFormat.of(to);
    double[] v = new double[in.size()];
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      double x = in.stored()[i];
      v[i] = target.round(target.isFloating() ? x : x < 0 ? Math.ceil(x) : Math.floor(x));
      if (source.isSubnormal(x) || target.isSubnormal(v[i])) {
        flushed[i] = Math.abs(v[i]);
      }
    }
    // a conversion keeps the sign of zero
    Expected exact = target.isFloating() ? Expected.moved(v) : Expected.exactly(v);
    return exact.flushing(flushed);
  }
}
