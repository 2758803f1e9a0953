package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Elementary;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** {@code RmsNorm} and {@code AddRmsNorm}: docs/spec/norm.md. */
public final class NormCases implements CaseSource {
  private static final DType[] WEIGHTS = {DType.F32, DType.F16, DType.BF16};
  private static final double[] EPSILONS = {1e-6, 1e-5};

  /** Rows and their length. */
  private static final int[][] SIZES = {
    {1, 1}, {1, 7}, {3, 100}, {5, 513}, {17, 64}, {2, 31}, {4, 33}, {1, 127}, {33, 129}, {0, 8}
  };

  private static final int[][] LARGE = {{2, 7168}, {3, 1536}, {5, 512}, {1, 2048}};

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (DType w : WEIGHTS) {
      for (double epsilon : EPSILONS) {
        for (int[] s : SIZES) {
          OperatorDefinition.Extent extent =
              s[0] == 3 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
          all.add(norm(w, epsilon, "normal", s, extent));
          all.add(addNorm(w, epsilon, "normal", s, extent));
        }
        for (String data : List.of("tiny", "large", "zeros", "outlier")) {
          all.add(norm(w, epsilon, data, new int[] {5, 65}, OperatorDefinition.Extent.LAYOUTS));
          all.add(addNorm(w, epsilon, data, new int[] {5, 65}, OperatorDefinition.Extent.LAYOUTS));
        }
        for (int[] s : LARGE) {
          all.add(norm(w, epsilon, "normal", s, OperatorDefinition.Extent.DENSE));
          all.add(addNorm(w, epsilon, "normal", s, OperatorDefinition.Extent.DENSE));
        }
      }
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static CaseId id(String operator, DType weight, double epsilon, String data, int[] s) {
    return CaseId.of("hal:op/" + operator)
        .with("weight", weight)
        .with("epsilon", epsilon)
        .with("data", data)
        .with("t", s[0])
        .with("n", s[1]);
  }

  private static OperatorDefinition norm(
      DType weight, double epsilon, String data, int[] s, OperatorDefinition.Extent extent) {
    TensorType rows = TensorType.of(DType.F32, s[0], s[1]);
    return new OperatorDefinition(
        id("RmsNorm", weight, epsilon, data, s),
        "Rows of several magnitudes.",
        Set.of("OP-RMSNORM-1"),
        new RmsNorm(epsilon),
        List.of(rows, TensorType.of(weight, s[1]), rows),
        List.of(Freedom.ROWS, Freedom.ANY, Freedom.ANY),
        d -> Contents.of(1, numbers(d, data, s), d.uniform(weight, 2, s[1])),
        c -> List.of(Expected.of(norm(c.real(0), c.real(1), epsilon))),
        extent);
  }

  private static OperatorDefinition addNorm(
      DType weight, double epsilon, String data, int[] s, OperatorDefinition.Extent extent) {
    TensorType rows = TensorType.of(DType.F32, s[0], s[1]);
    return OperatorDefinition.free(
        id("AddRmsNorm", weight, epsilon, data, s),
        "Rows of several magnitudes.",
        Set.of("OP-ADDRMSNORM-1"),
        new AddRmsNorm(epsilon),
        List.of(rows, TensorType.of(weight, s[1]), rows, rows),
        d ->
            new Contents(
                List.of(
                    Optional.of(numbers(d, data, s)),
                    Optional.of(d.uniform(weight, 2, s[1])),
                    Optional.of(numbers(d, data, s)),
                    Optional.empty())),
        c -> {
          double[] sum = new double[c.get(0).size()];
          for (int i = 0; i < sum.length; i++) {
            sum[i] = StorageFormat.F32.round(c.get(0).stored()[i] + c.get(2).stored()[i]);
          }
          Real exact = Real.exact(c.get(0).shape(), sum);
          return List.of(Expected.exactly(sum), Expected.of(norm(exact, c.real(1), epsilon)));
        },
        extent);
  }

  private static HostTensor numbers(Draw d, String data, int[] s) {
    return switch (data) {
      case "normal" -> d.normal(DType.F32, 1, s[0], s[1]);
      case "tiny" -> d.normal(DType.F32, 1e-5, s[0], s[1]);
      case "large" -> d.normal(DType.F32, 1e6, s[0], s[1]);
      case "zeros" -> d.cycle(DType.F32, new double[] {0}, s[0], s[1]);
      default ->
          d.fill(
              DType.F32,
              () -> d.random().nextGaussian() * (d.random().nextInt(20) == 0 ? 1000 : 1),
              s[0],
              s[1]);
    };
  }

  /** {@code x / sqrt(mean(x^2) + epsilon) * weight}, row by row. */
  static Real norm(Real x, Real weight, double epsilon) {
    Real mean = x.times(x).sumRows().dividedBy(x.shape().dim(-1));
    Real inverse = mean.plus(epsilon).map(Elementary.RSQRT);
    return x.timesColumn(inverse).times(weight);
  }
}
