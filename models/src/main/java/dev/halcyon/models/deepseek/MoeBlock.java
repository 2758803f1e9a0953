package dev.halcyon.models.deepseek;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.MoeConfig;
import dev.halcyon.models.config.ScoringFunction;
import dev.halcyon.models.config.TopkMethod;

/**
 * The mixture of experts of one layer, {@code x += sum of the chosen experts + shared expert}. The
 * router computes in f32. Source: DeepSeek-V3 inference/model.py, classes Gate and MoE.
 */
final class MoeBlock {
  private final int topK;
  private final MoeGating gating;

  MoeBlock(MoeConfig config) {
    this.topK = config.topK();
    boolean grouped = config.topkMethod() != TopkMethod.GREEDY && config.groups() > 1;
    this.gating =
        new MoeGating(
            config.topK(),
            grouped ? config.groups() : 1,
            grouped ? config.topkGroups() : 1,
            config.topkMethod() == TopkMethod.GROUP_LIMITED_GREEDY
                ? MoeGating.GroupRule.MAX
                : MoeGating.GroupRule.SUM_TOP2,
            config.scoring() == ScoringFunction.SIGMOID
                ? MoeGating.Scoring.SIGMOID
                : MoeGating.Scoring.SOFTMAX,
            config.hasCorrectionBias() ? MoeGating.Choice.BIASED : MoeGating.Choice.SCORES,
            normalizes(config) ? MoeGating.Normalization.SUM : MoeGating.Normalization.NONE,
            config.weightScale());
  }

  /**
   * The code of V2 leaves a single expert's softmax score as it is; that of V3 divides it by
   * itself.
   */
  private static boolean normalizes(MoeConfig config) {
    return config.normTopkProb()
        && (config.topK() > 1 || config.scoring() == ScoringFunction.SIGMOID);
  }

  /**
   * Enqueues the block.
   *
   * @param h normed input [T, hidden]
   * @param x residual [T, hidden], updated
   * @return the routing, for traces
   */
  Routing enqueue(Operators ops, MemoryArena scratch, DeepSeekWeights.Moe w, Tensor h, Tensor x) {
    long tokens = h.dim(0);
    Tensor logits = scratch.allocate(TensorType.of(DType.F32, tokens, w.router().dim(0)));
    Tensor weights = scratch.allocate(TensorType.of(DType.F32, tokens, topK));
    Tensor ids = scratch.allocate(TensorType.of(DType.I32, tokens, topK));
    ops.run(new Linear(Epilogue.NONE), h, w.router(), logits);
    if (w.bias().isPresent()) {
      ops.run(gating, logits, w.bias().get(), weights, ids);
    } else {
      ops.run(gating, logits, weights, ids);
    }
    if (w.shared().isPresent()) {
      DeepSeekWeights.Mlp s = w.shared().get();
      ops.run(
          new MoeFfn(MoeFfn.Shared.SHARED, Epilogue.RESIDUAL),
          h,
          weights,
          ids,
          w.gate(),
          w.up(),
          w.down(),
          s.gate(),
          s.up(),
          s.down(),
          x,
          x);
    } else {
      ops.run(
          new MoeFfn(MoeFfn.Shared.NONE, Epilogue.RESIDUAL),
          h,
          weights,
          ids,
          w.gate(),
          w.up(),
          w.down(),
          x,
          x);
    }
    return new Routing(weights, ids);
  }

  /**
   * Which experts were chosen.
   *
   * @param weights f32 [T, topK]
   * @param ids i32 [T, topK]
   */
  record Routing(Tensor weights, Tensor ids) {}
}
