package dev.halcyon.conformance;

import dev.halcyon.conformance.operator.MatMulCases;
import dev.halcyon.conformance.operator.RmsNormCases;
import dev.halcyon.conformance.runtime.RuntimeCases;
import java.util.List;

/** The families of cases that ship with Halcyon, in the order of reports. */
final class StandardSources {
  private StandardSources() {}

  static List<CaseSource> all() {
    return List.of(new MatMulCases(), new RmsNormCases(), new RuntimeCases());
  }
}
