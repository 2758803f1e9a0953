package dev.halcyon.models.config;

/** How the router picks experts. */
public enum TopkMethod {
  /** The top-k scores of all experts; groups play no part. */
  GREEDY("greedy"),
  /** DeepSeek-V2: a group scores its best expert; top-k among the best groups. */
  GROUP_LIMITED_GREEDY("group_limited_greedy"),
  /**
   * DeepSeek-V3: a group scores the sum of its two best bias-corrected experts; top-k among the
   * best groups.
   */
  NOAUX_TC("noaux_tc");

  private final String key;

  TopkMethod(String key) {
    this.key = key;
  }

  /** The value in {@code config.json}. */
  public String key() {
    return key;
  }
}
