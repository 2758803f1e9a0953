package dev.halcyon.conformance.oracle;

/**
 * What an operand must hold after the operator ran. An infinite bound leaves an element open.
 *
 * @param value the exact results, row-major
 * @param bound the largest allowed difference of each; 0 for exact
 * @param zeros whether the sign of an exact zero counts
 */
public record Expected(double[] value, double[] bound, Zeros zeros) {
  /** What is asked of zeros. */
  public enum Zeros {
    /** Elements are moved: -0 stays -0. */
    SIGNED,
    /** Elements are computed: 0 and -0 are equal. */
    EQUAL
  }

  public Expected {
    if (value.length != bound.length) {
      throw new IllegalArgumentException(value.length + " values, " + bound.length + " bounds");
    }
  }

  /** Computed numbers with the bounds of the analysis. */
  public static Expected of(Real result) {
    return new Expected(result.values(), result.bounds(), Zeros.EQUAL);
  }

  /** Numbers that must come out exactly: indices, comparisons, exact arithmetic. */
  public static Expected exactly(double[] values) {
    return new Expected(values, new double[values.length], Zeros.EQUAL);
  }

  /** Elements that are moved, not computed. */
  public static Expected moved(double[] values) {
    return new Expected(values, new double[values.length], Zeros.SIGNED);
  }
}
