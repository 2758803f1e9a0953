package dev.halcyon.conformance.model;

import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Logits against logits: the largest difference in shares of a bound that grows with their size.
 * docs/spec/model.md has the reasons.
 */
final class LogitComparison {
  /** The smallest bound. */
  static final double ABSOLUTE = 5e-4;

  /** The bound as a share of the root mean square of the reference's logits. */
  static final double RELATIVE = 2.5e-4;

  private final Map<String, String> facts = new LinkedHashMap<>();
  private double used;
  private String worst = "";
  private double errorEnergy;
  private double signalEnergy;
  private long wrong;
  private boolean equalBits = true;

  /** The bound for logits of this size. */
  static double bound(float[][] reference) {
    double energy = 0;
    long count = 0;
    for (float[] row : reference) {
      for (float v : row) {
        energy += (double) v * v;
      }
      count += row.length;
    }
    return Math.max(ABSOLUTE, RELATIVE * Math.sqrt(energy / Math.max(1, count)));
  }

  /** Compares {@code [positions][vocab]}. */
  void add(String name, float[][] actual, float[][] expected) {
    double bound = bound(expected);
    for (int t = 0; t < expected.length; t++) {
      for (int v = 0; v < expected[t].length; v++) {
        double a = actual[t][v];
        double e = expected[t][v];
        double error = Math.abs(a - e);
        equalBits &=
            Float.floatToRawIntBits(actual[t][v]) == Float.floatToRawIntBits(expected[t][v]);
        double share = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error / bound;
        if (share > used || worst.isEmpty()) {
          used = share;
          worst =
              String.format(
                  Locale.ROOT,
                  "%s[%d, %d] is %s, expected %s within %.3g",
                  name,
                  t,
                  v,
                  a,
                  e,
                  bound);
        }
        if (share > 1) {
          wrong++;
        }
        errorEnergy += error * error;
        signalEnergy += e * e;
      }
    }
  }

  /** Whether every bit was the same so far. */
  boolean equalBits() {
    return equalBits;
  }

  void fact(String name, Object value) {
    facts.put(name, value.toString());
  }

  Evidence evidence() {
    return new Evidence(
        Double.isFinite(used) && used > 0 ? OptionalDouble.of(used) : OptionalDouble.empty(),
        signalEnergy > 0 && Double.isFinite(errorEnergy)
            ? OptionalDouble.of(errorEnergy / signalEnergy)
            : OptionalDouble.empty(),
        worst.isEmpty() ? Optional.empty() : Optional.of(worst),
        "",
        "",
        0,
        facts);
  }

  /** The verdict by the bound. */
  Outcome outcome() {
    return wrong > 0
        ? new Outcome.Fail(wrong + " logits are wrong; " + worst, evidence())
        : Outcome.met(evidence());
  }
}
