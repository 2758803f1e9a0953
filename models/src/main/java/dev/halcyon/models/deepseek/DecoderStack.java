package dev.halcyon.models.deepseek;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import java.util.Optional;

/** Embedding, decoder layers and head: enqueues one step, eagerly or under capture. */
final class DecoderStack {
  /**
   * What a step leaves on the device.
   *
   * @param logits f32 [R, vocab]
   * @param argmax i32 [R, 1]
   */
  record Output(Tensor logits, Tensor argmax) {}

  private final DeepSeekConfig config;
  private final DeepSeekWeights weights;
  private final MlaBlock attention;
  private final Optional<MoeBlock> experts;

  DecoderStack(DeepSeekConfig config, DeepSeekWeights weights, int blockSize) {
    this.config = config;
    this.weights = weights;
    this.attention = new MlaBlock(config, blockSize);
    this.experts = config.moe().map(MoeBlock::new);
  }

  /**
   * Enqueues a step.
   *
   * @param scratch takes every intermediate; not reset here
   * @return empty if no token gets logits
   */
  Optional<Output> enqueue(
      Operators ops, MemoryArena scratch, Step step, KvCache cache, Trace trace) {
    StepInputs in = step.inputs();
    long tokens = in.tokens();
    Tensor x = f32(scratch, tokens, config.hidden());
    Tensor h = f32(scratch, tokens, config.hidden());
    ops.run(new EmbeddingLookup(), weights.embedding(), in.ids, x);
    trace.on("embed", x);
    RmsNorm norm = new RmsNorm(config.rmsNormEps());
    for (int i = 0; i < config.layers(); i++) {
      DeepSeekWeights.Layer layer = weights.layers().get(i);
      String name = "layer" + i;
      ops.run(norm, x, layer.inputNorm(), h);
      trace.on(name + ".attn_in", h);
      attention.enqueue(ops, scratch, layer.attention(), step, h, x, cache.layer(i));
      trace.on(name + ".after_attn", x);
      ops.run(norm, x, layer.postNorm(), h);
      switch (layer.feedForward()) {
        case DeepSeekWeights.Mlp mlp -> MlpBlock.enqueue(ops, mlp, h, x);
        case DeepSeekWeights.Moe moe -> {
          MoeBlock.Routing routing = experts.orElseThrow().enqueue(ops, scratch, moe, h, x);
          trace.on(name + ".gate_indices", routing.ids());
          trace.on(name + ".gate_weights", routing.weights());
        }
      }
      trace.on(name + ".out", x);
    }
    if (in.rows() == 0) {
      return Optional.empty();
    }
    Tensor last = x;
    if (in.rows() != in.tokens()) {
      last = f32(scratch, in.rows(), config.hidden());
      ops.run(new Gather(), x, in.logitRows, last);
    }
    Tensor normed = f32(scratch, in.rows(), config.hidden());
    ops.run(norm, last, weights.norm(), normed);
    trace.on("final_norm", normed);
    Tensor logits = f32(scratch, in.rows(), config.vocab());
    ops.run(new Linear(Epilogue.NONE), normed, weights.head(), logits);
    Tensor argmax = scratch.allocate(TensorType.of(DType.I32, in.rows(), 1));
    ops.run(new ArgMax(), logits, argmax);
    return Optional.of(new Output(logits, argmax));
  }

  private static Tensor f32(MemoryArena scratch, long... dims) {
    return scratch.allocate(TensorType.of(DType.F32, dims));
  }
}
