package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Writes the tables of docs/conformance-onnx.md: arguments are the file to write, the folder of
 * node tests, and device URIs.
 */
final class OnnxResultsPage {
  private final StringBuilder text = new StringBuilder();

  private OnnxResultsPage() {}

  public static void main(String[] args) throws IOException {
    OnnxResultsPage page = new OnnxResultsPage();
    Path folder = Path.of(args[1]);
    Map<String, List<CaseResult>> results = new TreeMap<>();
    for (String uri : Arrays.copyOfRange(args, 2, args.length)) {
      results.put(uri, run(uri, folder));
    }
    results.values().stream()
        .flatMap(List::stream)
        .filter(r -> !r.status().isMet())
        .forEach(r -> System.err.println(r.id() + " " + r.outcome()));
    page.counts(results);
    page.notSupported(results);
    page.passed(results);
    Files.writeString(Path.of(args[0]), page.text + operators());
  }

  /** Runs every case of a folder on a device. */
  static List<CaseResult> run(String uri, Path folder) {
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject =
        Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), DeviceOptions.DEFAULT)) {
      new Runner(subject).run(new OnnxCases(folder).cases(), results::add);
    }
    return results;
  }

  private void line(String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append('\n');
  }

  private void counts(Map<String, List<CaseResult>> results) {
    line("| device | cases | %s |", names());
    line("|---|---|%s", "---|".repeat(Status.values().length));
    results.forEach(
        (uri, all) ->
            line(
                "| `%s` | %d | %s |",
                uri,
                all.size(),
                Arrays.stream(Status.values())
                    .map(s -> Long.toString(all.stream().filter(r -> r.status() == s).count()))
                    .collect(Collectors.joining(" | "))));
  }

  private static String names() {
    return Arrays.stream(Status.values()).map(Enum::name).collect(Collectors.joining(" | "));
  }

  private void notSupported(Map<String, List<CaseResult>> results) {
    Map<String, String> reasons = new TreeMap<>();
    for (CaseResult r : results.values().iterator().next()) {
      if (r.outcome() instanceof Outcome.NotSupported n) {
        reasons.put(r.id().subject(), n.reason());
      }
    }
    line("");
    line("## NOT_SUPPORTED");
    line("");
    line("| case | reason |");
    line("|---|---|");
    reasons.forEach((name, reason) -> line("| `%s` | %s |", name, reason));
  }

  private void passed(Map<String, List<CaseResult>> results) {
    line("");
    line("## Cases by operators that ran");
    line("");
    line("| operators of the HAL | cases that passed |");
    line("|---|---|");
    Map<String, List<String>> byOperators = new TreeMap<>();
    for (CaseResult r : results.values().iterator().next()) {
      if (r.outcome() instanceof Outcome.Pass p) {
        byOperators
            .computeIfAbsent(p.evidence().implementation(), k -> new ArrayList<>())
            .add(r.id().subject().replaceFirst("^test_", ""));
      }
    }
    byOperators.forEach(
        (operators, cases) -> line("| %s | %s |", operators, String.join(", ", cases)));
  }

  /** The table of mapped operators. */
  static String operators() {
    StringBuilder table = new StringBuilder("\n## Mapped operators\n\n");
    table.append("| ONNX | by | floating outputs |\n|---|---|---|\n");
    for (MappedOperator o : OperatorTable.all()) {
      table.append(
          String.format(
              "| %s | %s | %s |%n",
              o.name(),
              o.by(),
              switch (o.comparison()) {
                case EXACT -> "equal";
                case TOLERANCE -> "within tolerance";
              }));
    }
    return table.toString();
  }
}
