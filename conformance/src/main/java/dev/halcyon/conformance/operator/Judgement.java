package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.operator.Placed.Access;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.tensor.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/** Compares what operands hold with what they must hold, element by element, guards included. */
final class Judgement {
  /**
   * Roundings up to which a bound is sharp: among many results some come close to it, and that says
   * nothing about a device. Such a bound must be kept but has no headroom.
   */
  private static final int SHARP = 4;

  private final CommandStream stream;
  private final List<String> failures = new ArrayList<>();
  private final Map<Placed, byte[]> read = new HashMap<>();
  private double headroom = Double.NEGATIVE_INFINITY;
  private String worst = "";
  private double errorEnergy;
  private double signalEnergy;
  private long wrong;

  Judgement(CommandStream stream) {
    this.stream = stream;
  }

  private byte[] after(Placed operand) {
    return read.computeIfAbsent(operand, p -> p.read(stream));
  }

  /** Nothing outside the elements changed, and inputs not at all. */
  void guards(String name, Placed operand, Access access) {
    byte[] after = after(operand);
    OptionalInt damaged = operand.damaged(after, access);
    if (damaged.isPresent()) {
      failures.add(
          (access == Access.READ ? "input '" : "memory around '")
              + name
              + "' was overwritten, "
              + operand.where(damaged.getAsInt()));
    }
    for (Placed scales : operand.scales()) {
      guards(name + " scales", scales, access);
    }
  }

  /** Every element is within its bound. */
  void values(String name, Placed operand, Expected expected) {
    double[] actual = operand.decode(after(operand));
    Shape shape = operand.view().shape();
    if (actual.length != expected.value().length) {
      throw new IllegalStateException(
          "the oracle gives " + expected.value().length + " numbers for " + name + " " + shape);
    }
    for (int i = 0; i < actual.length; i++) {
      double used = used(actual[i], expected, i);
      boolean sharp = expected.bound()[i] <= SHARP * Real.rounding(expected.value()[i]);
      if (used > headroom && (used > 1 || !sharp)) {
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
  private static double used(double actual, Expected expected, int i) {
    double value = expected.value()[i];
    double bound = expected.bound()[i];
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
