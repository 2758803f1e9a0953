package dev.halcyon.conformance.waiver;

/**
 * A waiver that does not hold any more; a run with one has not met its profile.
 *
 * @param line of the waiver in its file, from 1
 * @param kind what is wrong with it
 * @param text the waiver and what to do, in one sentence
 */
public record WaiverProblem(int line, Kind kind, String text) {
  /** What can be wrong with a waiver. */
  public enum Kind {
    /** Its last day is over. */
    EXPIRED,
    /** It names no case that exists. */
    UNUSED,
    /** A case that it covers is met. */
    UNEXPECTED_PASS
  }
}
