package dev.halcyon.conformance.oracle;

import java.util.function.DoubleUnaryOperator;

/**
 * Functions that devices approximate, with derivative and the accuracy that {@link AccuracyTable}
 * states.
 */
public enum Elementary {
  EXP(Math::exp, Math::exp),
  LOG(Math::log, x -> 1 / x),
  SQRT(Math::sqrt, x -> 0.5 / Math.sqrt(x)),
  RSQRT(x -> 1 / Math.sqrt(x), x -> -0.5 / (x * Math.sqrt(x))),
  RECIPROCAL(x -> 1 / x, x -> -1 / (x * x)),
  TANH(Math::tanh, x -> 1 - Math.tanh(x) * Math.tanh(x)),
  COS(Math::cos, x -> -Math.sin(x)),
  SIN(Math::sin, Math::cos);

  private final DoubleUnaryOperator function;
  private final DoubleUnaryOperator derivative;
  private final double ulps;

  Elementary(DoubleUnaryOperator function, DoubleUnaryOperator derivative) {
    this.function = function;
    this.derivative = derivative;
    this.ulps = AccuracyTable.standard().ulps("Unary." + name());
  }

  /** The function in double. */
  public double apply(double x) {
    return function.applyAsDouble(x);
  }

  double slope(double x) {
    return derivative.applyAsDouble(x);
  }

  /** What a device's f32 function may be off by, in units in the last place. */
  public double ulps() {
    return ulps;
  }
}
