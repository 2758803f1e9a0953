package dev.halcyon.conformance.report;

import java.time.Instant;
import java.util.List;

/**
 * A run of the conformance kit: everything a reader elsewhere needs. Written to {@code
 * results.json} by {@link ReportJson}, which is the canonical form; the other reports are made from
 * it.
 *
 * @param schema version of this form, {@link #SCHEMA}
 * @param halcyon version of Halcyon
 * @param begun when it began
 * @param host where it ran
 * @param profile name of the profile, lower case
 * @param query which cases of the profile were chosen
 * @param seeds how the data of a case is made
 * @param options further options of the run that choosing its cases again needs
 * @param devices one report per device, in the order they were named
 */
public record RunReport(
    int schema,
    String halcyon,
    Instant begun,
    HostDescription host,
    String profile,
    String query,
    String seeds,
    List<String> options,
    List<DeviceReport> devices) {
  /** Raised when a reader of an older version would misread a report. */
  public static final int SCHEMA = 1;

  /** What {@link #seeds} says. */
  public static final String SEEDS = "SplittableRandom seeded by FNV-1a 64 of the case id";

  public RunReport {
    options = List.copyOf(options);
    devices = List.copyOf(devices);
  }

  /** Whether every device met the profile. */
  public boolean isMet() {
    return devices.stream().allMatch(DeviceReport::isMet);
  }

  /** The command that runs one case of this run again. */
  public String reproduction(DeviceReport device, String caseId) {
    StringBuilder s =
        new StringBuilder("halcyon conformance --device ").append(device.device().uri());
    if (caseId.startsWith("hal:model/") || caseId.startsWith("hal:onnx/")) {
      options.forEach(o -> s.append(' ').append(quoted(o)));
    }
    return s.append(" --filter ").append(quoted(caseId)).toString();
  }

  private static String quoted(String word) {
    return word.matches("[A-Za-z0-9_./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }
}
