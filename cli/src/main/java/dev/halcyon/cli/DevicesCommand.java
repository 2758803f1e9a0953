package dev.halcyon.cli;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.spi.BackendProbe;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon devices}: every backend, its devices, and what is missing for it. */
@Command(
    name = "devices",
    mixinStandardHelpOptions = true,
    header = "Lists every backend with its devices, or why it has none and what helps.",
    description = {
      "",
      "AVAILABLE: the driver was opened and has a device. SIMULATED: the same, but no hardware: its"
          + " numbers and timings are no chip's, and it runs only when named. UNAVAILABLE:"
          + " something is not installed. BROKEN: something is installed but fails.",
      "",
      "With --json an array of objects with uri, backend, state, name, driver, memoryBytes, reason,"
          + " remedy; null where there is nothing to say."
    })
final class DevicesCommand implements Callable<Integer> {
  private final Host host;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  DevicesCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    List<HalRegistry.Probed> all = host.backends().get().probeAll();
    if (json) {
      printJson(all);
    } else {
      printTable(all);
    }
    return ExitCode.OK;
  }

  private void printJson(List<HalRegistry.Probed> all) {
    ArrayNode array = Json.array();
    for (HalRegistry.Probed p : all) {
      switch (p.probe()) {
        case BackendProbe.Available a -> {
          for (DeviceInfo d : p.devices()) {
            array.add(
                entry(p, state(d))
                    .put("uri", d.uri().toString())
                    .put("name", d.name())
                    .put("driver", d.driver())
                    .put("memoryBytes", d.memoryBytes()));
          }
        }
        case BackendProbe.Unavailable u ->
            array.add(entry(p, "UNAVAILABLE").put("reason", u.reason()).put("remedy", u.remedy()));
        case BackendProbe.Broken b ->
            array.add(
                entry(p, "BROKEN").put("reason", reason(b.cause())).put("remedy", b.remedy()));
      }
    }
    Json.print(host.console(), array);
  }

  private static String state(DeviceInfo device) {
    return device.kind() == DeviceInfo.Kind.SIMULATED ? "SIMULATED" : "AVAILABLE";
  }

  private static ObjectNode entry(HalRegistry.Probed p, String state) {
    ObjectNode o = Json.object();
    o.putNull("uri");
    o.put("backend", p.backend());
    o.put("state", state);
    for (String field : List.of("name", "driver", "memoryBytes", "reason", "remedy")) {
      o.putNull(field);
    }
    return o;
  }

  private void printTable(List<HalRegistry.Probed> all) {
    Console console = host.console();
    TextTable table =
        new TextTable(
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.LEFT);
    table.row("DEVICE", "STATE", "NAME", "MEMORY", "DRIVER");
    for (HalRegistry.Probed p : all) {
      switch (p.probe()) {
        case BackendProbe.Available a ->
            p.devices()
                .forEach(
                    d ->
                        table.row(
                            d.uri().toString(),
                            state(d),
                            d.name(),
                            Units.bytes(d.memoryBytes()),
                            d.driver()));
        case BackendProbe.Unavailable u -> table.row(p.backend(), "UNAVAILABLE", "-", "-", "-");
        case BackendProbe.Broken b -> table.row(p.backend(), "BROKEN", "-", "-", "-");
      }
    }
    table.print(console);
    for (HalRegistry.Probed p : all) {
      switch (p.probe()) {
        case BackendProbe.Available a -> {}
        case BackendProbe.Unavailable u -> explain(p.backend(), u.reason(), u.remedy());
        case BackendProbe.Broken b -> explain(p.backend(), reason(b.cause()), b.remedy());
      }
    }
  }

  private void explain(String backend, String reason, String remedy) {
    Console console = host.console();
    console.println("");
    console.println(console.onOut(Console.Style.BOLD, backend) + ": " + reason);
    console.println("  remedy: " + remedy);
  }

  private static String reason(Throwable cause) {
    return cause.getMessage() == null || cause.getMessage().isBlank()
        ? cause.getClass().getName()
        : cause.getClass().getSimpleName() + ": " + cause.getMessage();
  }
}
