package dev.halcyon.hal.plan;

/** Where and how an operator executes. */
public enum Placement {
  /** By a kernel or library function of the device. */
  NATIVE,
  /** On the device, as the operator's decomposition. */
  DECOMPOSED,
  /** On another device the policy names, usually the host; operands travel. */
  HOST
}
