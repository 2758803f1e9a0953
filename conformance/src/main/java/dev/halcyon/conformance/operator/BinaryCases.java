package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.AccuracyTable;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Binary}: docs/spec/elementwise.md. */
public final class BinaryCases implements CaseSource {
  private static final double DIVISION_ULPS = AccuracyTable.standard().ulps("Binary.DIV");

  /** Extents of a, b and out. */
  private static final long[][][] BROADCASTS = {
    {{}, {3, 5}, {3, 5}},
    {{3, 5}, {1}, {3, 5}},
    {{5}, {3, 5}, {3, 5}},
    {{3, 1}, {1, 5}, {3, 5}},
    {{3, 5}, {3, 1}, {3, 5}},
    {{2, 1, 7}, {3, 1}, {2, 3, 7}},
    {{1, 1, 1}, {2, 3, 17}, {2, 3, 17}},
    {{4}, {2, 1, 3, 1}, {2, 5, 3, 4}},
    {{1}, {1}, {4, 33}}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(DType.F32, DType.I32)
        .flatMap(t -> Stream.of(Binary.Op.values()).flatMap(op -> definitions(t, op)))
        .flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> definitions(DType t, Binary.Op op) {
    List<OperatorDefinition> all = new ArrayList<>();
    for (long[] s : Shapes.ELEMENTWISE) {
      OperatorDefinition.Extent extent =
          s.length == 2 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
      all.add(binary(t, op, "uniform", s, s, s, BinaryCases::uniform, extent));
    }
    for (long[][] b : BROADCASTS) {
      all.add(
          binary(
              t,
              op,
              "broadcast",
              b[0],
              b[1],
              b[2],
              BinaryCases::uniform,
              OperatorDefinition.Extent.LAYOUTS));
    }
    int n = StorageFormat.of(t).specials().length;
    long[] table = {n, n};
    all.add(
        binary(
            t,
            op,
            "special_pairs",
            new long[] {n, 1},
            new long[] {n},
            table,
            (d, dtype, dims) -> d.cycle(dtype, StorageFormat.of(dtype).specials(), dims),
            OperatorDefinition.Extent.QUICK));
    long[] many = {9, 513};
    OperatorDefinition.Extent dense = OperatorDefinition.Extent.DENSE;
    all.add(binary(t, op, "small_whole", many, many, many, BinaryCases::small, dense));
    if (t == DType.F32) {
      all.add(
          binary(
              t, op, "wide", many, many, many, (d, dtype, s) -> d.wide(dtype, -70, 70, s), dense));
      all.add(
          binary(
              t,
              op,
              "subnormal",
              many,
              many,
              many,
              (d, dtype, s) -> d.wide(dtype, -140, -120, s),
              dense));
    } else {
      all.add(
          binary(
              t,
              op,
              "large",
              many,
              many,
              many,
              (d, dtype, s) -> d.fill(dtype, () -> d.random().nextInt(), s),
              dense));
    }
    return all.stream();
  }

  private static HostTensor uniform(Draw d, DType dtype, long[] dims) {
    return dtype == DType.F32 ? d.uniform(dtype, 10, dims) : d.integers(dtype, -1000, 1000, dims);
  }

  private static HostTensor small(Draw d, DType dtype, long[] dims) {
    return d.integers(dtype, -4, 4, dims);
  }

  /** Makes one input. */
  private interface Generator {
    HostTensor generate(Draw draw, DType dtype, long[] dims);
  }

  private static OperatorDefinition binary(
      DType t,
      Binary.Op op,
      String data,
      long[] a,
      long[] b,
      long[] out,
      Generator generator,
      OperatorDefinition.Extent extent) {
    CaseId id =
        CaseId.of("hal:op/Binary").with("op", op).with("dtype", t).with("data", data).with("a", a);
    return OperatorDefinition.free(
        id.with("b", b).with("out", out),
        "Elementwise with broadcasting.",
        Set.of(requirement(t, op), "OP-BINARY-1"),
        new Binary(op),
        List.of(TensorType.of(t, a), TensorType.of(t, b), TensorType.of(t, out)),
        d -> Contents.of(1, generator.generate(d, t, a), generator.generate(d, t, b)),
        c -> List.of(expected(op, t, c, Shape.of(out))),
        extent);
  }

  private static String requirement(DType t, Binary.Op op) {
    return switch (op) {
      case ADD, SUB, MUL -> t == DType.F32 ? "OP-BINARY-2" : "OP-BINARY-3";
      case DIV -> t == DType.F32 ? "OP-BINARY-4" : "OP-BINARY-5";
      case MOD -> t == DType.F32 ? "OP-BINARY-6" : "OP-BINARY-7";
      case MAX, MIN -> "OP-BINARY-8";
      case EQUAL, LESS, LESS_EQUAL -> "OP-BINARY-9";
    };
  }

  private static Expected expected(Binary.Op op, DType t, Contents c, Shape out) {
    double[] a = c.get(0).broadcast(out);
    double[] b = c.get(1).broadcast(out);
    double[] v = new double[a.length];
    double[] bound = new double[v.length];
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      if (t == DType.I32) {
        v[i] = whole(op, (long) a[i], (long) b[i]);
        continue;
      }
      double exact = real(op, a[i], b[i]);
      v[i] = StorageFormat.F32.round(exact);
      if (op == Binary.Op.DIV && Double.isFinite(v[i]) && !isQuotientOfPowers(b[i])) {
        bound[i] = DIVISION_ULPS * Real.ulp(v[i]);
      }
      flushed[i] = flushed(op, a[i], b[i], v[i]);
    }
    return new Expected(v, bound, Expected.Zeros.EQUAL).flushing(flushed);
  }

  /** Powers of two, zeros, infinities: such quotients round at most once. */
  private static boolean isQuotientOfPowers(double divisor) {
    return !Double.isFinite(divisor)
        || divisor == 0
        || Math.abs(divisor) == Math.scalb(1.0, Math.getExponent(divisor));
  }

  /** What may change if subnormal arguments or results count as zero. */
  private static double flushed(Binary.Op op, double a, double b, double result) {
    boolean arguments = StorageFormat.F32.isSubnormal(a) || StorageFormat.F32.isSubnormal(b);
    return switch (op) {
      case ADD, SUB, MAX, MIN ->
          arguments || StorageFormat.F32.isSubnormal(result) ? 2 * Real.TINY : 0;
      case MUL ->
          arguments ? Double.POSITIVE_INFINITY : Math.abs(result) < 2 * Real.TINY ? Real.TINY : 0;
      case DIV, MOD -> arguments || Math.abs(result) < 2 * Real.TINY ? Double.POSITIVE_INFINITY : 0;
      case EQUAL, LESS, LESS_EQUAL -> arguments ? 1 : 0;
    };
  }

  /**
   * In double, where sums, products and remainders of two numbers of f32 round no more than f32's.
   */
  private static double real(Binary.Op op, double a, double b) {
    return switch (op) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MOD -> {
        double r = a % b;
        yield r != 0 && r < 0 != b < 0 ? r + b : r;
      }
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
      case LESS_EQUAL -> a <= b ? 1 : 0;
    };
  }

  private static int whole(Binary.Op op, long a, long b) {
    return (int)
        switch (op) {
          case ADD -> a + b;
          case SUB -> a - b;
          case MUL -> a * b;
          case DIV -> b == 0 ? 0 : floor(a, b);
          case MOD -> b == 0 ? 0 : a - b * floor(a, b);
          case MAX -> a > b ? a : b;
          case MIN -> a < b ? a : b;
          case EQUAL -> a == b ? 1L : 0L;
          case LESS -> a < b ? 1L : 0L;
          case LESS_EQUAL -> a <= b ? 1L : 0L;
        };
  }

  private static long floor(long a, long b) {
    long q = a / b;
    return q * b != a && a < 0 != b < 0 ? q - 1 : q;
  }
}
