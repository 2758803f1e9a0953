package dev.halcyon.conformance.waiver;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Glob;
import dev.halcyon.hal.DeviceInfo;
import java.time.LocalDate;
import java.util.List;

/**
 * A known failure: which cases of which device, why, and until when.
 *
 * @param line where it begins in its file, from 1
 * @param device pattern of device URIs, {@code *} for any characters
 * @param driver pattern of the driver's name and version
 * @param queries the cases; each of them must fail
 * @param issue where the failure is tracked
 * @param expect a part of the failure's message
 * @param expires the last day on which it holds
 */
public record Waiver(
    int line,
    String device,
    String driver,
    List<CaseQuery> queries,
    String issue,
    String expect,
    LocalDate expires) {
  public Waiver {
    queries = List.copyOf(queries);
  }

  /** Whether it speaks about this device with this driver. */
  public boolean concerns(DeviceInfo info) {
    return Glob.of(device).matches(info.uri().toString()) && Glob.of(driver).matches(info.driver());
  }

  /** Whether it speaks about a case. */
  public boolean covers(CaseId id) {
    return queries.stream().anyMatch(q -> q.matches(id));
  }
}
