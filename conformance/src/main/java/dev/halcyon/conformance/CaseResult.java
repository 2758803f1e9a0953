package dev.halcyon.conformance;

import java.time.Duration;
import java.util.Objects;

/**
 * One line of a report.
 *
 * @param testCase what ran
 * @param outcome how it ended
 * @param time wall-clock time, data and oracle included
 */
public record CaseResult(ConformanceCase testCase, Outcome outcome, Duration time) {
  public CaseResult {
    Objects.requireNonNull(testCase);
    Objects.requireNonNull(outcome);
    Objects.requireNonNull(time);
  }

  public CaseId id() {
    return testCase.id();
  }

  /** The verdict before waivers. */
  public Status status() {
    return Status.of(outcome);
  }
}
