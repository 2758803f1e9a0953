package dev.halcyon.conformance.operator;

/**
 * How the operands of a case lie in memory. Every case runs in each layout that its operator
 * allows.
 */
public enum Layout {
  /** Dense, aligned to 256 bytes. */
  DENSE,
  /** Dense, 64 bytes into its allocation. */
  OFFSET,
  /** Dense, aligned to the element only: vector loads of a device must not assume more. */
  MISALIGNED,
  /** The inner part of a larger tensor: rows and elements of others lie between. */
  SLICED,
  /** The last two axes swapped in memory. */
  TRANSPOSED,
  /** Inputs that repeat along the first axis with stride 0. */
  BROADCAST,
  /** The parts of a grouped weight in places of their own. */
  STACKED,
  /** Each operand in another of these, chosen by the seed. */
  MIXED,
  /** An output that is the very view of the input that allows it. */
  IN_PLACE
}
