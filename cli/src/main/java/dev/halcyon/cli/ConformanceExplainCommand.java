package dev.halcyon.cli;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Specification;
import dev.halcyon.conformance.oracle.Accuracy;
import dev.halcyon.conformance.oracle.AccuracyTable;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code halcyon conformance explain}: what a case asks, and why. */
@Command(
    name = "explain",
    mixinStandardHelpOptions = true,
    header = "Says what a case does, which requirements it checks, and how to run it.")
final class ConformanceExplainCommand implements Callable<Integer> {
  private final Host host;

  @Parameters(
      paramLabel = "ID",
      description = "The id of a case; of a query that matches several, the first is explained.")
  private String id = "";

  @Mixin private ConformanceSources sources = new ConformanceSources();

  ConformanceExplainCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    ConformanceCase c = find();
    Console console = host.console();
    console.println(console.onOut(Console.Style.BOLD, c.id().toString()));
    console.println(c.description());
    console.println("");
    console.println(
        "Profiles: "
            + c.profiles().stream()
                .map(ProfileConverter::name)
                .sorted()
                .collect(Collectors.joining(", "))
            + ", full");
    console.println("Seed: " + Long.toUnsignedString(c.id().seed(), 16));
    Specification specification = Specification.load();
    for (String requirement : new TreeSet<>(c.requirements())) {
      console.println("");
      console.println(
          requirement + ": " + specification.find(requirement).orElse("(not in docs/spec)"));
    }
    bounds(c.id());
    console.println("");
    StringBuilder words = new StringBuilder();
    sources.words().forEach(w -> words.append(' ').append(w));
    console.println(
        "Run it: halcyon conformance --device cpu://" + words + " --filter '" + c.id() + "'");
    return ExitCode.OK;
  }

  /** What the table of accuracies says of the operator, of its function alone if the id has one. */
  private void bounds(CaseId caseId) {
    if (!caseId.path().startsWith("hal:op/")) {
      return;
    }
    String operator = caseId.subject();
    List<Accuracy> all =
        AccuracyTable.standard().rows().stream()
            .filter(a -> a.operator().equals(operator) || a.operator().startsWith(operator + "."))
            .toList();
    List<Accuracy> own =
        all.stream()
            .filter(
                a ->
                    caseId.parameters().values().stream()
                        .anyMatch(v -> a.operator().equalsIgnoreCase(operator + "." + v)))
            .toList();
    for (Accuracy a : own.isEmpty() ? all : own) {
      host.console().println("");
      host.console()
          .println(
              "Bound of "
                  + a.operator()
                  + " for "
                  + a.dtypes().stream()
                      .map(d -> d.name().toLowerCase(Locale.ROOT))
                      .collect(Collectors.joining(", "))
                  + ": "
                  + a.kind()
                  + (a.parameter().isEmpty() ? "" : " " + a.parameter())
                  + "; "
                  + a.justification());
    }
  }

  /** The case of that very id, or the first that the query matches. */
  private ConformanceCase find() {
    CaseQuery query = ConformanceListCommand.parse(id);
    List<ConformanceCase> found =
        sources.catalogue(host).cases().filter(c -> query.matches(c.id())).toList();
    return found.stream()
        .filter(c -> c.id().toString().equals(id))
        .findFirst()
        .or(() -> found.stream().findFirst())
        .orElseThrow(
            () ->
                HalException.of(HalErrorCode.INVALID_OPTION, "no case is called '" + id + "'")
                    .on("ID")
                    .remedy("see 'halcyon conformance list'; cases of models need --golden")
                    .build());
  }
}
