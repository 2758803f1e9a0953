package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.RotaryEmbedding.Layout;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** {@code RotaryEmbedding}: docs/spec/rotary.md. */
public final class RotaryEmbeddingCases implements CaseSource {
  /** T, H, D, rotaryOffset, rotaryDim, rows of the tables. */
  private static final int[][] SIZES = {
    {1, 1, 2, 0, 2, 1}, {3, 2, 12, 0, 12, 9}, {5, 4, 20, 0, 20, 33}, {2, 3, 64, 0, 64, 100},
    {7, 2, 192, 128, 64, 50}, {3, 5, 21, 4, 12, 17}, {4, 1, 65, 1, 64, 5}, {2, 1, 7, 5, 2, 3},
    {17, 16, 24, 0, 20, 40}, {0, 3, 8, 0, 8, 4}
  };

  @Override
  public Stream<ConformanceCase> cases() {
    List<OperatorDefinition> all = new ArrayList<>();
    for (Layout layout : Layout.values()) {
      for (String positions : List.of("random", "negative", "last")) {
        for (int[] s : SIZES) {
          OperatorDefinition.Extent extent =
              s[0] == 3 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS;
          all.add(rotation(layout, positions, s, extent));
        }
      }
      all.add(
          rotation(
              layout,
              "random",
              new int[] {5, 3, 12, 0, 12, 163840},
              OperatorDefinition.Extent.DENSE));
      all.add(
          rotation(
              layout,
              "random",
              new int[] {4, 128, 192, 128, 64, 64},
              OperatorDefinition.Extent.DENSE));
    }
    return all.stream().flatMap(OperatorDefinition::cases);
  }

  private static OperatorDefinition rotation(
      Layout layout, String positions, int[] s, OperatorDefinition.Extent extent) {
    TensorType x = TensorType.of(DType.F32, s[0], s[1], s[2]);
    TensorType angles = TensorType.of(DType.F32, s[5], s[4] / 2);
    return OperatorDefinition.free(
        CaseId.of("hal:op/RotaryEmbedding")
            .with("pairs", layout)
            .with("positions", positions)
            .with("t", s[0])
            .with("h", s[1])
            .with("d", s[2])
            .with("offset", s[3])
            .with("dim", s[4])
            .with("p", s[5]),
        "Two products and a sum for each rotated number.",
        requirements(layout, positions),
        new RotaryEmbedding(layout, s[3], s[4]),
        List.of(x, TensorType.of(DType.I32, s[0]), angles, angles, x),
        d -> contents(d, positions, s),
        c -> List.of(expected(c, layout, s)),
        extent);
  }

  private static Set<String> requirements(Layout layout, String positions) {
    String pairs = layout == Layout.INTERLEAVED ? "OP-ROTARYEMBEDDING-1" : "OP-ROTARYEMBEDDING-2";
    return positions.equals("negative")
        ? Set.of(pairs, "OP-ROTARYEMBEDDING-3", "OP-ROTARYEMBEDDING-4")
        : Set.of(pairs, "OP-ROTARYEMBEDDING-3");
  }

  private static Contents contents(Draw d, String positions, int[] s) {
    double[] angles = new double[s[5] * (s[4] / 2)];
    for (int i = 0; i < angles.length; i++) {
      double frequency = Math.pow(10000, -2.0 * (i % (s[4] / 2)) / s[4]);
      angles[i] = i / (s[4] / 2) * frequency;
    }
    Shape table = Shape.of(s[5], s[4] / 2);
    HostTensor cos = HostTensor.of(DType.F32, table, map(angles, Math::cos));
    HostTensor sin = HostTensor.of(DType.F32, table, map(angles, Math::sin));
    HostTensor at =
        switch (positions) {
          case "random" -> d.indices(0, s[5] - 1, s[0]);
          case "negative" -> d.indices(-1, Math.min(0, s[5] - 1), s[0]);
          default -> d.indices(s[5] - 1, s[5] - 1, s[0]);
        };
    return Contents.of(1, d.normal(DType.F32, 3, s[0], s[1], s[2]), at, cos, sin);
  }

  private static double[] map(double[] a, java.util.function.DoubleUnaryOperator f) {
    return java.util.Arrays.stream(a).map(f).toArray();
  }

  private static Expected expected(Contents c, Layout layout, int[] s) {
    double[] v = c.get(0).stored().clone();
    double[] bound = new double[v.length];
    int pairs = s[4] / 2;
    for (int row = 0; row < s[0] * s[1]; row++) {
      int position = (int) c.get(1).stored()[row / s[1]];
      for (int i = 0; i < pairs; i++) {
        int first = row * s[2] + s[3];
        int ia = layout == Layout.INTERLEAVED ? first + 2 * i : first + i;
        int ib = layout == Layout.INTERLEAVED ? ia + 1 : ia + pairs;
        double cos = position < 0 ? 0 : c.get(2).stored()[position * pairs + i];
        double sin = position < 0 ? 0 : c.get(3).stored()[position * pairs + i];
        double a = v[ia];
        double b = v[ib];
        v[ia] = a * cos - b * sin;
        v[ib] = a * sin + b * cos;
        bound[ia] = bound(a * cos, b * sin, v[ia]);
        bound[ib] = bound(a * sin, b * cos, v[ib]);
      }
    }
    return new Expected(v, bound, Expected.Zeros.EQUAL).near();
  }

  private static double bound(double p, double q, double sum) {
    return (Real.rounding(p) + Real.rounding(q)) * Real.SECOND_ORDER + Real.rounding(sum);
  }
}
