package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.models.chat.ChatMessage;
import dev.halcyon.models.chat.ChatOptions;
import dev.halcyon.models.config.GenerationDefaults;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.generate.FinishReason;
import dev.halcyon.models.generate.Generation;
import dev.halcyon.models.generate.GenerationRequest;
import dev.halcyon.models.generate.Generator;
import dev.halcyon.models.generate.ModelFolder;
import dev.halcyon.models.generate.TextModel;
import dev.halcyon.models.sampling.SamplingOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code halcyon run}: one prompt on one or more devices. */
@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    header =
        "Generates text from a prompt; on several devices, one after the other, and compares them.",
    description = {
      "",
      "Streams the text to standard output. Where the operators run goes to standard error before,"
          + " time to first token and speed after it. With several devices a table follows that"
          + " says whether they chose the same tokens; the exit code is 1 if they should have"
          + " (temperature 0 or a seed) and did not.",
      "",
      "With --json prints, for one device, an object with device, text, tokenIds, promptTokens,"
          + " prefillTokensPerSecond, decodeTokensPerSecond, timeToFirstTokenSeconds, finishReason"
          + " and placement; for several an array of them. A speed is null if nothing was measured."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  halcyon run --model demo --device all --prompt \"It was a fine day, and\"",
      "  halcyon run --model ./DeepSeek-V2-Lite-Chat --chat --prompt \"What is 17 * 23?\" --dtype"
          + " int8"
    })
final class RunCommand implements Callable<Integer> {
  private static final int DEFAULT_MAX_TOKENS = 128;

  private final Host host;

  @Mixin private ModelSelection model = new ModelSelection();
  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(names = "--prompt", required = true, paramLabel = "TEXT", description = "The prompt.")
  private String prompt = "";

  @Option(
      names = "--chat",
      description = "Send the prompt as a user's message through the model's chat template.")
  private boolean chat;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "With --chat: a system message before it.")
  private Optional<String> system = Optional.empty();

  @Option(
      names = "--context",
      paramLabel = "N",
      description =
          "Context length, prompt and answer. Default: as much as they need, up to the model's.")
  private Optional<Integer> context = Optional.empty();

  @Mixin private SamplingSelection sampling = new SamplingSelection();
  @Mixin private SessionSelection session = new SessionSelection();

  @Option(names = "--placement", description = "Print where every operator runs, and why.")
  private boolean placement;

  @Option(names = "--json", description = "Print JSON instead of streaming.")
  private boolean json;

  RunCommand(Host host) {
    this.host = host;
  }

  private record Outcome(String device, Generation generation, PlacementReport placement) {}

  @Override
  public Integer call() {
    model.weights().format();
    SamplingOptions options = sampling.options(DEFAULT_MAX_TOKENS, GenerationDefaults.NONE);
    List<Outcome> outcomes = new ArrayList<>();
    try (OpenDevices open = devices.open(host);
        ModelFolder folder = model.openFolder(host)) {
      int[] ids = encode(folder);
      int contextLength =
          context.isPresent() ? context.get() : folder.contextFor(ids.length, options.maxTokens());
      folder.requireFits(ids.length, contextLength);
      for (Device device : open) {
        Outcome outcome = generate(folder, device, ids, contextLength, options, open.count());
        if (outcome.generation().finishReason() == FinishReason.CANCELLED) {
          return ExitCode.INTERRUPTED;
        }
        outcomes.add(outcome);
      }
    }
    if (json) {
      printJson(outcomes);
    } else if (outcomes.size() > 1) {
      printAgreement(outcomes);
    }
    boolean mustAgree =
        options.temperature() == 0 || options.topK() == 1 || options.seed().isPresent();
    return mustAgree && !allEqual(outcomes) ? ExitCode.DISAGREEMENT : ExitCode.OK;
  }

  private int[] encode(ModelFolder folder) {
    if (!chat) {
      return folder.encode(prompt);
    }
    List<ChatMessage> messages = new ArrayList<>();
    system.map(ChatMessage::system).ifPresent(messages::add);
    messages.add(ChatMessage.user(prompt));
    return folder.encode(messages, ChatOptions.GENERATE);
  }

  private Outcome generate(
      ModelFolder folder,
      Device device,
      int[] ids,
      int contextLength,
      SamplingOptions options,
      int deviceCount) {
    Console console = host.console();
    SessionOptions chosen = session.options(contextLength, model.weights().format());
    // the only prompt there will be: no larger step needs a plan
    SessionOptions fitting = chosen.withPrefillChunk(Math.min(chosen.prefillChunk(), ids.length));
    Console.Detail detail = placement ? Console.Detail.VERBOSE : console.detail();
    try (TextModel loaded = model.load(host, folder, device, fitting, detail);
        Generator generator = loaded.newGenerator(fitting)) {
      GenerationRequest request =
          GenerationRequest.of(options)
              .withEndOfText(sampling.endOfText())
              .withCancelled(host.cancellation()::isRequested);
      Generation g =
          generator.generate(ids, json ? request : request.withListener(new Streaming(console)));
      if (!json) {
        console.println("");
      }
      say(g);
      if (deviceCount > 1) {
        console.say("");
      }
      return new Outcome(device.uri().toString(), g, loaded.model().placement());
    }
  }

  private void say(Generation g) {
    host.console()
        .say(
            "%d prompt tokens, first token after %s (prefill %s tokens/s); %d tokens at %s tokens/s, ended by %s"
                .formatted(
                    g.promptTokens(),
                    g.timeToFirstToken().map(Units::seconds).orElse("-"),
                    Units.rate(g.prefillTokensPerSecond()),
                    g.tokenIds().length,
                    Units.rate(g.decodeTokensPerSecond()),
                    g.finishReason().text()));
  }

  /** The first index at which two generations differ; empty if they are equal. */
  private static Optional<Integer> divergence(Generation a, Generation b) {
    int at = java.util.Arrays.mismatch(a.tokenIds(), b.tokenIds());
    return at < 0 ? Optional.empty() : Optional.of(at);
  }

  private static boolean allEqual(List<Outcome> outcomes) {
    return outcomes.stream()
        .allMatch(o -> divergence(outcomes.getFirst().generation(), o.generation()).isEmpty());
  }

  private void printAgreement(List<Outcome> outcomes) {
    Console console = host.console();
    Outcome reference = outcomes.getFirst();
    TextTable table =
        new TextTable(
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.LEFT,
            TextTable.Align.RIGHT,
            TextTable.Align.RIGHT);
    table.row("DEVICE", "TOKENS", "AGREEMENT", "PREFILL T/S", "DECODE T/S");
    for (Outcome o : outcomes) {
      Optional<Integer> at = divergence(reference.generation(), o.generation());
      String agreement =
          o == reference
              ? "reference"
              : at.map(i -> "differs from token " + i)
                  .orElse("same tokens as " + reference.device());
      table.row(
          o.device(),
          Integer.toString(o.generation().tokenIds().length),
          agreement,
          Units.rate(o.generation().prefillTokensPerSecond()),
          Units.rate(o.generation().decodeTokensPerSecond()));
    }
    table.print(console);
    console.println(
        allEqual(outcomes)
            ? console.onOut(Console.Style.GREEN, "all devices agree")
            : console.onOut(Console.Style.RED, "the devices do not agree"));
  }

  private void printJson(List<Outcome> outcomes) {
    ArrayNode array = Json.array();
    for (Outcome o : outcomes) {
      Generation g = o.generation();
      ObjectNode node = array.addObject();
      node.put("device", o.device());
      node.put("text", g.text());
      node.set("tokenIds", Json.array(g.tokenIds()));
      node.put("promptTokens", g.promptTokens());
      Json.number(node, "prefillTokensPerSecond", g.prefillTokensPerSecond());
      Json.number(node, "decodeTokensPerSecond", g.decodeTokensPerSecond());
      node.put("timeToFirstTokenSeconds", g.timeToFirstToken().orElseThrow().toNanos() * 1e-9);
      node.put("finishReason", g.finishReason().name());
      if (outcomes.size() > 1) {
        Optional<Integer> at = divergence(outcomes.getFirst().generation(), g);
        node.put("agrees", at.isEmpty());
        at.ifPresentOrElse(
            i -> node.put("firstDivergence", i), () -> node.putNull("firstDivergence"));
      }
      node.set("placement", Json.placement(o.placement()));
    }
    Json.printOneOrMany(host.console(), array);
  }
}
