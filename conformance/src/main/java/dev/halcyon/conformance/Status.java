package dev.halcyon.conformance;

/** The verdict on a case in a report. */
public enum Status {
  PASS,
  /** Met, with little headroom. */
  WARN,
  FAIL,
  /** The device says it cannot. */
  NOT_SUPPORTED,
  /** Not met, and a waiver says why that is known. */
  WAIVED,
  /** Something the case needs is absent here. */
  NOT_RUN,
  /** The case broke off. */
  ERROR;

  /** Whether a run with this verdict among its results has met its profile. */
  public boolean isMet() {
    return switch (this) {
      case PASS, WARN, NOT_SUPPORTED, WAIVED, NOT_RUN -> true;
      case FAIL, ERROR -> false;
    };
  }

  /** The verdict before waivers. */
  public static Status of(Outcome outcome) {
    return switch (outcome) {
      case Outcome.Pass p -> PASS;
      case Outcome.Warn w -> WARN;
      case Outcome.Fail f -> FAIL;
      case Outcome.NotSupported n -> NOT_SUPPORTED;
      case Outcome.NotRun n -> NOT_RUN;
      case Outcome.Fault f -> ERROR;
    };
  }
}
