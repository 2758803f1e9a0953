package dev.halcyon.models.deepseek;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.config.RopeConfig;

/**
 * Multi-head latent attention of one layer, {@code x += o(attention(norm(x)))}. Source: DeepSeek-V3
 * inference/model.py, class MLA.
 */
final class MlaBlock {
  private final DeepSeekConfig config;
  private final RotaryEmbedding.Layout layout;
  private final int blockSize;
  private final double scale;

  MlaBlock(DeepSeekConfig config, int blockSize) {
    this.config = config;
    this.blockSize = blockSize;
    this.scale = config.softmaxScale();
    this.layout =
        config.rope().layout() == RopeConfig.Layout.INTERLEAVED
            ? RotaryEmbedding.Layout.INTERLEAVED
            : RotaryEmbedding.Layout.HALF_SPLIT;
  }

  /**
   * Enqueues the block.
   *
   * @param h normed input [T, hidden]
   * @param x residual [T, hidden], updated
   * @param cache this layer's rows [rows, C + R]
   */
  void enqueue(
      Operators ops,
      MemoryArena scratch,
      DeepSeekWeights.Mla w,
      Step step,
      Tensor h,
      Tensor x,
      Tensor cache) {
    long tokens = h.dim(0);
    int heads = config.heads();
    int nope = config.qkNope();
    int rope = config.qkRope();
    int latent = config.kvLoraRank();
    int value = config.vHead();
    Tensor q = queries(ops, scratch, w.query(), h);
    Tensor raw = f32(scratch, tokens, config.latentCacheWidth());
    ops.run(new Linear(Epilogue.NONE), h, w.kvA(), raw);
    ops.run(
        new KvCacheAppend(config.latentNormEps(), layout),
        raw,
        w.kvNorm(),
        step.cos(),
        step.sin(),
        step.inputs().positions,
        step.inputs().slots,
        cache);
    Tensor out = f32(scratch, tokens, heads, value);
    switch (step.form()) {
      case ABSORBED -> {
        Tensor absorbed = f32(scratch, tokens, heads, latent + rope);
        ops.run(
            new HeadMatMul(nope + value, 0, nope, HeadMatMul.Orientation.ROWS_IN),
            q.slice(2, 0, nope),
            w.kvB(),
            absorbed.slice(2, 0, latent));
        ops.run(
            new RotaryEmbedding(layout, 0, rope),
            q.slice(2, nope, rope),
            step.inputs().positions,
            step.cos(),
            step.sin(),
            absorbed.slice(2, latent, rope));
        Tensor context = f32(scratch, tokens, heads, latent);
        ops.run(
            new MlaAttention(scale, latent, blockSize),
            absorbed,
            cache,
            step.blockTable(),
            step.inputs().sequence,
            step.inputs().positions,
            context);
        ops.run(
            new HeadMatMul(nope + value, nope, value, HeadMatMul.Orientation.ROWS_OUT),
            context,
            w.kvB(),
            out);
      }
      case EXPANDED -> {
        ops.run(
            new RotaryEmbedding(layout, nope, rope),
            q,
            step.inputs().positions,
            step.cos(),
            step.sin(),
            q);
        ops.run(
            new MlaExpandedAttention(scale, nope, value, blockSize),
            q,
            cache,
            step.blockTable(),
            step.inputs().sequence,
            step.inputs().positions,
            w.kvB(),
            out);
      }
    }
    ops.run(
        new Linear(Epilogue.RESIDUAL), out.reshape(tokens, (long) heads * value), w.output(), x, x);
  }

  private Tensor queries(
      Operators ops, MemoryArena scratch, DeepSeekWeights.Query query, Tensor h) {
    long tokens = h.dim(0);
    Tensor q = f32(scratch, tokens, (long) config.heads() * config.qkHead());
    switch (query) {
      case DeepSeekWeights.DirectQuery d -> ops.run(new Linear(Epilogue.NONE), h, d.q(), q);
      case DeepSeekWeights.LatentQuery l -> {
        Tensor a = f32(scratch, tokens, config.qLoraRank());
        ops.run(new Linear(Epilogue.NONE), h, l.qA(), a);
        ops.run(new RmsNorm(config.latentNormEps()), a, l.norm(), a);
        ops.run(new Linear(Epilogue.NONE), a, l.qB(), q);
      }
    }
    return q.reshape(tokens, config.heads(), config.qkHead());
  }

  private static Tensor f32(MemoryArena scratch, long... dims) {
    return scratch.allocate(TensorType.of(DType.F32, dims));
  }
}
