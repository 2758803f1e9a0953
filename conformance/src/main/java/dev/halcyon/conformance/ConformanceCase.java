package dev.halcyon.conformance;

import java.util.Set;

/**
 * One thing a conforming device must do. Immutable and cheap to make: a catalogue holds tens of
 * thousands of them, so data is generated inside {@link #run}.
 */
public interface ConformanceCase {
  CaseId id();

  /**
   * The smallest profiles it belongs to; never {@link Profile#FULL}, which holds every case. A case
   * of {@link Profile#QUICK} belongs to another profile too.
   */
  Set<Profile> profiles();

  /**
   * Ids of the requirements in docs/spec that it checks, for example {@code OP-MATMUL-1}; at least
   * one. A test asserts that each requirement has a case and each id a requirement.
   */
  Set<String> requirements();

  /** What it does and how it judges, in a sentence or two: for {@code conformance explain}. */
  String description();

  /**
   * Runs on {@code subject} and says what happened.
   *
   * @implSpec Leaves nothing of its own open. A device that misbehaves gives {@link Outcome.Fail};
   *     what is thrown counts as {@link Outcome.Fault}.
   */
  Outcome run(Subject subject);
}
