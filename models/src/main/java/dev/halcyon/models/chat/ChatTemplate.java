package dev.halcyon.models.chat;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.json.JsonReader;
import dev.halcyon.models.tokenizer.SpecialTokens;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * The chat template of a model: a Jinja text that turns messages into the prompt the model was
 * trained on. Rendered like transformers' {@code apply_chat_template}: {@code trim_blocks}, {@code
 * lstrip_blocks}, {@code tojson}, {@code raise_exception}, Python's string methods, and the
 * tokenizer's named tokens as variables.
 *
 * <p>Message text is data: braces in it are never evaluated. Immutable and thread-safe.
 */
public final class ChatTemplate {
  /** The template as a file of its own; wins over {@code tokenizer_config.json}. */
  public static final String FILE = "chat_template.jinja";

  private static final long MAX_BYTES = 64 << 20;
  private static final int MAX_TEMPLATE_CHARS = 4 << 20;

  private final String source;
  private final String origin;
  private final SpecialTokens tokens;
  private final TemplateEngine engine;

  private ChatTemplate(String source, String origin, SpecialTokens tokens) {
    this.source = source;
    this.origin = origin;
    this.tokens = tokens;
    this.engine = new TemplateEngine(source, origin);
  }

  /**
   * A template given as text.
   *
   * @param source the Jinja text
   * @param origin names it in errors
   * @param tokens named tokens, visible as {@code bos_token} and so on
   */
  public static ChatTemplate of(String source, String origin, SpecialTokens tokens) {
    if (source.length() > MAX_TEMPLATE_CHARS) {
      throw invalid(origin, "the template has more than " + MAX_TEMPLATE_CHARS + " characters");
    }
    return new ChatTemplate(source, origin, tokens);
  }

  /**
   * The template of the model in {@code dir}: {@code chat_template.jinja}, or {@code chat_template}
   * in {@code tokenizer_config.json} (of several the one named {@code default}).
   *
   * @throws HalException CHAT_TEMPLATE_INVALID if the model has none, or it cannot be read
   */
  public static ChatTemplate read(Path dir) {
    return find(dir)
        .orElseThrow(
            () ->
                HalException.of(
                        HalErrorCode.CHAT_TEMPLATE_INVALID, "the model has no chat template")
                    .on(dir.toString())
                    .remedy(
                        "prompt it with plain text, or add "
                            + FILE
                            + " from the model's repository")
                    .build());
  }

  /** Like {@link #read} but empty if the model has no template. */
  public static Optional<ChatTemplate> find(Path dir) {
    Path config = dir.resolve(SpecialTokens.FILE);
    Optional<JsonNode> root =
        Files.isRegularFile(config)
            ? Optional.of(
                JsonReader.readObject(
                    config,
                    MAX_BYTES,
                    HalErrorCode.CHAT_TEMPLATE_INVALID,
                    "restore " + SpecialTokens.FILE + " from the model's repository"))
            : Optional.empty();
    SpecialTokens tokens = root.map(SpecialTokens::of).orElseGet(() -> new SpecialTokens(Map.of()));
    Path file = dir.resolve(FILE);
    if (Files.isRegularFile(file)) {
      try {
        if (Files.size(file) > MAX_BYTES) {
          throw invalid(file.toString(), "the template is larger than " + MAX_BYTES + " bytes");
        }
        return Optional.of(
            of(Files.readString(file, StandardCharsets.UTF_8), file.toString(), tokens));
      } catch (IOException e) {
        throw invalid(file.toString(), "the template cannot be read as UTF-8: " + e.getMessage());
      }
    }
    return root.flatMap(r -> named(r.path("chat_template"), config.toString()))
        .map(text -> of(text, config + " chat_template", tokens));
  }

  private static Optional<String> named(JsonNode node, String origin) {
    if (node.isMissingNode() || node.isNull()) {
      return Optional.empty();
    }
    if (node.isString()) {
      return Optional.of(node.stringValue());
    }
    for (JsonNode item : node) {
      if (item.path("name").isString()
          && item.path("name").stringValue().equals("default")
          && item.path("template").isString()) {
        return Optional.of(item.path("template").stringValue());
      }
    }
    throw invalid(
        origin, "chat_template must be a string, or a list with an entry named 'default'");
  }

  private static HalException invalid(String origin, String what) {
    return HalException.of(HalErrorCode.CHAT_TEMPLATE_INVALID, what)
        .on(origin)
        .remedy("restore the template from the model's repository")
        .build();
  }

  /** The Jinja text. */
  public String source() {
    return source;
  }

  /** Where the template was found. */
  public String origin() {
    return origin;
  }

  /**
   * The prompt of {@code messages}, with its special tokens as text; encode it as it is.
   *
   * @throws HalException CHAT_TEMPLATE_INVALID if the template cannot be evaluated or rejects the
   *     messages
   */
  public String render(List<ChatMessage> messages, ChatOptions options) {
    Map<String, Object> variables = new LinkedHashMap<>(tokens.byName());
    List<Object> list = new ArrayList<>();
    for (ChatMessage m : messages) {
      list.add(toMap(m));
    }
    variables.put("messages", list);
    variables.put("add_generation_prompt", options.turn() == ChatOptions.Turn.ASSISTANT);
    if (options.thinking() != ChatOptions.Thinking.DEFAULT) {
      variables.put("thinking", options.thinking() == ChatOptions.Thinking.ON);
      variables.put("enable_thinking", options.thinking() == ChatOptions.Thinking.ON);
    }
    if (!options.tools().isEmpty()) {
      variables.put("tools", options.tools());
    }
    variables.putAll(options.variables());
    return engine.render(variables);
  }

  private static Map<String, Object> toMap(ChatMessage m) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("role", m.role());
    map.put("content", m.content().orElse(null));
    if (!m.toolCalls().isEmpty()) {
      List<Object> calls = new ArrayList<>();
      for (ChatMessage.ToolCall call : m.toolCalls()) {
        Map<String, Object> c = new LinkedHashMap<>();
        call.id().ifPresent(id -> c.put("id", id));
        c.put("type", "function");
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", call.name());
        function.put("arguments", call.arguments());
        c.put("function", function);
        calls.add(c);
      }
      map.put("tool_calls", calls);
    }
    map.putAll(m.extra());
    return map;
  }
}
