package dev.halcyon.conformance;

/** Which plan of an operator a case runs. */
public enum Route {
  /** What the device prefers: native where it can, else the decomposition. */
  PREFERRED,
  /** Composites by their decomposition, whatever the device has. */
  DECOMPOSED
}
