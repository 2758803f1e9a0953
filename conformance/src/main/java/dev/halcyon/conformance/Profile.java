package dev.halcyon.conformance;

/** What a run has to show. */
public enum Profile {
  /** A cross-section of everything, a minute at most. */
  QUICK,
  /** Every operator. */
  OPERATORS,
  /** Memory, streams, fences, graphs, errors, leaks. */
  RUNTIME,
  /** Whole models against golden vectors. */
  MODELS,
  /** All of it. */
  FULL
}
