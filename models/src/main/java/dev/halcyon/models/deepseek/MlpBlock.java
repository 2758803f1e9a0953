package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;

/** The dense feed-forward of one layer, {@code x += down(SwiGlu(gate(h), up(h)))}. */
final class MlpBlock {
  private MlpBlock() {}

  static void enqueue(Operators ops, DeepSeekWeights.Mlp w, Tensor h, Tensor x) {
    ops.run(new GatedMlp(Epilogue.RESIDUAL), h, w.gate(), w.up(), w.down(), x, x);
  }
}
