package dev.halcyon.conformance.report;

import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.waiver.WaiverProblem;
import dev.halcyon.hal.plan.PlacementReport;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A run on one device.
 *
 * @param device what it is and says it can do
 * @param ending whether every case was asked
 * @param wall wall-clock time from opening to closing
 * @param counts cases by status; every status is there
 * @param definitions distinct cases before memory layouts and routes multiply them
 * @param placement every distinct decision of the planner
 * @param waiverProblems waivers that do not hold any more
 * @param results every case, in the order of the catalogue
 */
public record DeviceReport(
    DeviceDescription device,
    Ending ending,
    Duration wall,
    Map<Status, Long> counts,
    long definitions,
    List<PlacementReport.Decision> placement,
    List<WaiverProblem> waiverProblems,
    List<CaseReport> results) {
  public DeviceReport {
    counts = java.util.Collections.unmodifiableMap(new EnumMap<>(counts));
    placement = List.copyOf(placement);
    waiverProblems = List.copyOf(waiverProblems);
    results = List.copyOf(results);
  }

  /** Every status with its number of results. */
  static Map<Status, Long> count(List<CaseReport> results) {
    Map<Status, Long> counts = new EnumMap<>(Status.class);
    for (Status s : Status.values()) {
      counts.put(s, 0L);
    }
    results.forEach(r -> counts.merge(r.status(), 1L, Long::sum));
    return counts;
  }

  public long count(Status status) {
    return counts.getOrDefault(status, 0L);
  }

  /** Whether nothing failed, every case was asked and every waiver holds. */
  public boolean isMet() {
    return ending.kind() == Ending.Kind.COMPLETE
        && waiverProblems.isEmpty()
        && results.stream().allMatch(r -> r.status().isMet());
  }
}
