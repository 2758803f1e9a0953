package dev.halcyon.models.deepseek;

import dev.halcyon.hal.plan.PlacementPolicy;

/**
 * How a model is loaded.
 *
 * @param format of the linear weights
 * @param policy of operator placement
 * @param progress hears of every tensor
 */
public record LoadOptions(WeightFormat format, PlacementPolicy policy, LoadProgress progress) {
  /** The checkpoint's formats, the default placement. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(WeightFormat.NATIVE, PlacementPolicy.DEFAULT, LoadProgress.NONE);

  public LoadOptions withFormat(WeightFormat value) {
    return new LoadOptions(value, policy, progress);
  }

  public LoadOptions withPolicy(PlacementPolicy value) {
    return new LoadOptions(format, value, progress);
  }

  public LoadOptions withProgress(LoadProgress value) {
    return new LoadOptions(format, policy, value);
  }
}
