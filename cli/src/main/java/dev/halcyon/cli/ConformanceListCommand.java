package dev.halcyon.cli;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Profile;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code halcyon conformance list}: which cases there are. */
@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    header = "Lists the ids of cases; how many, on standard error.")
final class ConformanceListCommand implements Callable<Integer> {
  private final Host host;

  @Parameters(
      arity = "0..1",
      paramLabel = "QUERY",
      description = "Only cases whose id matches, such as 'hal:op/*:layout=dense'. Default: all.")
  private String query = "*";

  @Option(
      names = "--profile",
      paramLabel = "NAME",
      converter = ProfileConverter.class,
      description = "Only this profile.")
  private Optional<Profile> profile = Optional.empty();

  @Mixin private ConformanceSources sources = new ConformanceSources();

  ConformanceListCommand(Host host) {
    this.host = host;
  }

  /**
   * Reads a query.
   *
   * @throws HalException {@code INVALID_OPTION}
   */
  static CaseQuery parse(String text) {
    try {
      return CaseQuery.parse(text);
    } catch (IllegalArgumentException e) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "'" + text + "': " + e.getMessage())
          .on("the query")
          .remedy("write it as 'hal:op/MatMul:a=bf16,layout=*'; a star stands for anything")
          .build();
    }
  }

  @Override
  public Integer call() {
    List<CaseId> ids =
        sources
            .catalogue(host)
            .cases(profile.orElse(Profile.FULL), parse(query))
            .map(c -> c.id())
            .toList();
    StringBuilder lines = new StringBuilder();
    ids.forEach(id -> lines.append(id).append(System.lineSeparator()));
    host.console().print(lines.toString());
    host.console().say(ids.size() + (ids.size() == 1 ? " case" : " cases"));
    return ExitCode.OK;
  }
}
