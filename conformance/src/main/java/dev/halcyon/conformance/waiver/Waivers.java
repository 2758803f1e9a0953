package dev.halcyon.conformance.waiver;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Status;
import dev.halcyon.hal.DeviceInfo;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The known failures of one device, and whether they still are. One run, one thread. */
public final class Waivers {
  private final List<Waiver> concerned;
  private final LocalDate today;
  private final Map<Waiver, Covered> seen = new LinkedHashMap<>();

  private static final class Covered {
    private long met;
    private long others;
    private Optional<CaseId> example = Optional.empty();
  }

  /**
   * The waivers that concern a device.
   *
   * @param today the day of the run
   */
  public Waivers(List<Waiver> all, DeviceInfo device, LocalDate today) {
    this.concerned = all.stream().filter(w -> w.concerns(device)).toList();
    this.today = today;
  }

  /**
   * Takes note of a result.
   *
   * @param message why the case is not met; empty if it is
   * @return the waiver under which it is tolerated
   */
  public Optional<Waiver> judge(CaseResult result, String message) {
    Optional<Waiver> tolerated = Optional.empty();
    for (Waiver w : concerned) {
      if (w.covers(result.id())) {
        Covered covered = seen.computeIfAbsent(w, x -> new Covered());
        if (result.status() == Status.PASS || result.status() == Status.WARN) {
          covered.met++;
          covered.example = covered.example.or(() -> Optional.of(result.id()));
        } else {
          covered.others++;
        }
        boolean failed = result.status() == Status.FAIL || result.status() == Status.ERROR;
        if (failed && !isExpired(w) && message.contains(w.expect())) {
          tolerated = tolerated.or(() -> Optional.of(w));
        }
      }
    }
    return tolerated;
  }

  private boolean isExpired(Waiver w) {
    return today.isAfter(w.expires());
  }

  /**
   * The waivers that do not hold any more, after all results were judged. One that names cases
   * which were not chosen for this run is no problem.
   *
   * @param catalogue every case there is
   */
  public List<WaiverProblem> problems(Catalogue catalogue) {
    List<WaiverProblem> problems = new ArrayList<>();
    for (Waiver w : concerned) {
      String name = w.queries() + " (" + w.issue() + ")";
      if (isExpired(w)) {
        problems.add(
            new WaiverProblem(
                w.line(),
                WaiverProblem.Kind.EXPIRED,
                name + " expired on " + w.expires() + ": repair the failure, or extend the date"));
      }
      Covered covered = seen.get(w);
      if (covered == null) {
        if (catalogue.cases().noneMatch(c -> w.covers(c.id()))) {
          problems.add(
              new WaiverProblem(
                  w.line(),
                  WaiverProblem.Kind.UNUSED,
                  name + " names no case: correct the query, or delete the waiver"));
        }
      } else if (covered.met > 0) {
        problems.add(
            new WaiverProblem(
                w.line(),
                WaiverProblem.Kind.UNEXPECTED_PASS,
                name
                    + " covers "
                    + covered.met
                    + (covered.met == 1 ? " case that is met: " : " cases that are met, such as ")
                    + covered.example.orElseThrow()
                    + (covered.others == 0
                        ? "; delete the waiver"
                        : "; narrow the query to the cases that fail")));
      }
    }
    return problems;
  }
}
