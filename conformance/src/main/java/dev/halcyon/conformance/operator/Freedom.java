package dev.halcyon.conformance.operator;

/** Which memory layouts an operator allows for one operand. */
public enum Freedom {
  /** Any strides. */
  ANY,
  /** Neighbours of the last axis are adjacent. */
  ROWS,
  /** Dense. */
  DENSE
}
