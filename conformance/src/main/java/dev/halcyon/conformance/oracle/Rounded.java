package dev.halcyon.conformance.oracle;

/** Computed numbers that are then rounded to a narrower format. */
public final class Rounded {
  private Rounded() {}

  /**
   * What must be stored: the nearest number of the format, exactly, wherever the bound leaves no
   * choice; where it does, any of the numbers that some result within the bound rounds to.
   */
  public static Expected to(StorageFormat format, Real computed) {
    if (format == StorageFormat.F32) {
      return Expected.of(computed);
    }
    double[] value = new double[computed.size()];
    double[] bound = new double[computed.size()];
    for (int i = 0; i < value.length; i++) {
      double low = format.round(computed.value(i) - computed.bound(i));
      double high = format.round(computed.value(i) + computed.bound(i));
      value[i] = (low + high) / 2;
      // wide enough that the ends are no warning, too narrow for the next number beyond them
      bound[i] = low == high ? 0 : (high - low) / 2 + 0.2 * step(format, low, high);
    }
    return new Expected(value, bound, Expected.Zeros.EQUAL);
  }

  /** The smallest distance of neighbours in the range. */
  private static double step(StorageFormat format, double low, double high) {
    double least = low < 0 && high > 0 ? 0 : Math.min(Math.abs(low), Math.abs(high));
    int exponent = Math.getExponent(Math.max(least, format.smallestNormal()));
    return Math.max(format.smallestSubnormal(), Math.scalb(2 * format.unitRoundoff(), exponent));
  }
}
