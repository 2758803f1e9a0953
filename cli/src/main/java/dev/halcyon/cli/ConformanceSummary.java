package dev.halcyon.cli;

import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.report.CaseReport;
import dev.halcyon.conformance.report.DeviceReport;
import dev.halcyon.conformance.report.Ending;
import dev.halcyon.conformance.report.RunReport;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** The end of a run in a few lines. */
final class ConformanceSummary {
  private static final int LISTED = 5;
  private static final int REASON = 200;

  private final Console console;
  private final RunReport run;

  ConformanceSummary(Console console, RunReport run) {
    this.console = console;
    this.run = run;
  }

  void print() {
    table();
    for (DeviceReport d : run.devices()) {
      worst(d);
      failures(d);
      d.waiverProblems()
          .forEach(
              p ->
                  console.println(
                      d.device().uri() + ": waivers line " + p.line() + ": " + p.text()));
      if (d.ending().kind() != Ending.Kind.COMPLETE) {
        console.println(
            d.device().uri()
                + ": "
                + (d.ending().kind() == Ending.Kind.STOPPED ? "stopped: " : "not closed: ")
                + d.ending().reason());
      }
    }
    for (DeviceReport d : run.devices()) {
      String verdict =
          d.device().uri() + ": profile " + run.profile() + (d.isMet() ? " met" : " NOT met");
      console.println(console.onOut(d.isMet() ? Console.Style.GREEN : Console.Style.RED, verdict));
    }
  }

  private void table() {
    List<TextTable.Align> align = new ArrayList<>(List.of(TextTable.Align.LEFT));
    List<String> heading = new ArrayList<>(List.of("DEVICE"));
    for (Status s : Status.values()) {
      align.add(TextTable.Align.RIGHT);
      heading.add(s.name().replace('_', ' '));
    }
    align.add(TextTable.Align.RIGHT);
    heading.add("TIME");
    TextTable table = new TextTable(align.toArray(TextTable.Align[]::new));
    table.row(heading.toArray(String[]::new));
    for (DeviceReport d : run.devices()) {
      List<String> row = new ArrayList<>(List.of(d.device().uri()));
      for (Status s : Status.values()) {
        row.add(Long.toString(d.count(s)));
      }
      row.add(Units.seconds(d.wall()));
      table.row(row.toArray(String[]::new));
    }
    table.print(console);
  }

  private void worst(DeviceReport d) {
    d.results().stream()
        .filter(r -> r.headroom().isPresent())
        .max(Comparator.comparingDouble(r -> r.headroom().getAsDouble()))
        .ifPresent(
            r ->
                console.println(
                    String.format(
                        Locale.ROOT,
                        "%s: largest share of a bound %.2f, %s",
                        d.device().uri(),
                        r.headroom().getAsDouble(),
                        r.id())));
  }

  private void failures(DeviceReport d) {
    List<CaseReport> failed =
        d.results().stream()
            .filter(r -> r.status() == Status.FAIL || r.status() == Status.ERROR)
            .toList();
    for (CaseReport r : failed.subList(0, Math.min(LISTED, failed.size()))) {
      console.println(console.onOut(Console.Style.RED, r.status().name()) + " " + r.id());
      console.println("  " + shortened(r.reason().replaceAll("\\s*\\R\\s*", " ")));
      console.println("  " + run.reproduction(d, r.id()));
    }
    if (failed.size() > LISTED) {
      console.println("and " + (failed.size() - LISTED) + " more; --out writes them all");
    }
  }

  private static String shortened(String reason) {
    return reason.length() > REASON ? reason.substring(0, REASON) + " ..." : reason;
  }
}
