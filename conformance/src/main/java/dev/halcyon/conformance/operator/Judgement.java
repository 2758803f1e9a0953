package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/** Compares what operands hold with what they must hold, element by element, guards included. */
final class Judgement {
  private final byte[] after;
  private final Subnormals subnormals;
  private final List<String> failures = new ArrayList<>();
  private double headroom = Double.NEGATIVE_INFINITY;
  private String worst = "";
  private double errorEnergy;
  private double signalEnergy;
  private long wrong;

  /** What the device does with subnormal numbers. */
  enum Subnormals {
    KEPT,
    FLUSHED
  }

  /**
   * @param after the region of the stage as the operator left it
   */
  Judgement(byte[] after, Subnormals subnormals) {
    this.after = after;
    this.subnormals = subnormals;
  }

  /**
   * Nothing but the elements of written operands changed.
   *
   * @param written which of them may
   */
  void guards(List<String> names, List<Placed> operands, List<Placed> written) {
    byte[] expected = operands.getFirst().before().clone();
    for (Placed p : written) {
      p.accept(after, expected);
      p.scales().forEach(s -> s.accept(after, expected));
    }
    Placed.damaged(expected, after)
        .ifPresent(at -> failures.add("byte " + at + ", " + where(names, operands, at)));
  }

  private static String where(List<String> names, List<Placed> operands, int at) {
    String nearest = "";
    int distance = Integer.MAX_VALUE;
    for (int i = 0; i < operands.size(); i++) {
      Optional<int[]> extent = operands.get(i).extent();
      if (extent.isEmpty()) {
        continue;
      }
      int[] e = extent.get();
      int away = at < e[0] ? e[0] - at : Math.max(0, at - e[1]);
      if (away < distance) {
        distance = away;
        nearest =
            (away == 0 ? "within" : away + " bytes " + (at < e[0] ? "before" : "after"))
                + " operand '"
                + names.get(i)
                + "'";
      }
    }
    return nearest + ", was overwritten";
  }

  /** Every element is within its bound. */
  void values(String name, Placed operand, Expected expected) {
    double[] actual = operand.decode(after);
    Shape shape = operand.view().shape();
    if (actual.length != expected.value().length) {
      throw new IllegalStateException(
          "the oracle gives " + expected.value().length + " numbers for " + name + " " + shape);
    }
    for (int i = 0; i < actual.length; i++) {
      double used = used(actual[i], expected, i);
      if (used > headroom && (used > 1 || expected.reach() == Expected.Reach.FAR)) {
        headroom = used;
        worst =
            name
                + index(shape, i)
                + " is "
                + actual[i]
                + ", expected "
                + expected.value()[i]
                + (expected.bound()[i] > 0
                    ? String.format(Locale.ROOT, " within %.3g", expected.bound()[i])
                    : " exactly");
      }
      if (used > 1) {
        wrong++;
      }
      if (Double.isFinite(expected.value()[i]) && expected.bound()[i] > 0) {
        double error = actual[i] - expected.value()[i];
        errorEnergy += error * error;
        signalEnergy += expected.value()[i] * expected.value()[i];
      }
    }
  }

  /**
   * The share of its bound that an element uses; infinite if it is wrong where no bound applies.
   */
  private double used(double actual, Expected expected, int i) {
    double value = expected.value()[i];
    double bound = expected.bound()[i];
    if (subnormals == Subnormals.FLUSHED && expected.flushed().length > 0) {
      bound += expected.flushed()[i];
    }
    if (bound == Double.POSITIVE_INFINITY) {
      return 0;
    }
    if (Double.isNaN(value) || Double.isNaN(actual)) {
      return Double.isNaN(value) && Double.isNaN(actual) ? 0 : Double.POSITIVE_INFINITY;
    }
    if (actual == value) {
      boolean sign =
          expected.zeros() == Expected.Zeros.SIGNED && Double.compare(actual, value) != 0;
      return sign ? Double.POSITIVE_INFINITY : 0;
    }
    if (Double.isInfinite(value) || Double.isInfinite(actual) || bound == 0) {
      return Double.POSITIVE_INFINITY;
    }
    return Math.abs(actual - value) / bound;
  }

  private static String index(Shape shape, int flat) {
    long[] dims = shape.dims();
    long[] index = new long[dims.length];
    long rest = flat;
    for (int a = dims.length - 1; a >= 0; a--) {
      index[a] = rest % dims[a];
      rest /= dims[a];
    }
    return java.util.Arrays.toString(index);
  }

  /** The verdict, with what was measured added to {@code evidence}. */
  Outcome outcome(Evidence evidence) {
    Evidence measured =
        new Evidence(
            headroom > 0 && Double.isFinite(headroom)
                ? OptionalDouble.of(headroom)
                : OptionalDouble.empty(),
            signalEnergy > 0
                ? OptionalDouble.of(errorEnergy / signalEnergy)
                : OptionalDouble.empty(),
            worst.isEmpty() ? Optional.empty() : Optional.of(worst),
            evidence.placement(),
            evidence.implementation(),
            evidence.launches());
    if (wrong > 0) {
      failures.add(wrong + " elements are wrong; " + worst);
    }
    return failures.isEmpty()
        ? Outcome.met(measured)
        : new Outcome.Fail(String.join("; ", failures), measured);
  }
}
