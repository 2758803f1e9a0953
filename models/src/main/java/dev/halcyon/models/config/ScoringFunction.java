package dev.halcyon.models.config;

/** What turns router logits into scores. */
public enum ScoringFunction {
  SOFTMAX("softmax"),
  SIGMOID("sigmoid");

  private final String key;

  ScoringFunction(String key) {
    this.key = key;
  }

  /** The value in {@code config.json}. */
  public String key() {
    return key;
  }
}
