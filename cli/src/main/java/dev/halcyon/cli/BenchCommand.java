package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.LoadProgress;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.deepseek.WeightFormat;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon bench}: speed, next to what the memory allows. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    header =
        "Measures prefill and decode speed and compares decoding with the memory's read bandwidth.",
    description = {
      "",
      "Decoding reads every active weight once a token: weight bytes per token times tokens per"
          + " second, divided by the read bandwidth the same threads reach in the same run, tells"
          + " how much of the machine is used. Medians over the repetitions with their range; one"
          + " repetition before only warms up.",
      "",
      "With --json prints, for one device, an object with device, dtype, prefillTokensPerSecond,"
          + " decodeTokensPerSecond, activeBytesPerToken, achievedBytesPerSecond,"
          + " readBandwidthBytesPerSecond, bandwidthFraction, the settings and all samples; for"
          + " several an array of them. What a device cannot measure is null."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  halcyon bench --model demo --device all -p 64 -n 32",
      "  halcyon bench --config config.json --random-weights --dtype int4 --depth 4096"
    })
final class BenchCommand implements Callable<Integer> {
  private final Host host;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Model, as for 'halcyon run'. Either this or --config.")
  private Optional<String> model = Optional.empty();

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "A config.json; with --random-weights.")
  private Optional<Path> config = Optional.empty();

  @Option(
      names = "--random-weights",
      description = "Make weights on the device instead of reading a checkpoint; native is bf16.")
  private boolean randomWeights;

  @Mixin private WeightSelection weights = new WeightSelection();
  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(names = "-p", paramLabel = "N", description = "Prompt tokens. Default: ${DEFAULT-VALUE}.")
  private int promptTokens = 512;

  @Option(names = "-n", paramLabel = "N", description = "Decode steps. Default: ${DEFAULT-VALUE}.")
  private int decodeTokens = 64;

  @Option(names = "-r", paramLabel = "N", description = "Repetitions. Default: ${DEFAULT-VALUE}.")
  private int repetitions = 5;

  @Option(
      names = "--depth",
      paramLabel = "N",
      description = "Tokens in the cache before decoding. Default: ${DEFAULT-VALUE}.")
  private int depth;

  @Mixin private SessionSelection session = new SessionSelection();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  BenchCommand(Host host) {
    this.host = host;
  }

  private record Subject(String name, DeepSeekConfig config, Optional<Path> folder) {}

  private record Result(Device device, DeepSeekModel model, Benchmark measured, Duration load) {}

  @Override
  public Integer call() {
    weights.format();
    Benchmark.Plan plan = plan();
    ArrayNode array = Json.array();
    try (OpenDevices open = devices.open(host)) {
      Subject subject = subject(plan);
      for (Device device : open) {
        long start = System.nanoTime();
        SessionOptions options = plan.fit(session.options(plan.contextLength(), weights.format()));
        try (DeepSeekModel loaded = load(subject, device, options)) {
          Duration time = Duration.ofNanos(System.nanoTime() - start);
          Placements.say(host.console(), loaded.placement(), host.console().detail());
          Benchmark measured = new Benchmark(loaded, plan, host.cancellation());
          measured.run(options);
          Result result = new Result(device, loaded, measured, time);
          if (json) {
            array.add(toJson(result, plan));
          } else {
            print(subject, result, plan);
          }
        }
      }
    }
    if (json) {
      Json.printOneOrMany(host.console(), array);
    }
    return ExitCode.OK;
  }

  private Benchmark.Plan plan() {
    require(promptTokens >= 0, "-p", promptTokens, "0 or more");
    require(decodeTokens >= 0, "-n", decodeTokens, "0 or more");
    require(depth >= 0, "--depth", depth, "0 or more");
    require(repetitions >= 1, "-r", repetitions, "1 or more");
    return new Benchmark.Plan(promptTokens, decodeTokens, depth, repetitions);
  }

  private static void require(boolean holds, String option, int value, String expected) {
    if (!holds) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, option + " is " + value)
          .on(option)
          .remedy("give " + expected)
          .build();
    }
  }

  private Subject subject(Benchmark.Plan plan) {
    if (model.isPresent() == config.isPresent() || config.isPresent() != randomWeights) {
      throw HalException.of(
              HalErrorCode.INVALID_OPTION, "which model to measure is not clear from the options")
          .on("--model, --config, --random-weights")
          .remedy("give either --model DIR, or --config config.json together with --random-weights")
          .build();
    }
    if (model.isPresent()) {
      Path folder = host.models().locate(model.get());
      return new Subject(model.get(), ConfigReader.read(folder), Optional.of(folder));
    }
    Path file = config.get();
    DeepSeekConfig read = ConfigFile.read(file);
    // synthetic weights have no trained context: one more position costs what the last one did
    int positions = Math.max(read.maxPositionEmbeddings(), plan.contextLength());
    return new Subject(
        file.toString(), read.withMaxPositionEmbeddings(positions), Optional.empty());
  }

  private DeepSeekModel load(Subject subject, Device device, SessionOptions planned) {
    if (subject.folder().isEmpty()) {
      LoadProgress progress = bytes -> host.cancellation().check();
      return DeepSeekModel.random(
          device, subject.config(), weights.loadOptions(progress).withSession(planned));
    }
    Checkpoint checkpoint = Checkpoint.open(subject.folder().get());
    try (LoadBar bar = new LoadBar(host, "loading " + subject.name(), checkpoint.byteSize())) {
      return DeepSeekModel.load(
          device, subject.config(), checkpoint, weights.loadOptions(bar).withSession(planned));
    }
  }

  private String dtype() {
    return randomWeights && weights.format() == WeightFormat.NATIVE ? "bf16" : weights.formatName();
  }

  private static OptionalDouble achieved(Result r) {
    OptionalDouble rate = r.measured().decode.median();
    return rate.isPresent()
        ? OptionalDouble.of(rate.getAsDouble() * r.model().activeBytesPerToken())
        : OptionalDouble.empty();
  }

  private static OptionalDouble fraction(Result r) {
    OptionalDouble achieved = achieved(r);
    OptionalDouble bandwidth = r.measured().bandwidth.median();
    return achieved.isPresent() && bandwidth.isPresent()
        ? OptionalDouble.of(achieved.getAsDouble() / bandwidth.getAsDouble())
        : OptionalDouble.empty();
  }

  private void print(Subject subject, Result r, Benchmark.Plan plan) {
    Console console = host.console();
    console.println(
        console.onOut(
            Console.Style.BOLD,
            r.device().uri()
                + " ("
                + r.device().info().name()
                + "): "
                + subject.name()
                + ", "
                + dtype()));
    TextTable table = new TextTable(TextTable.Align.LEFT, TextTable.Align.LEFT);
    table.row("  load", Units.seconds(r.load()));
    table.row("  weights", Units.bytes(r.model().weightBytes() + r.model().importedBytes()));
    table.row("  prefill of " + plan.promptTokens(), r.measured().prefill.text(1, "tokens/s"));
    table.row(
        "  decode of " + plan.decodeTokens() + " at depth " + plan.depth(),
        r.measured().decode.text(1, "tokens/s"));
    table.row("  active weights", Units.bytes(r.model().activeBytesPerToken()) + " per token");
    achieved(r).ifPresent(a -> table.row("  read by decoding", Units.bytesPerSecond(a)));
    table.row("  read bandwidth", r.measured().bandwidth.text(1e9, "GB/s"));
    fraction(r)
        .ifPresent(f -> table.row("  fraction", String.format(Locale.ROOT, "%.1f %%", 100 * f)));
    table.lines().forEach(console::println);
  }

  private ObjectNode toJson(Result r, Benchmark.Plan plan) {
    ObjectNode o = Json.object();
    o.put("device", r.device().uri().toString());
    o.put("dtype", dtype());
    Json.number(o, "prefillTokensPerSecond", r.measured().prefill.median());
    Json.number(o, "decodeTokensPerSecond", r.measured().decode.median());
    o.put("activeBytesPerToken", r.model().activeBytesPerToken());
    Json.number(o, "achievedBytesPerSecond", achieved(r));
    Json.number(o, "readBandwidthBytesPerSecond", r.measured().bandwidth.median());
    Json.number(o, "bandwidthFraction", fraction(r));
    o.put("promptTokens", plan.promptTokens());
    o.put("decodeTokens", plan.decodeTokens());
    o.put("depth", plan.depth());
    o.put("repetitions", plan.repetitions());
    devices.threads().ifPresentOrElse(t -> o.put("threads", t), () -> o.putNull("threads"));
    o.put("compute", devices.compute().orElse("f32"));
    o.put("loadSeconds", r.load().toNanos() * 1e-9);
    o.put("weightBytes", r.model().weightBytes());
    o.put("importedBytes", r.model().importedBytes());
    ObjectNode samples = o.putObject("samples");
    samples.set("prefillTokensPerSecond", Json.array(r.measured().prefill.samples()));
    samples.set("decodeTokensPerSecond", Json.array(r.measured().decode.samples()));
    samples.set("readBandwidthBytesPerSecond", Json.array(r.measured().bandwidth.samples()));
    o.set("placement", Json.placement(r.model().placement()));
    return o;
  }
}
