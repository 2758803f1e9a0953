package dev.halcyon.cli;

import dev.halcyon.conformance.report.DeviceReport;
import dev.halcyon.conformance.report.ReportJson;
import dev.halcyon.conformance.report.SupportPage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code halcyon conformance support}: docs/SUPPORT.md. */
@Command(
    name = "support",
    mixinStandardHelpOptions = true,
    header = "Prints which operators devices have for which dtype, as a Markdown page.")
final class ConformanceSupportCommand implements Callable<Integer> {
  private final Host host;

  @Parameters(
      arity = "1..*",
      paramLabel = "FILE",
      description = "results.json of one or more runs; each may hold several devices.")
  private List<Path> files = new ArrayList<>();

  ConformanceSupportCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    List<DeviceReport> devices = new ArrayList<>();
    for (Path file : files) {
      devices.addAll(ReportJson.read(file).devices());
    }
    host.console().print(SupportPage.write(devices));
    return ExitCode.OK;
  }
}
