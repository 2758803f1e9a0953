package dev.halcyon.models.chat;

import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What a template is rendered with besides the messages.
 *
 * @param turn whether the text ends where the assistant has to go on
 * @param thinking whether a reasoning model should think; templates without the choice ignore it
 * @param tools JSON schemas of callable functions as maps and lists; if empty the template sees no
 *     {@code tools}
 * @param variables further template variables; they win over everything else
 */
public record ChatOptions(
    Turn turn, Thinking thinking, List<Map<String, Object>> tools, Map<String, Object> variables) {
  /** Where the rendered text ends. */
  public enum Turn {
    /** After the last message ({@code add_generation_prompt=false}). */
    AS_GIVEN,
    /** With the header of the assistant's answer ({@code add_generation_prompt=true}). */
    ASSISTANT
  }

  /** The {@code thinking} and {@code enable_thinking} variables. */
  public enum Thinking {
    /** Not passed: the template decides. */
    DEFAULT,
    ON,
    OFF
  }

  /** The assistant's turn, everything else as the template likes it. */
  public static final ChatOptions GENERATE =
      new ChatOptions(Turn.ASSISTANT, Thinking.DEFAULT, List.of(), Map.of());

  public ChatOptions {
    Objects.requireNonNull(turn);
    Objects.requireNonNull(thinking);
    tools = List.copyOf(tools);
    variables = Map.copyOf(variables);
  }

  public ChatOptions withThinking(Thinking value) {
    return new ChatOptions(turn, value, tools, variables);
  }

  public ChatOptions withTurn(Turn value) {
    return new ChatOptions(value, thinking, tools, variables);
  }
}
