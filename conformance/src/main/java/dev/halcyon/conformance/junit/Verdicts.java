package dev.halcyon.conformance.junit;

import dev.halcyon.conformance.Outcome;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Outcomes in the terms of JUnit. */
final class Verdicts {
  private Verdicts() {}

  /** Returns for a met case; otherwise fails or aborts the calling test. */
  static void report(Outcome outcome) {
    switch (outcome) {
      case Outcome.Pass p -> {}
      case Outcome.Warn w -> {}
      case Outcome.Fail f -> Assertions.fail(f.reason());
      case Outcome.NotSupported n -> Assumptions.abort("not supported: " + n.reason());
      case Outcome.NotRun n -> Assumptions.abort("not run: " + n.reason());
      case Outcome.Fault f -> Assertions.fail("the case broke off: " + f.cause(), f.cause());
    }
  }
}
