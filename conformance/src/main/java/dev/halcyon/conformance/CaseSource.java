package dev.halcyon.conformance;

import java.util.stream.Stream;

/** A family of cases: one operator, one topic of the runtime, one golden model. */
public interface CaseSource {
  /** Its cases in a fixed order; the same ids in every run. */
  Stream<ConformanceCase> cases();
}
