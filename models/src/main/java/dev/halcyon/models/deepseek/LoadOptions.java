package dev.halcyon.models.deepseek;

import dev.halcyon.hal.plan.PlacementPolicy;
import java.util.Optional;

/**
 * How a model is loaded.
 *
 * @param format of the linear weights
 * @param policy of operator placement
 * @param progress hears of every tensor
 * @param session whose steps are planned at load, so that they fail, if they must, before weights
 *     are read; empty for one sequence of 4096 positions, or of the model's context if less. Other
 *     sessions are planned when they begin.
 */
public record LoadOptions(
    WeightFormat format,
    PlacementPolicy policy,
    LoadProgress progress,
    Optional<SessionOptions> session) {
  /** The checkpoint's formats, the default placement. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(
          WeightFormat.NATIVE, PlacementPolicy.DEFAULT, LoadProgress.NONE, Optional.empty());

  public LoadOptions withFormat(WeightFormat value) {
    return new LoadOptions(value, policy, progress, session);
  }

  public LoadOptions withPolicy(PlacementPolicy value) {
    return new LoadOptions(format, value, progress, session);
  }

  public LoadOptions withProgress(LoadProgress value) {
    return new LoadOptions(format, policy, value, session);
  }

  public LoadOptions withSession(SessionOptions value) {
    return new LoadOptions(format, policy, progress, Optional.of(value));
  }
}
