package dev.halcyon.models.deepseek;

import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.config.Quantization;
import java.util.ArrayList;
import java.util.List;

/**
 * Weights without values, of the types that a published checkpoint of a configuration has: its
 * dtype, bf16 if it names none; under FP8 e4m3 with f32 scales for all linear weights but the head.
 * For planning without a checkpoint.
 */
final class DeclaredWeights implements WeightSource {
  private static final String HEAD = "lm_head.weight";

  private final DType dtype;
  private final QuantScheme scheme;
  private final MemoryArena arena;
  private final WeightConversion conversion;

  DeclaredWeights(DeepSeekConfig config, MemoryArena arena, WeightConversion conversion) {
    this.dtype = config.dtype().filter(DType::isFloating).orElse(DType.BF16);
    this.scheme =
        switch (config.quantization()) {
          case Quantization.None n -> QuantScheme.NONE;
          case Quantization.Fp8 q ->
              new QuantScheme.Blocked(q.blockRows(), q.blockColumns(), ScaleFormat.F32);
        };
    this.arena = arena;
    this.conversion = conversion;
  }

  @Override
  public WeightFormat format() {
    return conversion.format();
  }

  @Override
  public boolean has(String name) {
    return true;
  }

  @Override
  public Tensor linear(String name, long rows, long columns) {
    TensorType stored = stored(name, rows, columns);
    if (conversion.isWanted(stored.dtype(), stored.quant())) {
      return arena.allocate(stored);
    }
    conversion.scratch().reset();
    Tensor target = arena.allocate(conversion.wantedType(stored.shape()));
    conversion.convert(conversion.scratch().allocate(stored), target);
    return target;
  }

  private TensorType stored(String name, long rows, long columns) {
    return scheme.equals(QuantScheme.NONE) || name.equals(HEAD)
        ? TensorType.of(dtype, rows, columns)
        : TensorType.of(DType.F8_E4M3FN, rows, columns).withQuant(scheme);
  }

  @Override
  public Tensor stacked(List<String> names, long rows, long columns) {
    if (arena.device().capabilities().has(Feature.STACKED_PARTS)) {
      List<Tensor> parts = new ArrayList<>();
      for (String name : names) {
        parts.add(linear(name, rows, columns));
      }
      return Tensor.stack(parts);
    }
    TensorType stored = stored(names.getFirst(), rows, columns);
    Shape shape = Shape.of(names.size(), rows, columns);
    if (conversion.isWanted(stored.dtype(), stored.quant())) {
      return arena.allocate(TensorType.of(stored.dtype(), shape).withQuant(stored.quant()));
    }
    Tensor all = arena.allocate(conversion.wantedType(shape));
    for (int i = 0; i < names.size(); i++) {
      conversion.scratch().reset();
      conversion.convert(conversion.scratch().allocate(stored), all.part(i));
    }
    return all;
  }

  @Override
  public Tensor plain(String name, long... shape) {
    return arena.allocate(TensorType.of(dtype, shape));
  }

  @Override
  public Tensor f32(String name, long... shape) {
    return arena.allocate(TensorType.of(DType.F32, shape));
  }
}
