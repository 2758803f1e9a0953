package dev.halcyon.conformance;

import java.time.Duration;

/** A case did not return within its deadline. */
public final class CaseTimeoutException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  CaseTimeoutException(CaseId id, Duration deadline, String where) {
    super(id + " did not return within " + deadline.toMillis() * 1e-3 + " s; it was at " + where);
  }
}
