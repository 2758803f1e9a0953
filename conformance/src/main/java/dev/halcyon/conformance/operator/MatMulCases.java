package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code MatMul}: docs/spec/matmul.md. */
public final class MatMulCases implements CaseSource {
  private static final DType[] DTYPES = {DType.F32, DType.F16, DType.BF16};

  /** M, K, N: single rows, odd tails of every usual tile, tall, wide, and an empty sum. */
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 7, 5},
    {3, 64, 33},
    {5, 31, 17},
    {16, 16, 16},
    {33, 129, 65},
    {2, 0, 3},
    {0, 5, 4},
    {1, 257, 31},
    {15, 63, 127}
  };

  /** Large ones, in whole numbers: exact. */
  private static final int[][] LARGE = {
    {1, 7168, 65}, {2, 2048, 33}, {65, 576, 64}, {128, 512, 17}, {7, 1536, 129}
  };

  private static final long[][] BATCHES = {{2}, {3, 2}, {0}};

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (DType a : DTYPES) {
      for (DType b : DTYPES) {
        for (int[] s : SIZES) {
          all.add(product(a, b, "uniform", new long[0], s, OperatorDefinition.Extent.QUICK));
          all.add(product(a, b, "whole", new long[0], s, OperatorDefinition.Extent.DENSE));
        }
        for (int[] s : LARGE) {
          all.add(product(a, b, "whole", new long[0], s, OperatorDefinition.Extent.DENSE));
        }
        for (long[] batch : BATCHES) {
          all.add(
              product(
                  a, b, "uniform", batch, new int[] {3, 17, 5}, OperatorDefinition.Extent.LAYOUTS));
        }
        all.add(
            product(
                a,
                b,
                "wide",
                new long[0],
                new int[] {9, 33, 17},
                OperatorDefinition.Extent.LAYOUTS));
        all.add(
            product(
                a,
                b,
                "special",
                new long[0],
                new int[] {4, 9, 40},
                OperatorDefinition.Extent.DENSE));
      }
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition product(
      DType a, DType b, String data, long[] batch, int[] s, OperatorDefinition.Extent extent) {
    CaseId id = CaseId.of("hal:op/MatMul").with("a", a).with("b", b).with("data", data);
    if (batch.length > 0) {
      id = id.with("batch", batch);
    }
    long[] left = dims(batch, s[0], s[1]);
    long[] right = dims(batch, s[1], s[2]);
    return OperatorDefinition.free(
        id.with("m", s[0]).with("k", s[1]).with("n", s[2]),
        "The bound is gamma_K times the sum of magnitudes; whole numbers are exact.",
        Set.of("OP-MATMUL-1", "OP-MATMUL-2"),
        new MatMul(),
        List.of(
            TensorType.of(a, left),
            TensorType.of(b, right),
            TensorType.of(DType.F32, dims(batch, s[0], s[2]))),
        d -> Contents.of(1, numbers(d, a, data, left), numbers(d, b, data, right)),
        c -> List.of(expected(c, data)),
        extent);
  }

  private static long[] dims(long[] batch, long rows, long columns) {
    long[] d = Arrays.copyOf(batch, batch.length + 2);
    d[batch.length] = rows;
    d[batch.length + 1] = columns;
    return d;
  }

  private static HostTensor numbers(Draw d, DType dtype, String data, long[] dims) {
    return switch (data) {
      case "whole" -> d.integers(dtype, -3, 3, dims);
      case "wide" -> d.wide(dtype, -7, 7, dims);
      // few enough that most sums stay finite
      case "special" ->
          d.fill(
              dtype,
              () ->
                  switch (d.random().nextInt(30)) {
                    case 0 -> Double.NaN;
                    case 1 -> Double.POSITIVE_INFINITY;
                    case 2 -> 0;
                    default -> d.random().nextGaussian();
                  },
              dims);
      default -> d.uniform(dtype, 1, dims);
    };
  }

  private static Expected expected(Contents c, String data) {
    Shape a = c.get(0).shape();
    Shape b = c.get(1).shape();
    int m = (int) a.dim(-2);
    int k = (int) a.dim(-1);
    int n = (int) b.dim(-1);
    Shape out = a.with(-1, n);
    double[] v = new double[(int) out.elementCount()];
    double[] bound = new double[v.length];
    int batches = m * n == 0 ? 0 : v.length / (m * n);
    for (int i = 0; i < batches; i++) {
      double[] left = Arrays.copyOfRange(c.get(0).stored(), i * m * k, (i + 1) * m * k);
      double[] right = transposed(c.get(1).stored(), i * k * n, k, n);
      Real product =
          Real.exact(Shape.of(m, k), left).timesTransposed(Real.exact(Shape.of(n, k), right));
      System.arraycopy(product.values(), 0, v, i * m * n, m * n);
      System.arraycopy(product.bounds(), 0, bound, i * m * n, m * n);
    }
    if (data.equals("whole")) {
      return Expected.exactly(v);
    }
    // one product is rounded once
    return k == 1 ? single(v) : Expected.of(Real.bounded(out, v, bound));
  }

  private static Expected single(double[] products) {
    return Expected.exactly(Arrays.stream(products).map(StorageFormat.F32::round).toArray());
  }

  private static double[] transposed(double[] all, int from, int rows, int columns) {
    double[] t = new double[rows * columns];
    for (int i = 0; i < t.length; i++) {
      t[i % columns * rows + i / columns] = all[from + i];
    }
    return t;
  }
}
