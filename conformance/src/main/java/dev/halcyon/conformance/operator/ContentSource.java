package dev.halcyon.conformance.operator;

/** Makes the inputs of a case. */
@FunctionalInterface
public interface ContentSource {
  /** The same for the same seed of {@code draw}. */
  Contents generate(Draw draw);
}
