package dev.halcyon.conformance;

import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementReport;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Decisions of several planners of one device, as one list. */
final class Placements {
  private record Key(String operator, Placement placement, String implementation, String reason) {}

  private Placements() {}

  /** Equal decisions once, their plans added up, in the order of their first appearance. */
  static List<PlacementReport.Decision> merge(List<List<PlacementReport.Decision>> reports) {
    Map<Key, PlacementReport.Decision> all = new LinkedHashMap<>();
    for (List<PlacementReport.Decision> report : reports) {
      for (PlacementReport.Decision d : report) {
        all.merge(
            new Key(d.operator(), d.placement(), d.implementation(), d.reason()),
            d,
            (a, b) ->
                new PlacementReport.Decision(
                    a.operator(),
                    a.placement(),
                    a.implementation(),
                    a.reason(),
                    a.example(),
                    a.plans() + b.plans()));
      }
    }
    return List.copyOf(all.values());
  }
}
