package dev.halcyon.cli;

import dev.halcyon.conformance.report.Comparison;
import dev.halcyon.conformance.report.DeviceReport;
import dev.halcyon.conformance.report.ReportJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code halcyon conformance compare}: the same cases on several devices. */
@Command(
    name = "compare",
    mixinStandardHelpOptions = true,
    header = "Puts the results of several devices side by side.",
    description = {
      "",
      "Prints a row per operator and dtype with the routes of each device and the share of the"
          + " bound that its worst element used; the cases whose verdicts differ; the operators"
          + " whose shares differ most; and how many choices of experts differ between two devices."
    })
final class ConformanceCompareCommand implements Callable<Integer> {
  private final Host host;

  @Parameters(
      arity = "1..*",
      paramLabel = "FILE",
      description = "results.json of one or more runs; each may hold several devices.")
  private List<Path> files = new ArrayList<>();

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Cases listed whose verdicts differ. Default: 20.")
  private int limit = 20;

  ConformanceCompareCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    List<DeviceReport> devices = new ArrayList<>();
    for (Path file : files) {
      devices.addAll(ReportJson.read(file).devices());
    }
    Comparison comparison = new Comparison(devices);
    Console console = host.console();
    printMatrix(comparison);
    List<Comparison.Difference> differences = comparison.verdicts();
    console.println("");
    console.println(
        console.onOut(
            Console.Style.BOLD,
            differences.isEmpty()
                ? "All cases that ran on several devices have the same verdict."
                : differences.size() + " cases with different verdicts"));
    for (Comparison.Difference d : differences.subList(0, Math.min(limit, differences.size()))) {
      console.println(d.id());
      for (int i = 0; i < devices.size(); i++) {
        console.println("  " + comparison.names().get(i) + ": " + d.verdicts().get(i));
      }
    }
    if (differences.size() > limit) {
      console.println("and " + (differences.size() - limit) + " more");
    }
    printHeadroom(comparison);
    printRouters(comparison);
    return ExitCode.OK;
  }

  private void printMatrix(Comparison comparison) {
    List<TextTable.Align> align = new ArrayList<>(List.of(TextTable.Align.LEFT));
    align.add(TextTable.Align.LEFT);
    align.addAll(Collections.nCopies(comparison.names().size(), TextTable.Align.LEFT));
    TextTable table = new TextTable(align.toArray(TextTable.Align[]::new));
    List<String> heading = new ArrayList<>(List.of("OPERATOR", "DTYPE"));
    heading.addAll(comparison.names());
    table.row(heading.toArray(String[]::new));
    for (Comparison.Row row : comparison.rows()) {
      List<String> cells = new ArrayList<>(List.of(row.operator(), row.dtype()));
      cells.addAll(row.cells());
      table.row(cells.toArray(String[]::new));
    }
    table.print(host.console());
  }

  private void printHeadroom(Comparison comparison) {
    List<Comparison.Spread> spreads = comparison.headroom();
    if (spreads.isEmpty()) {
      return;
    }
    Console console = host.console();
    console.println("");
    console.println(
        console.onOut(Console.Style.BOLD, "Largest differences in the share of a bound"));
    for (Comparison.Spread s : spreads.subList(0, Math.min(limit, spreads.size()))) {
      console.println(
          String.format(
              Locale.ROOT,
              "%s: %.2f on %s, %.2f on %s",
              s.id(),
              s.most(),
              s.mostOn(),
              s.least(),
              s.leastOn()));
    }
  }

  private void printRouters(Comparison comparison) {
    List<Comparison.Routing> routings = comparison.routings();
    if (routings.isEmpty()) {
      return;
    }
    Console console = host.console();
    console.println("");
    console.println(console.onOut(Console.Style.BOLD, "Choices of experts"));
    for (Comparison.Routing r : routings) {
      console.println(
          r.id()
              + ": "
              + r.divergent()
              + " of "
              + r.decisions()
              + " differ between "
              + r.left()
              + " and "
              + r.right());
    }
  }
}
