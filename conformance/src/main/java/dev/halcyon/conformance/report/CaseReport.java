package dev.halcyon.conformance.report;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.waiver.Waiver;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeSet;

/**
 * One case in a report.
 *
 * @param id the case
 * @param status verdict, waivers included
 * @param reason why it is not a plain PASS; empty if it is
 * @param headroom the largest share of its bound that an element used
 * @param nmse error energy over signal energy
 * @param worst the element that decided
 * @param placement NATIVE, DECOMPOSED, HOST or empty
 * @param implementation kernel, library function or steps
 * @param launches kernels and library calls the device was given
 * @param facts further evidence
 * @param requirements ids of docs/spec
 * @param issue of the waiver, if one tolerates the failure
 * @param time wall-clock time, data and oracle included
 */
public record CaseReport(
    String id,
    Status status,
    String reason,
    OptionalDouble headroom,
    OptionalDouble nmse,
    Optional<String> worst,
    String placement,
    String implementation,
    long launches,
    Map<String, String> facts,
    List<String> requirements,
    Optional<String> issue,
    Duration time) {
  /** The report of a result. */
  static CaseReport of(CaseResult result, Optional<Waiver> waiver) {
    Evidence e = result.outcome().evidence();
    return new CaseReport(
        result.id().toString(),
        waiver.isPresent() ? Status.WAIVED : result.status(),
        reason(result.outcome()),
        e.headroom(),
        e.nmse(),
        e.worst(),
        e.placement(),
        e.implementation(),
        e.launches(),
        e.facts(),
        List.copyOf(new TreeSet<>(result.testCase().requirements())),
        waiver.map(Waiver::issue),
        result.time());
  }

  /** What there is to say about an outcome; empty for a plain pass. */
  static String reason(Outcome outcome) {
    return switch (outcome) {
      case Outcome.Pass p -> "";
      case Outcome.Warn w -> w.reason();
      case Outcome.Fail f -> f.reason();
      case Outcome.NotSupported n -> n.reason();
      case Outcome.NotRun n -> n.reason();
      case Outcome.Fault f -> {
        Throwable cause = f.cause();
        String at =
            cause.getStackTrace().length == 0 ? "" : " at " + cause.getStackTrace()[0].toString();
        yield cause.getClass().getSimpleName() + ": " + cause.getMessage() + at;
      }
    };
  }

  /** The id as a value. */
  public CaseId caseId() {
    return CaseId.parse(id);
  }
}
