package dev.halcyon.conformance.oracle;

/**
 * The softmax of a row of scores, and weighted means by it, with the error that any of the usual
 * ways may make: two passes, or one that rescales what it has whenever the maximum grows, over the
 * row or over contiguous parts of it that are merged.
 *
 * <p>An exponential {@code exp(t - m)} of a device is off by a factor of {@code 1 + eta}: the bound
 * of t, the rounding of the difference (twice, because a rescaled term was subtracted an earlier
 * maximum first), the device's function, and one exponential and one product for each rescaling.
 * The maximum itself cancels. A row is rescaled as often as its maximum grows, at most by the
 * longest chain of ever larger scores, and once more when parts are merged.
 */
public final class Softmax {
  /** The relative error of one quotient. */
  private static final double QUOTIENT = 2 * AccuracyTable.standard().ulps("Binary.DIV") * Real.U;

  /** The relative error of the device's exponential. */
  private static final double EXP = 2 * Elementary.EXP.ulps() * Real.U;

  private final double[] share;
  private final double[] eta;
  private final double meanEta;
  private final double roundings;

  private Softmax(double[] share, double[] eta, double roundings) {
    this.share = share;
    this.eta = eta;
    this.roundings = roundings;
    double mean = 0;
    for (int i = 0; i < eta.length; i++) {
      mean += share[i] * eta[i];
    }
    this.meanEta = mean;
  }

  /**
   * The softmax of {@code scale * score}.
   *
   * @param score exact scores
   * @param bound what each may be off by
   * @param scale multiplies the scores; a device may fold the logarithm's base into it
   */
  public static Softmax of(double[] score, double[] bound, double scale) {
    int n = score.length;
    double max = Double.NEGATIVE_INFINITY;
    double[] t = new double[n];
    for (int i = 0; i < n; i++) {
      t[i] = scale * score[i];
      max = Math.max(max, t[i]);
    }
    double[] share = new double[n];
    double sum = 0;
    for (int i = 0; i < n; i++) {
      share[i] = Math.exp(t[i] - max);
      sum += share[i];
    }
    int rescalings = longestRise(t);
    double[] eta = new double[n];
    for (int i = 0; i < n; i++) {
      share[i] /= sum;
      double off =
          Math.abs(scale) * bound[i]
              + 3 * Real.rounding(t[i])
              + 2 * Real.U * (max - t[i])
              + EXP
              + rescalings * (EXP + Real.U);
      eta[i] = Math.expm1(off);
    }
    return new Softmax(share, eta, Real.gamma(n + rescalings) + 2 * QUOTIENT);
  }

  /** Entries of the longest chain in which each is the next larger one of the entry before. */
  private static int longestRise(double[] t) {
    int[] chain = new int[t.length];
    int[] next = new int[t.length];
    int longest = 0;
    for (int i = t.length - 1; i >= 0; i--) {
      int j = i + 1;
      while (j < t.length && t[j] <= t[i]) {
        j = next[j];
      }
      next[i] = j;
      chain[i] = 1 + (j < t.length ? chain[j] : 0);
      longest = Math.max(longest, chain[i]);
    }
    return longest;
  }

  public int size() {
    return share.length;
  }

  /** The exact probability of an entry. */
  public double value(int i) {
    return share[i];
  }

  /** What a device's probability of an entry may be off by. */
  public double bound(int i) {
    return share[i] * (eta[i] + meanEta + roundings) * Real.SECOND_ORDER + 2 * Real.TINY;
  }

  /**
   * {@code sum_i p_i * v[first[i] + offset]}.
   *
   * @param v the values, row-major
   * @param first where the vector of each entry begins
   * @param offset element of the vectors
   * @return the sum and what it may be off by
   */
  public double[] mean(Real v, int[] first, int offset) {
    double sum = 0;
    double off = 0;
    double magnitude = 0;
    double all = 0;
    for (int i = 0; i < share.length; i++) {
      double value = v.value(first[i] + offset);
      double a = Math.abs(value);
      sum += share[i] * value;
      magnitude += share[i] * a;
      off += share[i] * (a * eta[i] + v.bound(first[i] + offset));
      all += a + 1;
    }
    off += magnitude * roundings + Math.abs(sum) * (meanEta + roundings) + all * Real.TINY;
    return new double[] {sum, off * Real.SECOND_ORDER};
  }
}
