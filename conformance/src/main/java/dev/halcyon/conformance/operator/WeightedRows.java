package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;

/**
 * Sums of weighted rows, made in any order, products fused or not: an element of n terms is off by
 * at most {@code gamma_n} times the sum of their magnitudes, and what the terms bring.
 */
final class WeightedRows {
  private final int columns;
  private final int[] terms;
  private final double[] value;
  private final double[] magnitude;
  private final double[] carried;

  WeightedRows(int rows, int columns) {
    this.columns = columns;
    this.terms = new int[rows];
    this.value = new double[rows * columns];
    this.magnitude = new double[rows * columns];
    this.carried = new double[rows * columns];
  }

  /** Adds {@code weight} times one row of {@code from} to a row. */
  void add(int row, double weight, Real from, int fromRow) {
    terms[row]++;
    for (int i = 0; i < columns; i++) {
      double v = weight * from.value(fromRow * columns + i);
      value[row * columns + i] += v;
      magnitude[row * columns + i] += Math.abs(v);
      carried[row * columns + i] += Math.abs(weight) * from.bound(fromRow * columns + i);
    }
  }

  Real real() {
    double[] bound = new double[value.length];
    Arrays.setAll(
        bound,
        i -> {
          int n = terms[i / columns];
          return (Real.gamma(n) * magnitude[i] + carried[i]) * Real.SECOND_ORDER + n * Real.TINY;
        });
    return Real.bounded(Shape.of(terms.length, columns), value, bound);
  }
}
