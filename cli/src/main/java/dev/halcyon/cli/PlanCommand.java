package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.LoadProgress;
import dev.halcyon.models.deepseek.ModelPlan;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon plan}: what a model would be on a device. */
@Command(
    name = "plan",
    mixinStandardHelpOptions = true,
    header = "Tells where every operator of a model would run, and how much memory it needs.",
    description = {
      "",
      "Reads no weights: the headers of a checkpoint, or only a config.json, whose weights are then"
          + " taken to be of the types it declares. Loading, a prefill step of --chunk tokens and a"
          + " decode step are planned as 'run' does before its first token; operators without any"
          + " plan are listed with the reason and what needs them, and the exit code is 1.",
      "",
      "With --json prints, for one device, an object with device, model, dtype, complete,"
          + " weightBytes, activeWeightBytesPerToken, cacheBytesPerToken, contextLength,"
          + " cacheBytes, memoryBytes (the device's) and placement, whose missing lists what has no"
          + " plan; for several an array of them."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  halcyon plan --model demo --device all",
      "  halcyon plan --config config.json --device opencl://0 --dtype int4 --context 32768"
    })
final class PlanCommand implements Callable<Integer> {
  private final Host host;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Model, as for 'halcyon run'. Either this or --config.")
  private Optional<String> model = Optional.empty();

  @Option(names = "--config", paramLabel = "FILE", description = "A config.json.")
  private Optional<Path> config = Optional.empty();

  @Mixin private WeightSelection weights = new WeightSelection();
  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Context length. Default: the model's.")
  private Optional<Integer> context = Optional.empty();

  @Mixin private SessionSelection session = new SessionSelection();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  PlanCommand(Host host) {
    this.host = host;
  }

  private record Subject(String name, DeepSeekConfig config, Optional<Path> folder) {}

  @Override
  public Integer call() {
    weights.format();
    ArrayNode array = Json.array();
    boolean complete = true;
    try (OpenDevices open = devices.open(host)) {
      Subject subject = subject();
      for (Device device : open) {
        host.cancellation().check();
        ModelPlan plan = plan(subject, device);
        complete &= plan.placement().missing().isEmpty();
        if (json) {
          array.add(toJson(subject, device, plan));
        } else {
          print(subject, device, plan);
        }
      }
    }
    if (json) {
      Json.printOneOrMany(host.console(), array);
    }
    return complete ? ExitCode.OK : ExitCode.INCOMPLETE;
  }

  private Subject subject() {
    if (model.isPresent() == config.isPresent()) {
      throw HalException.of(
              HalErrorCode.INVALID_OPTION, "which model to plan is not clear from the options")
          .on("--model, --config")
          .remedy("give either --model DIR or --config config.json")
          .build();
    }
    if (config.isPresent()) {
      Path file = config.get();
      return new Subject(file.toString(), ConfigFile.read(file), Optional.empty());
    }
    Path folder = host.models().locate(model.get());
    return new Subject(model.get(), ConfigReader.read(folder), Optional.of(folder));
  }

  private ModelPlan plan(Subject subject, Device device) {
    int positions = context.orElse(subject.config().maxPositionEmbeddings());
    LoadOptions options =
        weights
            .loadOptions(LoadProgress.NONE)
            .withSession(session.options(positions, weights.format()));
    if (subject.folder().isEmpty()) {
      return ModelPlan.of(device, subject.config(), options);
    }
    try (Checkpoint checkpoint = Checkpoint.open(subject.folder().get())) {
      return ModelPlan.of(device, subject.config(), checkpoint, options);
    }
  }

  private void print(Subject subject, Device device, ModelPlan plan) {
    Console console = host.console();
    console.println(
        console.onOut(
            Console.Style.BOLD,
            "%s (%s): %s, %s weights"
                .formatted(
                    device.uri(), device.info().name(), subject.name(), weights.formatName())));
    int positions = plan.session().contextLength();
    TextTable sizes = new TextTable(TextTable.Align.LEFT, TextTable.Align.LEFT);
    sizes.row("  weights", Units.bytes(plan.weightBytes()));
    sizes.row(
        "  active weights", Units.bytes(plan.activeWeightBytesPerToken()) + " per decoded token");
    sizes.row("  cache", Units.bytes(plan.cacheBytesPerToken()) + " per token");
    sizes.row("  cache, full", Units.bytes(plan.cacheBytes()) + " for " + positions + " tokens");
    sizes.row("  device memory", Units.bytes(device.info().memoryBytes()));
    sizes.lines().forEach(console::println);
    placement(plan.placement()).print(console);
    console.println(
        console.onOut(
            plan.placement().missing().isEmpty() ? Console.Style.GREEN : Console.Style.RED,
            plan.placement().summary()));
  }

  private static TextTable placement(PlacementReport report) {
    TextTable table =
        new TextTable(
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.LEFT,
            TextTable.Align.LEFT);
    table.row("OPERATOR", "PLACEMENT", "PLANS", "IMPLEMENTATION", "REASON");
    for (PlacementReport.Decision d : report.decisions()) {
      table.row(
          d.operator(),
          d.placement().name(),
          Integer.toString(d.plans()),
          d.implementation(),
          d.reason());
    }
    for (PlacementReport.Missing m : report.missing()) {
      String neededBy =
          m.neededBy().isEmpty() ? "" : "; needed by " + String.join(", ", m.neededBy());
      table.row(m.operator(), "MISSING", "-", "-", m.reason() + neededBy);
    }
    return table;
  }

  private ObjectNode toJson(Subject subject, Device device, ModelPlan plan) {
    ObjectNode o = Json.object();
    o.put("device", device.uri().toString());
    o.put("model", subject.name());
    o.put("dtype", weights.formatName());
    o.put("complete", plan.placement().missing().isEmpty());
    o.put("weightBytes", plan.weightBytes());
    o.put("activeWeightBytesPerToken", plan.activeWeightBytesPerToken());
    o.put("cacheBytesPerToken", plan.cacheBytesPerToken());
    o.put("contextLength", plan.session().contextLength());
    o.put("cacheBytes", plan.cacheBytes());
    o.put("memoryBytes", device.info().memoryBytes());
    o.set("placement", Json.placement(plan.placement()));
    return o;
  }
}
