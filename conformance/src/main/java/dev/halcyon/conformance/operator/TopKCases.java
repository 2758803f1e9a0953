package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code TopK} and {@code ArgMax}: docs/spec/reduce.md. */
public final class TopKCases implements CaseSource {
  private static final String[] DATA = {
    "normal",
    "ties",
    "equal",
    "nan",
    "all_nan",
    "special",
    "zeros",
    "ascending",
    "descending",
    "minus_infinity"
  };
  private static final long[][] LARGE = {{1, 7168}, {3, 1536}, {2, 129280}};

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.concat(topK(), argMax()).flatMap(OperatorDefinition::cases);
  }

  private static Stream<OperatorDefinition> topK() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (long[] s : Shapes.ROWS) {
      int n = (int) s[s.length - 1];
      IntStream.of(1, 2, 8, n)
          .filter(k -> k <= Math.min(n, 260))
          .distinct()
          .forEach(
              k -> {
                all.add(
                    topK(
                        k,
                        "ties",
                        s,
                        s.length == 2
                            ? OperatorDefinition.Extent.QUICK
                            : OperatorDefinition.Extent.LAYOUTS));
                for (String data : DATA) {
                  if (!data.equals("ties")) {
                    all.add(topK(k, data, s, OperatorDefinition.Extent.DENSE));
                  }
                }
              });
    }
    for (int k : new int[] {1, 6, 8, 40}) {
      all.add(topK(k, "normal", new long[] {2, 129280}, OperatorDefinition.Extent.DENSE));
    }
    return all.stream();
  }

  private static Stream<OperatorDefinition> argMax() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (String data : DATA) {
      for (long[] s : Shapes.ROWS) {
        all.add(
            argMax(
                data,
                s,
                data.equals("ties")
                    ? OperatorDefinition.Extent.QUICK
                    : OperatorDefinition.Extent.LAYOUTS));
      }
      for (long[] s : LARGE) {
        all.add(argMax(data, s, OperatorDefinition.Extent.DENSE));
      }
    }
    return all.stream();
  }

  private static OperatorDefinition topK(
      int k, String data, long[] dims, OperatorDefinition.Extent extent) {
    long[] out = dims.clone();
    out[out.length - 1] = k;
    return OperatorDefinition.free(
        CaseId.of("hal:op/TopK").with("k", k).with("data", data).with("shape", dims),
        "Values and indices in descending order.",
        requirements("OP-TOPK-", data),
        new TopK(k),
        List.of(
            TensorType.of(DType.F32, dims),
            TensorType.of(DType.F32, out),
            TensorType.of(DType.I32, out)),
        d -> Contents.of(2, numbers(d, data, dims)),
        c -> best(c.get(0), k),
        extent);
  }

  private static OperatorDefinition argMax(
      String data, long[] dims, OperatorDefinition.Extent extent) {
    long[] out = dims.clone();
    out[out.length - 1] = 1;
    return OperatorDefinition.free(
        CaseId.of("hal:op/ArgMax").with("data", data).with("shape", dims),
        "The first of the largest.",
        requirements("OP-ARGMAX-", data),
        new ArgMax(),
        List.of(TensorType.of(DType.F32, dims), TensorType.of(DType.I32, out)),
        d -> Contents.of(1, numbers(d, data, dims)),
        c -> List.of(best(c.get(0), 1).get(1)),
        extent);
  }

  private static Set<String> requirements(String prefix, String data) {
    return switch (data) {
      case "ties", "equal", "zeros", "minus_infinity" -> Set.of(prefix + 1, prefix + 2);
      case "nan", "all_nan", "special" -> Set.of(prefix + 1, prefix + 2, prefix + 3);
      default -> Set.of(prefix + 1);
    };
  }

  private static HostTensor numbers(Draw d, String data, long[] dims) {
    int[] at = {0};
    int n = (int) dims[dims.length - 1];
    double nan = Double.NaN;
    double low = Double.NEGATIVE_INFINITY;
    return switch (data) {
      case "normal" -> d.normal(DType.F32, 1, dims);
      case "ties" -> d.integers(DType.F32, -2, 2, dims);
      case "equal" -> d.cycle(DType.F32, new double[] {1.5}, dims);
      case "nan" ->
          d.fill(DType.F32, () -> d.random().nextInt(3) == 0 ? nan : d.random().nextInt(4), dims);
      case "all_nan" -> d.cycle(DType.F32, new double[] {nan}, dims);
      case "zeros" -> d.fill(DType.F32, () -> d.random().nextBoolean() ? 0.0 : -0.0, dims);
      // subnormal numbers would tie on devices that take them for zero
      case "special" ->
          d.fill(
              DType.F32,
              () -> {
                double[] set = {low, -low, nan, 0, 1, -1, Float.MAX_VALUE, -Float.MAX_VALUE};
                return set[d.random().nextInt(set.length)];
              },
              dims);
      case "ascending" -> d.fill(DType.F32, () -> at[0]++ % n, dims);
      case "descending" -> d.fill(DType.F32, () -> -(at[0]++ % n), dims);
      case "minus_infinity" -> d.fill(DType.F32, () -> d.random().nextInt(9) == 0 ? 1 : low, dims);
      default -> throw new IllegalArgumentException(data);
    };
  }

  /** Values and indices of the k best of each row. */
  private static List<Expected> best(HostTensor x, int k) {
    int n = (int) x.shape().dim(-1);
    int rows = x.size() / n;
    double[] values = new double[rows * k];
    double[] indices = new double[rows * k];
    double[] key = Arrays.stream(x.stored()).map(TopKCases::key).toArray();
    for (int r = 0; r < rows; r++) {
      int base = r * n;
      int[] order = k == 1 ? new int[] {first(key, base, n)} : order(key, base, n);
      for (int i = 0; i < k; i++) {
        values[r * k + i] = key[base + order[i]];
        indices[r * k + i] = order[i];
      }
    }
    return List.of(Expected.exactly(values), Expected.exactly(indices));
  }

  /** NaN counts as -inf, and -0 equals 0. */
  private static double key(double v) {
    return Double.isNaN(v) ? Double.NEGATIVE_INFINITY : v + 0.0;
  }

  private static int first(double[] key, int base, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
      if (key[base + i] > key[base + best]) {
        best = i;
      }
    }
    return best;
  }

  private static int[] order(double[] key, int base, int n) {
    return IntStream.range(0, n)
        .boxed()
        .sorted(Comparator.comparing((Integer i) -> -key[base + i] + 0.0))
        .mapToInt(i -> i)
        .toArray();
  }
}
