package dev.halcyon.conformance.report;

/**
 * How a run on a device ended.
 *
 * @param kind whether every case was asked
 * @param reason why not; empty if it was
 */
public record Ending(Kind kind, String reason) {
  /** Ways to end. */
  public enum Kind {
    /** Every case ran, and the device closed with nothing left open. */
    COMPLETE,
    /** The rest is NOT_RUN: interrupted, or the device is lost or hangs. */
    STOPPED,
    /** Every case ran, but the device did not close. */
    NOT_CLOSED
  }

  /** Every case ran. */
  public static final Ending COMPLETE = new Ending(Kind.COMPLETE, "");
}
