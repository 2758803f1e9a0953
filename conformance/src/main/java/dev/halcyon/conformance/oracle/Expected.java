package dev.halcyon.conformance.oracle;

/**
 * What an operand must hold after the operator ran. An infinite bound leaves an element open.
 *
 * @param value the exact results, row-major
 * @param bound the largest allowed difference of each; 0 for exact
 * @param flushed the difference allowed beyond {@code bound} on a device that takes subnormal
 *     numbers for zero; empty if the same everywhere
 * @param zeros whether the sign of an exact zero counts
 * @param reach whether devices are expected to stay clear of the bound
 */
public record Expected(double[] value, double[] bound, double[] flushed, Zeros zeros, Reach reach) {
  private static final double[] NOTHING = {};

  /** Where f32 begins to round to infinity. */
  private static final double OVERFLOW =
      StorageFormat.F32.largest() + Math.scalb(1.0, 127 - 24 /* half the last place */);

  /** What is asked of zeros. */
  public enum Zeros {
    /** Elements are moved: -0 stays -0. */
    SIGNED,
    /** Elements are computed: 0 and -0 are equal. */
    EQUAL
  }

  /** How near to a bound the results of a good device come. */
  public enum Reach {
    /** The bound adds up many errors, which cancel in part: what comes near it deserves a look. */
    FAR,
    /** Three roundings or fewer: good devices reach the bound. */
    NEAR
  }

  public Expected {
    if (value.length != bound.length || flushed.length != 0 && flushed.length != value.length) {
      throw new IllegalArgumentException(value.length + " values, " + bound.length + " bounds");
    }
  }

  /** The same with and without subnormal numbers. */
  public Expected(double[] value, double[] bound, Zeros zeros) {
    this(value, bound, NOTHING, zeros, Reach.FAR);
  }

  /**
   * Computed numbers of f32 with the bounds of the analysis. What overflows is infinite; what may
   * overflow within its bound is open.
   */
  public static Expected of(Real result) {
    double[] v = result.values().clone();
    double[] b = result.bounds().clone();
    for (int i = 0; i < v.length; i++) {
      double magnitude = Math.abs(v[i]);
      if (Double.isNaN(v[i]) || Double.isInfinite(v[i])) {
        b[i] = 0;
      } else if (Double.isNaN(b[i])) {
        b[i] = Double.POSITIVE_INFINITY;
      } else if (magnitude - b[i] >= OVERFLOW) {
        v[i] = Math.copySign(Double.POSITIVE_INFINITY, v[i]);
        b[i] = 0;
      } else if (magnitude + b[i] >= OVERFLOW) {
        b[i] = Double.POSITIVE_INFINITY;
      }
    }
    return new Expected(v, b, Zeros.EQUAL);
  }

  /** Numbers that must come out exactly: indices, comparisons, exact arithmetic. */
  public static Expected exactly(double[] values) {
    return new Expected(values, new double[values.length], Zeros.EQUAL);
  }

  /** Elements that are moved, not computed. */
  public static Expected moved(double[] values) {
    return new Expected(values, new double[values.length], Zeros.SIGNED);
  }

  /** This, with what a device without subnormal numbers may differ by beyond the bound. */
  public Expected flushing(double[] more) {
    return new Expected(value, bound, more, zeros, reach);
  }

  /** This, where the bound is that of three roundings or fewer. */
  public Expected near() {
    return new Expected(value, bound, flushed, zeros, Reach.NEAR);
  }
}
