package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.chat.ChatMessage;
import dev.halcyon.models.chat.ChatOptions;
import dev.halcyon.models.chat.ChatTemplate;
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

/** {@code halcyon chat}: a conversation. */
@Command(
    name = "chat",
    mixinStandardHelpOptions = true,
    header = "Talks with a model.",
    description = {
      "",
      "Commands: /help, /clear (forget the conversation), /system TEXT (begin anew with this system"
          + " message), /exit. Ctrl-C ends an answer, Ctrl-D the conversation. What a turn has in"
          + " common with the last one is not computed again.",
      "",
      "Reads lines from standard input if that is no terminal. Sampling follows the model's"
          + " generation_config.json unless given here."
    })
final class ChatCommand implements Callable<Integer> {
  private static final int DEFAULT_MAX_TOKENS = 1024;
  private static final int DEFAULT_CONTEXT = 4096;

  private final Host host;

  @Mixin private ModelSelection model = new ModelSelection();
  @Mixin private DeviceSelection devices = new DeviceSelection();

  @Option(names = "--system", paramLabel = "TEXT", description = "The system message.")
  private Optional<String> system = Optional.empty();

  @Option(
      names = "--context",
      paramLabel = "N",
      description =
          "Context length of the whole conversation. Default: 4096, or the model's if less.")
  private Optional<Integer> context = Optional.empty();

  @Option(
      names = "--history",
      description = "Keep what is typed in the user's state folder, for the arrow keys next time.")
  private boolean history;

  @Mixin private SamplingSelection sampling = new SamplingSelection();
  @Mixin private SessionSelection session = new SessionSelection();

  ChatCommand(Host host) {
    this.host = host;
  }

  @Override
  public Integer call() {
    model.weights().format();
    try (OpenDevices open = devices.open(host);
        ModelFolder folder = model.openFolder(host)) {
      if (folder.chatTemplate().isEmpty()) {
        ChatTemplate.read(folder.directory());
      }
      SamplingOptions options = sampling.options(DEFAULT_MAX_TOKENS, folder.config().generation());
      int contextLength =
          context.orElse(Math.min(DEFAULT_CONTEXT, folder.config().maxPositionEmbeddings()));
      Device device = open.iterator().next();
      SessionOptions chosen = session.options(contextLength, model.weights().format());
      try (TextModel loaded = model.load(host, folder, device, chosen, host.console().detail());
          Generator generator = loaded.newGenerator(chosen);
          LineInput input = LineInput.open(host, history)) {
        return converse(new Conversation(folder, generator, options), input);
      }
    }
  }

  private int converse(Conversation conversation, LineInput input) {
    Console console = host.console();
    console.say("/help lists commands, Ctrl-D ends");
    while (true) {
      Optional<String> line = host.cancellation().idly(input::next);
      if (line.isEmpty()) {
        return host.cancellation().isRequested() ? ExitCode.INTERRUPTED : ExitCode.OK;
      }
      String text = line.get().strip();
      String[] words = text.split("\\s+", 2);
      switch (words[0]) {
        case "" -> {}
        case "/exit", "/quit" -> {
          return ExitCode.OK;
        }
        case "/help" ->
            console.say(
                "/clear forgets the conversation; /system TEXT begins anew with a system message;"
                    + " /exit ends");
        case "/clear" -> {
          conversation.clear();
          console.say("cleared");
        }
        case "/system" -> {
          system = words.length > 1 ? Optional.of(words[1]) : Optional.empty();
          conversation.clear();
          console.say(system.isPresent() ? "new system message" : "no system message");
        }
        default -> {
          if (text.startsWith("/")) {
            console.say("unknown command " + words[0] + "; /help lists commands");
          } else {
            conversation.answer(text);
          }
        }
      }
    }
  }

  /** The messages so far. */
  private final class Conversation {
    private final ModelFolder folder;
    private final Generator generator;
    private final SamplingOptions options;
    private final List<ChatMessage> messages = new ArrayList<>();

    Conversation(ModelFolder folder, Generator generator, SamplingOptions options) {
      this.folder = folder;
      this.generator = generator;
      this.options = options;
    }

    void clear() {
      messages.clear();
      generator.clear();
    }

    /** Answers; a message that cannot be answered is forgotten and the conversation goes on. */
    void answer(String text) {
      Console console = host.console();
      if (messages.isEmpty()) {
        system.map(ChatMessage::system).ifPresent(messages::add);
      }
      List<ChatMessage> asked = new ArrayList<>(messages);
      asked.add(ChatMessage.user(text));
      Generation g;
      try {
        g =
            generator.generate(
                folder.encode(asked, ChatOptions.GENERATE),
                GenerationRequest.of(options)
                    .withEndOfText(sampling.endOfText())
                    .withListener(new Streaming(console))
                    .withCancelled(host.cancellation()::isRequested));
      } catch (HalException e) {
        switch (e.code()) {
          case CONTEXT_OVERFLOW, CHAT_TEMPLATE_INVALID, INVALID_ARGUMENT -> {
            console.say(console.onErr(Console.Style.RED, "halcyon:") + " " + e.getMessage());
            console.say("this message is forgotten; /clear begins anew");
            return;
          }
          default -> throw e;
        }
      }
      console.println("");
      messages.clear();
      messages.addAll(asked);
      messages.add(ChatMessage.assistant(g.text()));
      say(g);
    }

    private void say(Generation g) {
      Console console = host.console();
      if (g.finishReason() == FinishReason.CONTEXT_FULL) {
        console.say("the context is full; /clear begins anew, --context allows more");
      }
      if (console.isVerbose()) {
        console.say(
            console.onErr(
                Console.Style.DIM,
                "%d prompt tokens, %d of them cached, first token after %s; %d tokens at %s tokens/s, ended by %s"
                    .formatted(
                        g.promptTokens(),
                        g.reusedTokens(),
                        g.timeToFirstToken().map(Units::seconds).orElse("-"),
                        g.tokenIds().length,
                        Units.rate(g.decodeTokensPerSecond()),
                        g.finishReason().text())));
      }
    }
  }
}
