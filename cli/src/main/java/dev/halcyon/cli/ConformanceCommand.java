package dev.halcyon.cli;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Supervisor;
import dev.halcyon.conformance.report.DeviceReport;
import dev.halcyon.conformance.report.DeviceRun;
import dev.halcyon.conformance.report.HostDescription;
import dev.halcyon.conformance.report.HtmlReport;
import dev.halcyon.conformance.report.JunitXml;
import dev.halcyon.conformance.report.ReportJson;
import dev.halcyon.conformance.report.RunReport;
import dev.halcyon.conformance.waiver.Waiver;
import dev.halcyon.conformance.waiver.WaiverFile;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code halcyon conformance}: whether devices keep the contract of the HAL. */
@Command(
    name = "conformance",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "[compare|explain|list|support]",
    header = "Shows whether devices keep the contract: operators, runtime, whole models.",
    description = {
      "",
      "Runs the cases of a profile on each device and holds the results against an oracle in double"
          + " with a bound for every element. Profiles: quick (a minute at most), operators,"
          + " runtime, models, full.",
      "",
      "With --out the folder gets results.json (everything, for tools), junit.xml and report.html"
          + " (one page, for people). docs/conformance.md says how to read them.",
      "",
      "The exit code is 0 if every device met the profile, 1 if one did not, 3 if one is"
          + " unavailable."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  halcyon conformance --device all --out report",
      "  halcyon conformance --device opencl://0 --filter 'hal:op/MatMul:b=bf16'",
      "  halcyon conformance compare cpu/results.json opencl/results.json"
    })
final class ConformanceCommand implements Callable<Integer> {
  private final Host host;

  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(
      names = "--profile",
      paramLabel = "NAME",
      converter = ProfileConverter.class,
      description =
          "What to run: quick, operators, runtime, models or full. Default: quick; with --filter:"
              + " full.")
  private Optional<Profile> profile = Optional.empty();

  @Option(
      names = "--filter",
      paramLabel = "QUERY",
      description =
          "Only cases whose id matches: 'hal:op/*', 'hal:op/MatMul:a=bf16,layout=*', or an id.")
  private Optional<String> filter = Optional.empty();

  @Mixin private ConformanceSources sources = new ConformanceSources();

  @Option(
      names = "--waivers",
      paramLabel = "FILE",
      description = "Known failures, each with an issue and a last day: docs/conformance.md.")
  private Optional<Path> waivers = Optional.empty();

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Folder for results.json, junit.xml and report.html; made if missing.")
  private Optional<Path> out = Optional.empty();

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      description = "How long a case may take before it is an error. Default: 120.")
  private long deadline = Supervisor.CASE_DEADLINE.toSeconds();

  @Option(names = "--json", description = "Print results.json instead of the summary.")
  private boolean json;

  private ConformanceCommand(Host host) {
    this.host = host;
  }

  /** The command with its subcommands. */
  static CommandLine commandLine(Host host) {
    return new CommandLine(new ConformanceCommand(host))
        .addSubcommand(new ConformanceCompareCommand(host))
        .addSubcommand(new ConformanceExplainCommand(host))
        .addSubcommand(new ConformanceListCommand(host))
        .addSubcommand(new ConformanceSupportCommand(host));
  }

  @Override
  public Integer call() {
    DeviceRun.Options options = options();
    List<DeviceSelection.Chosen> chosen = devices.choose(host);
    Instant begun = Instant.now();
    List<DeviceReport> reports = new ArrayList<>();
    try {
      requireOpenable(chosen);
      for (DeviceSelection.Chosen c : chosen) {
        if (!host.cancellation().isRequested()) {
          reports.add(run(c, options));
        }
      }
    } catch (HalException e) {
      return unavailable(e);
    }
    RunReport report =
        new RunReport(
            RunReport.SCHEMA,
            Main.Version.halcyon(),
            begun,
            HostDescription.current(),
            ProfileConverter.name(options.profile()),
            options.query().toString(),
            RunReport.SEEDS,
            sources.words(),
            reports);
    out.ifPresent(folder -> write(folder, report));
    if (json) {
      host.console().print(ReportJson.write(report) + System.lineSeparator());
    } else {
      new ConformanceSummary(host.console(), report).print();
    }
    if (host.cancellation().isRequested()) {
      return ExitCode.INTERRUPTED;
    }
    return report.isMet() ? ExitCode.OK : ExitCode.DISAGREEMENT;
  }

  private DeviceRun.Options options() {
    if (deadline < 1) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "a deadline of " + deadline + " s")
          .on("--deadline")
          .remedy("give at least 1")
          .build();
    }
    Catalogue catalogue = sources.catalogue(host);
    Profile chosen = profile.orElse(filter.isPresent() ? Profile.FULL : Profile.QUICK);
    CaseQuery query = filter.map(ConformanceListCommand::parse).orElse(CaseQuery.ALL);
    if (catalogue.cases(chosen, query).findAny().isEmpty()) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "no case is called '" + query + "'")
          .on("--filter")
          .remedy("see 'halcyon conformance list'; cases of models need --golden")
          .build();
    }
    List<Waiver> known = waivers.map(WaiverFile::read).orElse(List.of());
    return new DeviceRun.Options(catalogue, chosen, query, Duration.ofSeconds(deadline), known);
  }

  /** A device that is not there shall not be found after an hour of work on another. */
  private static void requireOpenable(List<DeviceSelection.Chosen> chosen) {
    if (chosen.size() > 1) {
      chosen.forEach(c -> c.opener().get().close());
    }
  }

  private int unavailable(HalException e) {
    return switch (e.code()) {
      case DEVICE_UNAVAILABLE, UNKNOWN_BACKEND, BACKEND_BROKEN, DEVICE_LOST, DEADLINE_EXCEEDED -> {
        Main.complain(host.console(), e.getMessage());
        yield ExitCode.DEVICE_UNAVAILABLE;
      }
      default -> throw e;
    };
  }

  private DeviceReport run(DeviceSelection.Chosen chosen, DeviceRun.Options options) {
    try (ConformanceProgress progress = new ConformanceProgress(host, chosen.uri().toString())) {
      return DeviceRun.run(chosen.opener(), options, progress);
    }
  }

  private void write(Path folder, RunReport report) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("results.json"), ReportJson.write(report));
      Files.writeString(folder.resolve("junit.xml"), JunitXml.write(report));
      Files.writeString(folder.resolve("report.html"), HtmlReport.write(report));
      host.console().say("wrote results.json, junit.xml and report.html to " + folder);
    } catch (IOException e) {
      throw HalException.of(
              HalErrorCode.INVALID_OPTION,
              "the reports cannot be written: "
                  + e.getClass().getSimpleName()
                  + " "
                  + e.getMessage())
          .on("--out")
          .remedy("name a folder that can be written")
          .cause(e)
          .build();
    }
  }
}
