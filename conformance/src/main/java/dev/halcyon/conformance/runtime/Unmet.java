package dev.halcyon.conformance.runtime;

/** A requirement that a check found not met; its message says what was seen and what must be. */
final class Unmet extends RuntimeException {
  private static final long serialVersionUID = 1L;

  Unmet(String what) {
    super(what);
  }
}
