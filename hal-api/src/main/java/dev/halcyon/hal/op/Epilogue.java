package dev.halcyon.hal.op;

/** What a matrix product adds before it writes its result. */
public enum Epilogue {
  NONE,
  /** An operand {@code bias} [N], broadcast over rows. */
  BIAS,
  /** An operand {@code residual} of the shape of out; it may be out itself. */
  RESIDUAL
}
