package dev.halcyon.conformance.operator;

/** Which memory layouts an operator allows for one operand. */
public enum Freedom {
  /** Any strides. */
  ANY,
  /** Neighbours of the last axis are adjacent. */
  ROWS,
  /** As {@link #ROWS}, or parts along the first axis that lie apart. */
  PARTS,
  /** Dense. */
  DENSE
}
