package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.ParityCheck;
import dev.halcyon.models.deepseek.ParityOptions;
import dev.halcyon.models.deepseek.ParityResult;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon parity}: a model against the outputs of a reference implementation. */
@Command(
    name = "parity",
    mixinStandardHelpOptions = true,
    header = "Compares a model on devices with the recorded outputs of a reference implementation.",
    description = {
      "",
      "Prints per device and prompt the largest difference of a logit, the share of positions with"
          + " the reference's best token, whether the greedy continuation is the same, and where"
          + " the golden file has traces the first tensor that deviates. The exit code is 0 only if"
          + " everything is within tolerance.",
      "",
      "With --json an array of objects with device, prompt, maxAbsDiff (null if a logit is not a"
          + " number), argmaxAgreement, greedyMatch, pass, firstDeviation."
    },
    footerHeading = "%nExample:%n",
    footer =
        "  halcyon parity --model golden/dsv3-tiny/bf16 --golden golden/dsv3-tiny/golden.json"
            + " --device all")
final class ParityCommand implements Callable<Integer> {
  private final Host host;

  @Mixin private ModelSelection model = new ModelSelection();

  @Option(
      names = "--golden",
      required = true,
      paramLabel = "FILE",
      description = "The golden file, .json; its tensors lie beside it in .safetensors.")
  private Path golden = Path.of("");

  @Mixin private DeviceSelection devices = new DeviceSelection();
  @Mixin private SessionSelection session = new SessionSelection();

  @Option(
      names = "--tolerance",
      paramLabel = "X",
      description = "Largest allowed difference of a logit. Default: 5e-4.")
  private double tolerance = ParityOptions.DEFAULT.tolerance();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  ParityCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    model.weights().format();
    ParityOptions options = options();
    List<ParityResult> results = new ArrayList<>();
    try (OpenDevices open = devices.open(host);
        GoldenFile vectors = GoldenFile.read(golden)) {
      Path folder = model.locate(host);
      DeepSeekConfig config = ConfigReader.read(folder);
      requireSameModel(vectors, config);
      for (Device device : open) {
        try (DeepSeekModel loaded =
            load(folder, config, device, ParityCheck.largestSession(vectors, options))) {
          results.addAll(ParityCheck.run(loaded, vectors, options));
        }
        host.cancellation().check();
      }
    }
    if (json) {
      printJson(results);
    } else {
      printTable(results);
    }
    return results.stream().allMatch(ParityResult::pass) ? ExitCode.OK : ExitCode.DISAGREEMENT;
  }

  private ParityOptions options() {
    if (!(tolerance > 0)) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "tolerance " + tolerance)
          .on("--tolerance")
          .remedy("give a number above 0")
          .build();
    }
    ParityOptions d = ParityOptions.DEFAULT;
    return new ParityOptions(
        tolerance,
        session.chunk().orElse(d.prefillChunk()),
        session.decode(),
        d.form(),
        session.givenCacheDtype().orElse(d.cacheDtype()));
  }

  private DeepSeekModel load(
      Path folder, DeepSeekConfig config, Device device, SessionOptions planned) {
    Checkpoint checkpoint = Checkpoint.open(folder);
    long start = System.nanoTime();
    DeepSeekModel loaded;
    try (LoadBar bar = new LoadBar(host, "loading " + model.name(), checkpoint.byteSize())) {
      loaded =
          DeepSeekModel.load(
              device, config, checkpoint, model.weights().loadOptions(bar).withSession(planned));
    }
    Duration time = Duration.ofNanos(System.nanoTime() - start);
    model.sayLoaded(host.console(), loaded, time, host.console().detail());
    return loaded;
  }

  /** Vectors of another model would differ everywhere, or not even fit. */
  private static void requireSameModel(GoldenFile vectors, DeepSeekConfig config) {
    for (GoldenPrompt p : vectors.prompts()) {
      long width = vectors.shape(p.name() + ".logits")[1];
      if (width != config.vocab()) {
        throw HalException.of(
                HalErrorCode.GOLDEN_INVALID,
                "the golden file has logits of "
                    + width
                    + " tokens, the model has "
                    + config.vocab())
            .on(vectors.file().toString())
            .remedy("use the golden file that belongs to the model")
            .build();
      }
    }
  }

  private void printTable(List<ParityResult> results) {
    Console console = host.console();
    TextTable table =
        new TextTable(
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.RIGHT,
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.LEFT);
    table.row("DEVICE", "PROMPT", "MAX |DIFF|", "ARGMAX", "GREEDY", "VERDICT", "FIRST DEVIATION");
    for (ParityResult r : results) {
      table.row(
          r.device(),
          r.prompt(),
          String.format(Locale.ROOT, "%.2e", r.maxAbsDiff()),
          String.format(Locale.ROOT, "%.1f %%", 100 * r.argmaxAgreement()),
          r.greedyMatch() ? "same" : "differs",
          r.pass() ? "pass" : "FAIL",
          r.firstDeviation().orElse("-"));
    }
    table.print(console);
    long passed = results.stream().filter(ParityResult::pass).count();
    String verdict =
        passed
            + " of "
            + results.size()
            + " within "
            + String.format(Locale.ROOT, "%.1e", tolerance);
    console.println(
        console.onOut(passed == results.size() ? Console.Style.GREEN : Console.Style.RED, verdict));
  }

  private void printJson(List<ParityResult> results) {
    ArrayNode array = Json.array();
    for (ParityResult r : results) {
      ObjectNode node = array.addObject();
      node.put("device", r.device());
      node.put("prompt", r.prompt());
      Json.number(node, "maxAbsDiff", OptionalDouble.of(r.maxAbsDiff()));
      node.put("argmaxAgreement", r.argmaxAgreement());
      node.put("greedyMatch", r.greedyMatch());
      node.put("pass", r.pass());
      r.firstDeviation()
          .ifPresentOrElse(
              at -> node.put("firstDeviation", at), () -> node.putNull("firstDeviation"));
    }
    Json.print(host.console(), array);
  }
}
