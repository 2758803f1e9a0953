package dev.halcyon.hal.plan;

import java.util.List;

/**
 * Every distinct decision a planner made.
 *
 * @param device the device's URI
 * @param decisions in the order of the operators' names
 */
public record PlacementReport(String device, List<Decision> decisions) {
  /**
   * One decision.
   *
   * @param operator the operator's name
   * @param placement where it runs
   * @param implementation kernel, library function or steps
   * @param reason why not natively; empty for NATIVE
   * @param example operand types of the first plan with this decision
   * @param plans plans that share the decision
   */
  public record Decision(
      String operator,
      Placement placement,
      String implementation,
      String reason,
      String example,
      int plans) {}

  public PlacementReport {
    decisions = List.copyOf(decisions);
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
        + " on the host";
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
    return s.toString();
  }
}
