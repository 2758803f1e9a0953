package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;

/**
 * Numbers with the error that a conforming device may have made so far: element i of a device's
 * result must lie within {@code bound[i]} of {@code value[i]}. The values are computed in double
 * from the exact inputs. The bounds are a running error analysis of the same formula in f32
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 2.2, 3.1 and 3.3):
 * each step adds the rounding of its own result and carries the bounds of its arguments on; sums
 * may be made in any order. So the bound of a composite follows from those of its parts and nothing
 * is tuned.
 *
 * <p>Bounds hold to first order; second-order terms are covered by {@link #SECOND_ORDER}.
 */
public final class Real {
  /** The unit roundoff of f32. */
  public static final double U = StorageFormat.F32.unitRoundoff();

  /** What an f32 result near zero may be off by: results below the normal range may be flushed. */
  public static final double TINY = StorageFormat.F32.smallestNormal();

  /** Grows every bound a little for the products of errors that are not followed. */
  public static final double SECOND_ORDER = 1 + 1e-3;

  private static final double DIVISION_ULPS = AccuracyTable.standard().ulps("Binary.DIV");

  private final Shape shape;
  private final double[] value;
  private final double[] bound;

  private Real(Shape shape, double[] value, double[] bound) {
    if (value.length != shape.elementCount() || bound.length != value.length) {
      throw new IllegalArgumentException(value.length + " numbers for " + shape);
    }
    this.shape = shape;
    this.value = value;
    this.bound = bound;
  }

  /** What an operand means, exactly. */
  public static Real of(HostTensor operand) {
    return exact(operand.shape(), operand.values());
  }

  public static Real exact(Shape shape, double[] values) {
    return new Real(shape, values, new double[values.length]);
  }

  /** Values with bounds that a formula of its own gave. */
  public static Real bounded(Shape shape, double[] values, double[] bounds) {
    return new Real(shape, values, bounds);
  }

  public Shape shape() {
    return shape;
  }

  public int size() {
    return value.length;
  }

  public double value(int i) {
    return value[i];
  }

  public double bound(int i) {
    return bound[i];
  }

  /** The values; not copied. */
  public double[] values() {
    return value;
  }

  /** The bounds; not copied. */
  public double[] bounds() {
    return bound;
  }

  /** The same numbers in another shape. */
  public Real reshape(long... dims) {
    return new Real(Shape.of(dims), value, bound);
  }

  /** Rounding of a result v in f32: half a unit in its last place, or what flushing takes. */
  public static double rounding(double v) {
    return Double.isFinite(v) ? U * Math.abs(v) + TINY : 0;
  }

  /** {@code gamma_n = n u / (1 - n u)}: the relative error of n successive roundings. */
  public static double gamma(long n) {
    double nu = n * U;
    return nu / (1 - nu);
  }

  /** {@code this + other}, of the same size, or of one row repeated. */
  public Real plus(Real other) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      int j = i % other.value.length;
      v[i] = value[i] + other.value[j];
      b[i] = (bound[i] + other.bound[j]) * SECOND_ORDER + rounding(v[i]);
    }
    return new Real(shape, v, b);
  }

  /** {@code this * other}, of the same size, or of one row repeated. */
  public Real times(Real other) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      int j = i % other.value.length;
      v[i] = value[i] * other.value[j];
      b[i] =
          (Math.abs(value[i]) * other.bound[j] + Math.abs(other.value[j]) * bound[i]) * SECOND_ORDER
              + rounding(v[i]);
    }
    return new Real(shape, v, b);
  }

  /** {@code this[r, i] * column[r]}: each row times one number. */
  public Real timesColumn(Real column) {
    int n = value.length / Math.max(1, column.value.length);
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      int r = i / n;
      v[i] = value[i] * column.value[r];
      b[i] =
          (Math.abs(value[i]) * column.bound[r] + Math.abs(column.value[r]) * bound[i])
                  * SECOND_ORDER
              + rounding(v[i]);
    }
    return new Real(shape, v, b);
  }

  /** {@code this * factor}, where the device holds the factor rounded to f32. */
  public Real times(double factor) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = value[i] * factor;
      b[i] = Math.abs(factor) * bound[i] * SECOND_ORDER + 2 * rounding(v[i]);
    }
    return new Real(shape, v, b);
  }

  /** {@code -this}: exact. */
  public Real negated() {
    double[] v = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = -value[i];
    }
    return new Real(shape, v, bound);
  }

  /** {@code this - other}, of the same size, or of one row repeated. */
  public Real minus(Real other) {
    return plus(other.negated());
  }

  /** {@code this[r, i] / column[r]}: each row by one number; elementwise if of the same size. */
  public Real dividedByColumn(Real column) {
    int n = value.length / Math.max(1, column.value.length);
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      double d = column.value[i / n];
      v[i] = value[i] / d;
      b[i] =
          (bound[i] + Math.abs(v[i]) * column.bound[i / n]) / Math.abs(d) * SECOND_ORDER
              + DIVISION_ULPS * ulp(v[i])
              + TINY;
    }
    return new Real(shape, v, b);
  }

  /** {@code this / divisor}, where f32 holds the divisor exactly. */
  public Real dividedBy(double divisor) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = value[i] / divisor;
      b[i] = bound[i] / Math.abs(divisor) * SECOND_ORDER + DIVISION_ULPS * ulp(v[i]) + TINY;
    }
    return new Real(shape, v, b);
  }

  /** {@code this + addend}, where the device holds the addend rounded to f32. */
  public Real plus(double addend) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = value[i] + addend;
      b[i] = bound[i] * SECOND_ORDER + rounding(addend) + rounding(v[i]);
    }
    return new Real(shape, v, b);
  }

  /** The unit in the last place of f32 at {@code v}: the distance of neighbouring numbers. */
  public static double ulp(double v) {
    return Double.isFinite(v)
        ? Math.max(2 * U * Math.scalb(1.0, Math.getExponent(v)), TINY * 2 * U)
        : 0;
  }

  /** A function of each element, as accurate as the table of accuracies says. */
  public Real map(Elementary f) {
    double[] v = new double[value.length];
    double[] b = new double[value.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = f.apply(value[i]);
      double carried = bound[i] == 0 ? 0 : Math.abs(f.slope(value[i])) * bound[i] * SECOND_ORDER;
      b[i] = carried + f.ulps() * ulp(v[i]) + TINY;
    }
    return new Real(shape, v, b);
  }

  /** {@code 1 / (1 + exp(-this))}, each element. */
  public Real sigmoid() {
    return negated().map(Elementary.EXP).plus(1).map(Elementary.RECIPROCAL);
  }

  /** {@code this * sigmoid(this)}, each element. */
  public Real silu() {
    return times(sigmoid());
  }

  /** The largest element of one row: a choice, off by no more than the elements are. */
  public Real maxRow() {
    double v = Double.NEGATIVE_INFINITY;
    double b = 0;
    for (int i = 0; i < value.length; i++) {
      v = Math.max(v, value[i]);
    }
    for (int i = 0; i < value.length; i++) {
      // only those that may exceed it count
      if (value[i] + bound[i] >= v) {
        b = Math.max(b, bound[i]);
      }
    }
    return new Real(Shape.of(1), new double[] {v}, new double[] {b});
  }

  /**
   * {@code sum_k this[..., k]}: any order of the n - 1 additions, one row after another into [...,
   * 1].
   */
  public Real sumRows() {
    int n = (int) shape.dim(-1);
    int rows = n == 0 ? (int) shape.rows() : value.length / n;
    double[] v = new double[rows];
    double[] b = new double[rows];
    for (int r = 0; r < rows; r++) {
      double magnitude = 0;
      double carried = 0;
      for (int i = r * n; i < (r + 1) * n; i++) {
        v[r] += value[i];
        magnitude += Math.abs(value[i]) + bound[i];
        carried += bound[i];
      }
      b[r] = (carried + gamma(Math.max(0, n - 1)) * magnitude) * SECOND_ORDER + n * TINY;
    }
    return new Real(shape.with(-1, 1), v, b);
  }

  /**
   * The matrix product {@code out[m, n] = sum_k this[m, k] * w[n, k]} with f32 accumulation in any
   * order: gamma_K times the sum of magnitudes, plus what the arguments bring (Higham, section
   * 3.5).
   *
   * @param w [N, K]
   */
  public Real timesTransposed(Real w) {
    int k = (int) shape.dim(-1);
    int m = (int) shape.rows();
    int n = (int) w.shape.rows();
    double[] v = new double[m * n];
    double[] b = new double[m * n];
    boolean exact = isExact() && w.isExact();
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        double magnitude = 0;
        double carried = 0;
        for (int p = 0; p < k; p++) {
          double x = value[i * k + p];
          double y = w.value[j * k + p];
          sum += x * y;
          magnitude += Math.abs(x * y);
          if (!exact) {
            carried += Math.abs(x) * w.bound[j * k + p] + Math.abs(y) * bound[i * k + p];
          }
        }
        v[i * n + j] = sum;
        b[i * n + j] = (gamma(k) * magnitude + carried) * SECOND_ORDER + k * TINY;
      }
    }
    return new Real(Shape.of(m, n), v, b);
  }

  private boolean isExact() {
    return Arrays.stream(bound).allMatch(b -> b == 0);
  }
}
