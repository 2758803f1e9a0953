package dev.halcyon.conformance.report;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import dev.halcyon.conformance.Supervisor;
import dev.halcyon.conformance.waiver.Waiver;
import dev.halcyon.conformance.waiver.WaiverProblem;
import dev.halcyon.conformance.waiver.Waivers;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.plan.PlacementReport;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/** Runs the chosen cases on one device and reports. */
public final class DeviceRun {
  /**
   * What to run.
   *
   * @param catalogue every case there is
   * @param profile which of them
   * @param query which of those
   * @param deadline of one case
   * @param waivers known failures, of any device
   */
  public record Options(
      Catalogue catalogue,
      Profile profile,
      CaseQuery query,
      Duration deadline,
      List<Waiver> waivers) {
    public Options {
      waivers = List.copyOf(waivers);
    }
  }

  /** Hears how a run goes, on the caller's thread. */
  public interface Listener {
    /** A case begins, after {@code done} of {@code total}. */
    void started(ConformanceCase testCase, int done, int total);

    /** A case ended. */
    void ended(CaseReport result);

    /** Whether to end the run; asked many times a second, on the caller's thread. */
    boolean isCancelled();
  }

  private DeviceRun() {}

  /**
   * Opens the device, runs every chosen case and closes it.
   *
   * @param opener opens the device; called again after it was lost, and by cases that need one of
   *     their own
   * @throws HalException as the opener does at first; what happens later is in the report
   */
  public static DeviceReport run(Supplier<Device> opener, Options options, Listener listener) {
    long begin = System.nanoTime();
    List<ConformanceCase> cases =
        options.catalogue().cases(options.profile(), options.query()).toList();
    Supervisor supervisor =
        new Supervisor(() -> new Subject(opener), options.deadline(), listener::isCancelled);
    List<CaseReport> results = new ArrayList<>();
    DeviceDescription description;
    Waivers waivers;
    List<PlacementReport.Decision> placement;
    Optional<String> ended;
    Optional<String> notClosed = Optional.empty();
    try {
      Device device = supervisor.subject().device();
      description = DeviceDescription.of(device);
      waivers = new Waivers(options.waivers(), device.info(), LocalDate.now());
      for (ConformanceCase c : cases) {
        listener.started(c, results.size(), cases.size());
        CaseResult result = supervisor.run(c);
        CaseReport report =
            CaseReport.of(result, waivers.judge(result, CaseReport.reason(result.outcome())));
        results.add(report);
        listener.ended(report);
      }
    } finally {
      placement = supervisor.placement();
      ended = supervisor.ended();
      try {
        supervisor.close();
      } catch (RuntimeException e) {
        notClosed = Optional.of(String.valueOf(e.getMessage()));
      }
    }
    List<WaiverProblem> problems = waivers.problems(options.catalogue());
    return new DeviceReport(
        description,
        ending(ended, notClosed),
        Duration.ofNanos(System.nanoTime() - begin),
        DeviceReport.count(results),
        definitions(cases),
        placement,
        problems,
        results);
  }

  private static Ending ending(Optional<String> ended, Optional<String> notClosed) {
    if (ended.isPresent()) {
      return new Ending(Ending.Kind.STOPPED, ended.get());
    }
    return notClosed
        .map(reason -> new Ending(Ending.Kind.NOT_CLOSED, reason))
        .orElse(Ending.COMPLETE);
  }

  private static long definitions(List<ConformanceCase> cases) {
    return cases.stream()
        .map(
            c -> {
              Map<String, String> parameters = new LinkedHashMap<>(c.id().parameters());
              parameters.remove("layout");
              parameters.remove("via");
              return c.id().path() + parameters;
            })
        .distinct()
        .count();
  }
}
