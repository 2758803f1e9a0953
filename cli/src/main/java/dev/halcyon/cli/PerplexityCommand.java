package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.deepseek.WeightFormat;
import dev.halcyon.models.generate.ModelFolder;
import dev.halcyon.models.generate.TextModel;
import dev.halcyon.models.scoring.ScoreWindows;
import dev.halcyon.models.scoring.TextScore;
import dev.halcyon.models.scoring.TextScorer;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon perplexity}: how well a model predicts a text. */
@Command(
    name = "perplexity",
    mixinStandardHelpOptions = true,
    header =
        "Measures how well a model predicts a text, to judge weight formats and devices by"
            + " trained weights.",
    description = {
      "",
      "Perplexity is exp of the mean negative log-likelihood of the text's tokens, each predicted"
          + " from the true tokens before it. The text is cut into windows of --context positions"
          + " that begin every --stride tokens; the first position is the begin-of-text token if"
          + " the tokenizer adds one, and a token is scored in the first window that predicts it."
          + " With --reference the same is done with f32 weights and cache first, and CHANGE is"
          + " against that; otherwise it is against the first row.",
      "",
      "With --json prints, for one device, an object with device, dtype, kvDtype, perplexity,"
          + " standardError, bitsPerByte, tokens (scored), textTokens, textBytes, context, stride,"
          + " seconds, tokensPerSecond, referencePerplexity and change (null without --reference)"
          + " and placement; for several an array of them."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  halcyon perplexity --model demo --device all --dtype int4 --reference",
      "  halcyon perplexity --model ./DeepSeek-V2-Lite --text wiki.test.txt --context 2048"
    })
final class PerplexityCommand implements Callable<Integer> {
  /** The text in a model's folder that none of its training saw. */
  static final String HELD_OUT = "heldout.txt";

  private final Host host;

  @Mixin private ModelSelection model = new ModelSelection();

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description =
          "The text, UTF-8. Default: " + HELD_OUT + " in the model's folder; 'demo' has one.")
  private Optional<Path> text = Optional.empty();

  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "Positions of a window. Default: 512, or the model's if that is less.")
  private Optional<Integer> context = Optional.empty();

  @Option(
      names = "--stride",
      paramLabel = "N",
      description = "Tokens from one window to the next. Default: as many as a window has.")
  private Optional<Integer> stride = Optional.empty();

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Use only the first N tokens of the text.")
  private Optional<Integer> limit = Optional.empty();

  @Option(
      names = "--reference",
      description = "First measure f32 weights with an f32 cache on the first device.")
  private boolean reference;

  @Mixin private SessionSelection session = new SessionSelection();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  PerplexityCommand(Host host) {
    this.host = host;
  }

  private record Outcome(
      String device, String dtype, String kvDtype, TextScore score, PlacementReport placement) {}

  @Override
  public Integer call() {
    WeightFormat format = model.weights().format();
    List<Outcome> outcomes = new ArrayList<>();
    Optional<Outcome> exact = Optional.empty();
    ScoreWindows windows;
    try (OpenDevices open = devices.open(host);
        ModelFolder folder = model.openFolder(host)) {
      windows = windows(folder.config().maxPositionEmbeddings());
      Path file = text.orElseGet(() -> heldOut(folder));
      TextScorer scorer = TextScorer.of(folder, read(file), windows, limit());
      host.console()
          .say(
              "%s: %d tokens, windows of %d every %d"
                  .formatted(file, scorer.tokens(), windows.context(), windows.stride()));
      for (Device device : open) {
        if (reference && exact.isEmpty()) {
          exact = Optional.of(score(folder, device, scorer, WeightFormat.F32));
        }
        outcomes.add(score(folder, device, scorer, format));
      }
    }
    if (json) {
      printJson(outcomes, exact, windows);
    } else {
      printTable(outcomes, exact);
    }
    return ExitCode.OK;
  }

  private ScoreWindows windows(int positions) {
    int size = context.orElse(Math.min(ScoreWindows.DEFAULT_CONTEXT, positions));
    if (size > positions) {
      throw HalException.of(
              HalErrorCode.CONTEXT_OVERFLOW,
              "windows of " + size + " positions; the model has " + positions)
          .on("--context")
          .remedy("give at most " + positions)
          .build();
    }
    return new ScoreWindows(size, stride.orElse(size));
  }

  private int limit() {
    int tokens = limit.orElse(Integer.MAX_VALUE);
    if (tokens < 1) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "--limit is " + tokens)
          .on("--limit")
          .remedy("give 1 or more")
          .build();
    }
    return tokens;
  }

  private static Path heldOut(ModelFolder folder) {
    Path file = folder.directory().resolve(HELD_OUT);
    if (!Files.isRegularFile(file)) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "this model comes without " + HELD_OUT)
          .on(folder.directory().toString())
          .remedy("name a text with --text")
          .build();
    }
    return file;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      String what =
          !Files.exists(file)
              ? "no such file"
              : e instanceof CharacterCodingException ? "not UTF-8" : "cannot be read";
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "the text " + file + ": " + what)
          .on("--text")
          .remedy("name a text file in UTF-8")
          .cause(e)
          .build();
    }
  }

  private Outcome score(ModelFolder folder, Device device, TextScorer scorer, WeightFormat format) {
    SessionOptions options = session.options(ScoreWindows.DEFAULT_CONTEXT, format);
    try (TextModel loaded =
        model.load(host, folder, device, format, options, host.console().detail())) {
      TextScore score = scorer.score(loaded, options, host.cancellation()::check);
      PlacementReport placement = loaded.model().placement();
      return new Outcome(
          device.uri().toString(),
          WeightSelection.name(format),
          options.cacheDtype().name().toLowerCase(Locale.ROOT),
          score,
          placement);
    }
  }

  private static double change(Outcome o, Outcome reference) {
    return o.score().perplexity() / reference.score().perplexity() - 1;
  }

  private void printTable(List<Outcome> outcomes, Optional<Outcome> exact) {
    TextTable table =
        new TextTable(
            TextTable.Align.LEFT,
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.RIGHT,
            TextTable.Align.RIGHT,
            TextTable.Align.RIGHT);
    table.row("DEVICE", "DTYPE", "PERPLEXITY", "CHANGE", "BITS/BYTE", "TOKENS/S");
    Outcome base = exact.orElse(outcomes.getFirst());
    List<Outcome> rows = new ArrayList<>();
    exact.ifPresent(rows::add);
    rows.addAll(outcomes);
    for (Outcome o : rows) {
      TextScore s = o.score();
      table.row(
          o.device(),
          o.dtype(),
          String.format(Locale.ROOT, "%.4f +- %.2f", s.perplexity(), s.standardError()),
          o == base ? "reference" : String.format(Locale.ROOT, "%+.3f %%", 100 * change(o, base)),
          String.format(Locale.ROOT, "%.4f", s.bitsPerByte()),
          Units.rate(s.tokensPerSecond()));
    }
    table.print(host.console());
  }

  private void printJson(List<Outcome> outcomes, Optional<Outcome> exact, ScoreWindows windows) {
    ArrayNode array = Json.array();
    for (Outcome o : outcomes) {
      TextScore s = o.score();
      ObjectNode node = array.addObject();
      node.put("device", o.device());
      node.put("dtype", o.dtype());
      node.put("kvDtype", o.kvDtype());
      Json.number(node, "perplexity", OptionalDouble.of(s.perplexity()));
      Json.number(node, "standardError", OptionalDouble.of(s.standardError()));
      Json.number(node, "bitsPerByte", OptionalDouble.of(s.bitsPerByte()));
      node.put("tokens", s.scoredTokens());
      node.put("textTokens", s.textTokens());
      node.put("textBytes", s.textBytes());
      node.put("context", windows.context());
      node.put("stride", windows.stride());
      node.put("seconds", s.time().toNanos() * 1e-9);
      Json.number(node, "tokensPerSecond", OptionalDouble.of(s.tokensPerSecond()));
      Json.number(node, "referencePerplexity", perplexity(exact));
      Json.number(
          node,
          "change",
          exact.isPresent() ? OptionalDouble.of(change(o, exact.get())) : OptionalDouble.empty());
      node.set("placement", Json.placement(o.placement()));
    }
    Json.printOneOrMany(host.console(), array);
  }

  private static OptionalDouble perplexity(Optional<Outcome> outcome) {
    return outcome.isPresent()
        ? OptionalDouble.of(outcome.get().score().perplexity())
        : OptionalDouble.empty();
  }
}
