package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.DeepSeekConfig;

/**
 * What a model would be on a device, known without reading its weights.
 *
 * @param placement of every operator of loading and of the session's steps; names what is missing
 * @param weightBytes memory of the weights, on the device or mapped
 * @param activeWeightBytesPerToken weight bytes one token reads in a decode step
 * @param cacheBytesPerToken bytes of the cache for one position of one sequence
 * @param cacheBytes bytes of the cache of all the session's sequences at their full context
 * @param session the steps' size
 */
public record ModelPlan(
    PlacementReport placement,
    long weightBytes,
    long activeWeightBytesPerToken,
    long cacheBytesPerToken,
    long cacheBytes,
    SessionOptions session) {

  /**
   * Plans a checkpoint, of which only the headers are read.
   *
   * @throws HalException {@code TENSOR_MISSING}, {@code SHAPE_MISMATCH}, {@code DTYPE_MISMATCH},
   *     {@code CONTEXT_OVERFLOW}, {@code ALLOCATION_TOO_LARGE}
   */
  public static ModelPlan of(
      Device device, DeepSeekConfig config, Checkpoint checkpoint, LoadOptions options) {
    return of(device, config, options, WeightSource.of(checkpoint, config, options.format()));
  }

  /**
   * Plans a configuration with the types of weights that it declares; bf16 if it declares none.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW}, {@code ALLOCATION_TOO_LARGE}
   */
  public static ModelPlan of(Device device, DeepSeekConfig config, LoadOptions options) {
    return of(
        device,
        config,
        options,
        (arena, scratch, ops, progress) ->
            new DeclaredWeights(
                config, arena, new WeightConversion(options.format(), scratch, ops)));
  }

  private static ModelPlan of(
      Device device, DeepSeekConfig config, LoadOptions options, WeightSource.Factory factory) {
    SessionOptions session = options.session().orElse(Rehearsal.usual(config));
    Planner planner = new Planner(device, options.policy());
    try (Rehearsal rehearsal = Rehearsal.of(device, config, factory)) {
      try {
        planner.planAll(rehearsal.requests(session));
      } catch (HalException e) {
        if (e.code() != HalErrorCode.UNSUPPORTED_OPERATOR) {
          throw e;
        }
        // the report names what is missing
      }
      DeepSeekModel model = rehearsal.model();
      long perToken = KvCache.byteSizePerPosition(config, session.cacheDtype());
      return new ModelPlan(
          planner.report(),
          model.weightBytes() + model.importedBytes(),
          model.activeBytesPerToken(),
          perToken,
          perToken * KvCache.positions(session),
          session);
    }
  }
}
