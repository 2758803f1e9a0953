package dev.halcyon.conformance.runtime;

import dev.halcyon.conformance.Outcome;

/** Ends a case that this device, or this place, gives nothing to judge for. */
final class Inapplicable extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient Outcome outcome;

  private Inapplicable(Outcome outcome, String reason) {
    super(reason);
    this.outcome = outcome;
  }

  /** The device may do without what the case is about, and does. */
  static Inapplicable notSupported(String reason) {
    return new Inapplicable(new Outcome.NotSupported(reason), reason);
  }

  /** Something the case needs is absent here. */
  static Inapplicable notRun(String reason) {
    return new Inapplicable(new Outcome.NotRun(reason), reason);
  }

  Outcome outcome() {
    return outcome;
  }
}
