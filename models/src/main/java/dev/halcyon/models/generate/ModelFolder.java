package dev.halcyon.models.generate;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.chat.ChatMessage;
import dev.halcyon.models.chat.ChatOptions;
import dev.halcyon.models.chat.ChatTemplate;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.json.JsonReader;
import dev.halcyon.models.tokenizer.SpecialTokens;
import dev.halcyon.models.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * A model in Hugging Face layout before it is on a device: configuration, tokenizer and chat
 * template, and the checkpoint's headers checked. What a prompt becomes, and whether it fits, is
 * known here, before weights are read. Thread-safe.
 */
public final class ModelFolder implements AutoCloseable {
  private static final long MAX_TOKENIZER_CONFIG_BYTES = 64 << 20;

  private final Path directory;
  private final DeepSeekConfig config;
  private final Tokenizer tokenizer;
  private final Optional<ChatTemplate> chatTemplate;
  private final OptionalInt bosInFront;
  private final Set<Integer> endOfText;
  private final long checkpointBytes;

  private ModelFolder(
      Path directory,
      DeepSeekConfig config,
      Tokenizer tokenizer,
      Optional<ChatTemplate> chatTemplate,
      OptionalInt bosInFront,
      long checkpointBytes) {
    this.directory = directory;
    this.config = config;
    this.tokenizer = tokenizer;
    this.chatTemplate = chatTemplate;
    this.bosInFront = bosInFront;
    this.checkpointBytes = checkpointBytes;
    Set<Integer> ends = new LinkedHashSet<>(config.eosIds());
    ends.addAll(tokenizer.eosIds());
    this.endOfText = Set.copyOf(ends);
  }

  /**
   * Opens {@code dir}.
   *
   * @throws HalException {@code MODEL_NOT_FOUND}, {@code CONFIG_INVALID}, {@code
   *     UNSUPPORTED_ARCHITECTURE}, {@code CHECKPOINT_CORRUPT}, {@code TOKENIZER_MISSING}, {@code
   *     TOKENIZER_INVALID}, {@code CHAT_TEMPLATE_INVALID}
   */
  public static ModelFolder open(Path dir) {
    DeepSeekConfig config = ConfigReader.read(dir);
    long bytes;
    try (Checkpoint checkpoint = Checkpoint.open(dir)) {
      bytes = checkpoint.byteSize();
    }
    Optional<ChatTemplate> template = ChatTemplate.find(dir);
    boolean addBos = addsBos(dir);
    Tokenizer tokenizer = Tokenizer.open(dir);
    OptionalInt bos = tokenizer.bosId().isPresent() ? tokenizer.bosId() : config.bosId();
    return new ModelFolder(
        dir, config, tokenizer, template, addBos ? bos : OptionalInt.empty(), bytes);
  }

  private static boolean addsBos(Path dir) {
    Path file = dir.resolve(SpecialTokens.FILE);
    if (!Files.isRegularFile(file)) {
      return false;
    }
    JsonNode flag =
        JsonReader.readObject(
                file,
                MAX_TOKENIZER_CONFIG_BYTES,
                HalErrorCode.TOKENIZER_INVALID,
                "restore " + SpecialTokens.FILE + " from the model's repository")
            .path("add_bos_token");
    return flag.isBoolean() && flag.booleanValue();
  }

  public Path directory() {
    return directory;
  }

  public DeepSeekConfig config() {
    return config;
  }

  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /** The chat template; empty if the model has none. */
  public Optional<ChatTemplate> chatTemplate() {
    return chatTemplate;
  }

  /** Tokens that end a text, by the model's configuration and its tokenizer's. */
  public Set<Integer> endOfText() {
    return endOfText;
  }

  /**
   * The begin-of-text token that {@link #encode(String)} puts in front; empty if the tokenizer's
   * configuration asks for none.
   */
  public OptionalInt bosInFront() {
    return bosInFront;
  }

  /** Bytes of all tensors of the checkpoint. */
  public long checkpointBytes() {
    return checkpointBytes;
  }

  /**
   * The tokens of a plain prompt: with the begin-of-text token in front if the tokenizer's
   * configuration asks for it and the text does not begin with it.
   *
   * @throws HalException {@code INVALID_ARGUMENT} if there would be no token at all
   */
  public int[] encode(String prompt) {
    int[] ids = tokenizer.encode(prompt);
    if (bosInFront.isPresent() && (ids.length == 0 || ids[0] != bosInFront.getAsInt())) {
      int[] longer = new int[ids.length + 1];
      longer[0] = bosInFront.getAsInt();
      System.arraycopy(ids, 0, longer, 1, ids.length);
      ids = longer;
    }
    if (ids.length == 0) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "the prompt is empty and this model has no begin-of-text token")
          .on(directory.toString())
          .remedy("give a prompt of at least one character")
          .build();
    }
    return ids;
  }

  /**
   * The tokens of a conversation, rendered by the chat template; it writes the begin-of-text token
   * itself.
   *
   * @throws HalException {@code CHAT_TEMPLATE_INVALID} if the model has no template, or it rejects
   *     the messages
   */
  public int[] encode(List<ChatMessage> messages, ChatOptions options) {
    ChatTemplate template = chatTemplate.orElseGet(() -> ChatTemplate.read(directory));
    return tokenizer.encode(template.render(messages, options));
  }

  /**
   * The context length for a prompt and an answer of at most {@code maxTokens}: their sum, or the
   * model's limit if that is less.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW} if the prompt leaves no room for an answer
   */
  public int contextFor(int promptTokens, int maxTokens) {
    int limit = config.maxPositionEmbeddings();
    requireFits(promptTokens, limit, limit);
    return (int) Math.min(limit, (long) promptTokens + maxTokens);
  }

  /**
   * Checks that a prompt leaves room for at least one token of an answer.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW}
   */
  public void requireFits(int promptTokens, int contextLength) {
    requireFits(promptTokens, contextLength, config.maxPositionEmbeddings());
  }

  private static void requireFits(int promptTokens, int contextLength, int modelLimit) {
    if (promptTokens < contextLength) {
      return;
    }
    throw HalException.of(
            HalErrorCode.CONTEXT_OVERFLOW,
            "the prompt of "
                + promptTokens
                + " tokens leaves no room for an answer in a context of "
                + contextLength
                + " tokens")
        .remedy(
            contextLength < modelLimit
                ? "raise the context length (--context), at most "
                    + modelLimit
                    + ", or shorten the prompt"
                : "shorten the prompt to less than "
                    + modelLimit
                    + " tokens, the limit of this model")
        .build();
  }

  /**
   * Puts the model on a device. Close the result before this folder and before the device.
   *
   * @throws HalException {@code CHECKPOINT_CORRUPT}, {@code TENSOR_MISSING}, {@code
   *     SHAPE_MISMATCH}, {@code DTYPE_MISMATCH}, {@code OUT_OF_MEMORY}
   */
  public TextModel load(Device device, LoadOptions options) {
    DeepSeekModel model = DeepSeekModel.load(device, config, Checkpoint.open(directory), options);
    return new TextModel(this, model, TextModel.FolderOwner.CALLER);
  }

  /** Frees the tokenizer. Idempotent. */
  @Override
  public void close() {
    tokenizer.close();
  }
}
