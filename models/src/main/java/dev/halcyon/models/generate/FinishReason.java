package dev.halcyon.models.generate;

/** Why a generation ended. */
public enum FinishReason {
  /** The model, or the caller's list, named the last token as an end. */
  STOP_TOKEN("end of text"),
  /** The text reached a stop string. */
  STOP_STRING("stop string"),
  /** As many tokens as asked for. */
  MAX_TOKENS("token limit"),
  /** No room for another token in the context. */
  CONTEXT_FULL("context full"),
  /** The caller cancelled it. */
  CANCELLED("cancelled");

  private final String text;

  FinishReason(String text) {
    this.text = text;
  }

  /** In words, for people. */
  public String text() {
    return text;
  }
}
