package dev.halcyon.conformance;

import java.time.Duration;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Runs cases one after another on a subject. */
public final class Runner {
  private final Subject subject;
  private boolean deviceLost;

  public Runner(Subject subject) {
    this.subject = subject;
  }

  /** Runs all of them, telling each result as it comes. */
  public void run(Stream<ConformanceCase> cases, Consumer<CaseResult> results) {
    cases.forEachOrdered(c -> results.accept(run(c)));
  }

  /** Runs one case; never throws for what the case or the device does. */
  public CaseResult run(ConformanceCase testCase) {
    long begin = System.nanoTime();
    Outcome outcome;
    try {
      outcome = testCase.run(subject);
    } catch (RuntimeException | LinkageError | AssertionError | OutOfMemoryError e) {
      outcome = new Outcome.Fault(e);
      subject.releaseShared();
    }
    try {
      subject.settle();
    } catch (RuntimeException e) {
      deviceLost = true;
      outcome = new Outcome.Fault(e);
    }
    return new CaseResult(testCase, outcome, Duration.ofNanos(System.nanoTime() - begin));
  }

  /** Whether the device did not come back from the last case: no further one can run on it. */
  public boolean isDeviceLost() {
    return deviceLost;
  }
}
