package dev.halcyon.models.deepseek;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.DeepSeekConfig;
import java.util.List;

/**
 * Where the weights of a model come from. Tensors live in the loader's arena. One thread at a time.
 */
interface WeightSource {
  /** Opens a source: once to learn the types of the weights, once to place them. */
  @FunctionalInterface
  interface Factory {
    /**
     * A source.
     *
     * @param arena takes the weights
     * @param scratch takes what their conversion needs
     * @param ops convert them, on the device of both arenas
     */
    WeightSource open(MemoryArena arena, MemoryArena scratch, Operators ops, LoadProgress progress);
  }

  /** The tensors of {@code checkpoint}, which must stay open as long as the arena. */
  static Factory of(Checkpoint checkpoint, DeepSeekConfig config, WeightFormat format) {
    return (arena, scratch, ops, progress) ->
        new CheckpointWeights(
            checkpoint,
            config.quantization(),
            arena,
            new WeightConversion(format, scratch, ops),
            progress);
  }

  /** The wanted format of linear weights. */
  WeightFormat format();

  /** A linear weight {@code [rows, columns]} in the wanted format. */
  Tensor linear(String name, long rows, long columns);

  /** The output projection {@code [vocab, hidden]}: as {@link #linear}, but never FP8. */
  default Tensor head(String name, long rows, long columns) {
    return format() == WeightFormat.FP8 ? plain(name, rows, columns) : linear(name, rows, columns);
  }

  /** Equal linear weights joined along a new leading axis. */
  Tensor stacked(List<String> names, long rows, long columns);

  /** A weight that keeps the checkpoint's floating dtype: a norm, a router, an embedding. */
  Tensor plain(String name, long... shape);

  /** A vector in f32. */
  Tensor f32(String name, long... shape);

  /** Whether the source has a tensor of this name. */
  boolean has(String name);
}
