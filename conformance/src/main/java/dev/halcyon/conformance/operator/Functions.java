package dev.halcyon.conformance.operator;

/**
 * What elementary functions of a device may be off by, in units of the last place of f32. From the
 * full profile of OpenCL 3.0 (specification, section 7.4), which CUDA's and Ascend's libraries meet
 * too; where it says less than 3, 3 is allowed for two roundings around the function.
 */
public final class Functions {
  public static final double EXP = 4;
  public static final double RSQRT = 4;

  /** {@code 1 / (1 + exp(-x))}: the exponential, a sum, a quotient correct to 2.5 ulps. */
  public static final double SIGMOID = EXP + 0.5 + 2.5;

  private Functions() {}
}
