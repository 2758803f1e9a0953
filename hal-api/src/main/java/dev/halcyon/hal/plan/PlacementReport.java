package dev.halcyon.hal.plan;

import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Every distinct decision a planner made, and what it could not place.
 *
 * @param device the device's URI
 * @param decisions in the order of the operators' names
 * @param missing in the order of the operators' names; empty if everything asked for was planned
 */
public record PlacementReport(String device, List<Decision> decisions, List<Missing> missing) {
  /**
   * One decision.
   *
   * @param operator the operator's name
   * @param placement where it runs
   * @param implementation kernel, library function or steps
   * @param reason why not natively; empty for NATIVE
   * @param example operand types of one plan with this decision
   * @param plans plans that share the decision
   */
  public record Decision(
      String operator,
      Placement placement,
      String implementation,
      String reason,
      String example,
      int plans) {}

  /**
   * An operator that the device has neither natively nor by decomposition, and the policy not on
   * the host.
   *
   * @param operator the operator's name: of a composite that fails for want of primitives, theirs
   * @param reason why not
   * @param example operand types of one request
   * @param neededBy the composites whose decomposition needs it, each with the reason why it is not
   *     native; empty if it was asked for itself
   */
  public record Missing(String operator, String reason, String example, List<String> neededBy) {
    public Missing {
      neededBy = List.copyOf(neededBy);
    }

    /** The operators at the root of failed requests, one per name, dtypes and reason. */
    static List<Missing> causes(Collection<Planner.Missing> requests) {
      Map<String, Planner.Missing> causes = new TreeMap<>();
      Map<String, Set<String>> needs = new TreeMap<>();
      requests.forEach(r -> collect(r, r, causes, needs));
      List<Missing> all = new ArrayList<>();
      causes.forEach(
          (key, m) ->
              all.add(
                  new Missing(
                      m.spec().name(),
                      m.reason(),
                      m.types().toString(),
                      List.copyOf(needs.get(key)))));
      return all;
    }

    private static void collect(
        Planner.Missing request,
        Planner.Missing part,
        Map<String, Planner.Missing> causes,
        Map<String, Set<String>> needs) {
      if (!part.parts().isEmpty()) {
        part.parts().forEach(p -> collect(request, p, causes, needs));
        return;
      }
      List<?> dtypes = part.types().stream().map(TensorType::dtype).toList();
      String key = part.spec().name() + "|" + part.reason() + "|" + dtypes;
      // the same example in every run, in whatever order requests come
      causes.merge(
          key, part, (a, b) -> a.types().toString().compareTo(b.types().toString()) <= 0 ? a : b);
      Set<String> neededBy = needs.computeIfAbsent(key, k -> new TreeSet<>());
      if (part != request) {
        neededBy.add(request.spec().name() + " (" + request.reason() + ")");
      }
    }

    @Override
    public String toString() {
      return operator
          + " on "
          + example
          + " ("
          + reason
          + ")"
          + (neededBy.isEmpty() ? "" : ", needed by " + String.join(", ", neededBy));
    }
  }

  public PlacementReport {
    decisions = List.copyOf(decisions);
    missing = List.copyOf(missing);
  }

  /** Decisions of one kind. */
  public long count(Placement placement) {
    return decisions.stream().filter(d -> d.placement() == placement).count();
  }

  /** One line: how many operators run where. */
  public String summary() {
    return device
        + ": "
        + count(Placement.NATIVE)
        + " native, "
        + count(Placement.DECOMPOSED)
        + " decomposed, "
        + count(Placement.HOST)
        + " on the host"
        + (missing.isEmpty() ? "" : ", " + missing.size() + " missing");
  }

  @Override
  public String toString() {
    StringBuilder s = new StringBuilder(summary());
    for (Decision d : decisions) {
      s.append(
          String.format(
              "%n  %-10s %-22s %s%s",
              d.placement,
              d.operator,
              d.implementation,
              d.reason.isEmpty() ? "" : "  [" + d.reason + "]"));
    }
    for (Missing m : missing) {
      s.append(
          String.format(
              "%n  %-10s %-22s %s%s",
              "MISSING",
              m.operator,
              m.reason,
              m.neededBy.isEmpty() ? "" : "  [needed by " + String.join(", ", m.neededBy) + "]"));
    }
    return s.toString();
  }
}
