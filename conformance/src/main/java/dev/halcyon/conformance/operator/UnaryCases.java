package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Elementary;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code Unary}: docs/spec/elementwise.md. */
public final class UnaryCases implements CaseSource {
  private static final long[] MANY = {7, 1021};

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(Unary.Op.values())
        .flatMap(UnaryCases::definitions)
        .flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> definitions(Unary.Op op) {
    List<OperatorDefinition> all = new ArrayList<>();
    for (long[] s : Shapes.ELEMENTWISE) {
      all.add(
          unary(
              op,
              "uniform",
              s,
              d -> domain(op, d.uniform(DType.F32, 8, s)),
              s.length == 2 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS));
    }
    OperatorDefinition.Extent dense = OperatorDefinition.Extent.DENSE;
    all.add(
        unary(
            op,
            "special",
            new long[] {3, 67},
            d -> d.special(DType.F32, 3, 67),
            OperatorDefinition.Extent.LAYOUTS));
    all.add(unary(op, "near_one", MANY, d -> nearOne(d), dense));
    all.add(unary(op, "hundreds", MANY, d -> domain(op, d.uniform(DType.F32, 120, MANY)), dense));
    all.add(unary(op, "small", MANY, d -> domain(op, d.wide(DType.F32, -126, -4, MANY)), dense));
    all.add(unary(op, "wide", MANY, d -> domain(op, d.wide(DType.F32, -60, 127, MANY)), dense));
    all.add(
        unary(
            op,
            "subnormal",
            new long[] {501},
            d -> domain(op, d.wide(DType.F32, -149, -127, 501)),
            dense));
    return all.stream();
  }

  private static HostTensor nearOne(Draw d) {
    return d.fill(DType.F32, () -> 1 + (d.random().nextDouble() - 0.5) * 1e-3, MANY);
  }

  /** Positive arguments where the function has no others; special contents test those. */
  private static HostTensor domain(Unary.Op op, HostTensor x) {
    return switch (op) {
      case LOG, SQRT, RSQRT -> {
        double[] v = x.stored().clone();
        for (int i = 0; i < v.length; i++) {
          v[i] = Math.abs(v[i]);
        }
        yield HostTensor.of(DType.F32, x.shape(), v);
      }
      default -> x;
    };
  }

  private static OperatorDefinition unary(
      Unary.Op op,
      String data,
      long[] dims,
      Generator generator,
      OperatorDefinition.Extent extent) {
    TensorType type = TensorType.of(DType.F32, dims);
    return OperatorDefinition.free(
        CaseId.of("hal:op/Unary").with("op", op).with("data", data).with("shape", dims),
        "Elementwise; accuracy as in the table of accuracies.",
        Set.of(op == Unary.Op.NEG || op == Unary.Op.ABS ? "OP-UNARY-2" : "OP-UNARY-1"),
        new Unary(op),
        List.of(type, type),
        d -> Contents.of(1, generator.generate(d)),
        c -> List.of(expected(op, c.get(0))),
        extent);
  }

  /** Makes the one input. */
  private interface Generator {
    HostTensor generate(Draw draw);
  }

  private static Expected expected(Unary.Op op, HostTensor x) {
    return switch (op) {
      case NEG, ABS -> sign(op, x);
      case SIGMOID -> Expected.of(Real.of(x).sigmoid());
      case SILU -> Expected.of(Real.of(x).silu());
      default -> elementary(Elementary.valueOf(op.name()), x);
    };
  }

  private static Expected sign(Unary.Op op, HostTensor x) {
    double[] v = new double[x.size()];
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = op == Unary.Op.NEG ? -x.stored()[i] : Math.abs(x.stored()[i]);
      flushed[i] = StorageFormat.F32.isSubnormal(v[i]) ? Math.abs(v[i]) : 0;
    }
    return Expected.moved(v).flushing(flushed);
  }

  /**
   * A device that keeps subnormal numbers keeps them in arguments and results of functions too: no
   * allowance but the units in the last place.
   */
  private static Expected elementary(Elementary f, HostTensor x) {
    double[] v = new double[x.size()];
    double[] bound = new double[v.length];
    double[] flushed = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      double argument = x.stored()[i];
      v[i] = f.apply(argument);
      bound[i] = f.ulps() * Real.ulp(v[i]);
      if (StorageFormat.F32.isSubnormal(argument)) {
        flushed[i] = Double.POSITIVE_INFINITY;
      } else if (Math.abs(v[i]) < 2 * Real.TINY) {
        flushed[i] = Real.TINY;
      }
    }
    Expected exact = Expected.of(Real.bounded(x.shape(), v, bound));
    return exact.flushing(flushed);
  }
}
