package dev.halcyon.models.chat;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One message of a conversation.
 *
 * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}, or whatever the
 *     template knows
 * @param content the text; may only be absent if there are tool calls, and is {@code none} in the
 *     template then
 * @param toolCalls calls the assistant made; if there are none the template sees no {@code
 *     tool_calls}
 * @param extra further fields the template may read, for example {@code prefix} or {@code
 *     reasoning_content}
 */
public record ChatMessage(
    String role, Optional<String> content, List<ToolCall> toolCalls, Map<String, Object> extra) {
  /**
   * A call of a function.
   *
   * @param id the caller's identifier; empty if it has none
   * @param name the function
   * @param arguments JSON text, as the model wrote it
   */
  public record ToolCall(Optional<String> id, String name, String arguments) {}

  public ChatMessage {
    if (role.isBlank()) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "a chat message needs a role")
          .remedy("use system, user, assistant or tool")
          .build();
    }
    toolCalls = List.copyOf(toolCalls);
    extra = Map.copyOf(extra);
    if (content.isEmpty() && toolCalls.isEmpty()) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "a '" + role + "' message has neither content nor tool calls")
          .remedy("give it a text; an empty one is allowed")
          .build();
    }
  }

  public static ChatMessage of(String role, String content) {
    return new ChatMessage(role, Optional.of(content), List.of(), Map.of());
  }

  public static ChatMessage system(String content) {
    return of("system", content);
  }

  public static ChatMessage user(String content) {
    return of("user", content);
  }

  public static ChatMessage assistant(String content) {
    return of("assistant", content);
  }

  public static ChatMessage tool(String content) {
    return of("tool", content);
  }

  /** An assistant turn that only calls functions. */
  public static ChatMessage toolCalls(List<ToolCall> calls) {
    return new ChatMessage("assistant", Optional.empty(), calls, Map.of());
  }
}
