package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Synthetic weights of the right sizes for benchmarks, made on the device where it can; uniform
 * with variance 1/columns so that activations stay in range.
 */
final class RandomWeights implements WeightSource {
  private static final int PATTERN_BYTES = 1 << 20;

  private final WeightFormat format;
  private final MemoryArena arena;
  private final CommandStream stream;
  private long seed = 1;

  RandomWeights(WeightFormat format, MemoryArena arena, CommandStream stream) {
    this.format = format;
    this.arena = arena;
    this.stream = stream;
  }

  private TensorType type(long... shape) {
    return format == WeightFormat.NATIVE
        ? TensorType.of(DType.BF16, shape)
        : TensorType.of(format.dtype(), shape).withQuant(format.scheme());
  }

  @Override
  public WeightFormat format() {
    return format;
  }

  @Override
  public boolean has(String name) {
    return true;
  }

  @Override
  public Tensor linear(String name, long rows, long columns) {
    return filled(type(rows, columns), Math.sqrt(3.0 / columns));
  }

  @Override
  public Tensor stacked(List<String> names, long rows, long columns) {
    return filled(type(names.size(), rows, columns), Math.sqrt(3.0 / columns));
  }

  @Override
  public Tensor plain(String name, long... shape) {
    double amplitude = shape.length == 1 ? 1 : Math.sqrt(3.0 / shape[shape.length - 1]);
    DType dtype = format == WeightFormat.F32 ? DType.F32 : DType.BF16;
    return filled(TensorType.of(dtype, shape), amplitude);
  }

  @Override
  public Tensor f32(String name, long... shape) {
    return filled(TensorType.of(DType.F32, shape), 0.01);
  }

  private Tensor filled(TensorType type, double amplitude) {
    Tensor t = arena.allocate(type);
    seed++;
    if (stream.device().backend() instanceof RandomFill device) {
      device.fillRandom(t, seed, amplitude);
    } else {
      upload(t, amplitude);
    }
    return t;
  }

  private void upload(Tensor t, double amplitude) {
    boolean quantized = t.type().quant() instanceof QuantScheme.Blocked;
    try (Arena host = Arena.ofConfined()) {
      long bytes = t.type().byteSize();
      MemorySegment data = host.allocate(bytes, 64);
      fill(data, t.dtype(), amplitude);
      stream.upload(data, t);
      if (quantized) {
        Tensor scales = t.scales().orElseThrow();
        double range = t.dtype() == DType.I4 ? 8 : t.dtype() == DType.I8 ? 127 : 448;
        MemorySegment s = host.allocate(scales.type().byteSize(), 64);
        constant(s, scales.dtype(), amplitude / range);
        stream.upload(s, scales);
      }
    }
  }

  /** A random pattern, repeated: enough to keep every multiplier busy. */
  private void fill(MemorySegment data, DType dtype, double amplitude) {
    SplittableRandom random = new SplittableRandom(seed);
    long pattern = Math.min(PATTERN_BYTES, data.byteSize());
    MemorySegment head = data.asSlice(0, pattern);
    switch (dtype) {
      case F32 -> {
        for (long i = 0; i < pattern / 4; i++) {
          head.setAtIndex(
              ValueLayout.JAVA_FLOAT, i, (float) (amplitude * (2 * random.nextDouble() - 1)));
        }
      }
      case BF16, F16 -> {
        for (long i = 0; i < pattern / 2; i++) {
          float value = (float) (amplitude * (2 * random.nextDouble() - 1));
          short bits =
              dtype == DType.F16
                  ? Float.floatToFloat16(value)
                  : dev.halcyon.hal.tensor.BFloat16.fromFloat(value);
          head.setAtIndex(ValueLayout.JAVA_SHORT, i, bits);
        }
      }
      default -> {
        for (long i = 0; i < pattern; i++) {
          // 0x7f and 0xff are NaN in FP8
          head.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt() & 0xf7));
        }
      }
    }
    for (long at = pattern; at < data.byteSize(); at += pattern) {
      MemorySegment.copy(data, 0, data, at, Math.min(pattern, data.byteSize() - at));
    }
  }

  private static void constant(MemorySegment s, DType dtype, double value) {
    if (dtype == DType.F32) {
      for (long i = 0; i < s.byteSize() / 4; i++) {
        s.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value);
      }
    } else {
      short bits = Float.floatToFloat16((float) value);
      for (long i = 0; i < s.byteSize() / 2; i++) {
        s.setAtIndex(ValueLayout.JAVA_SHORT, i, bits);
      }
    }
  }
}
