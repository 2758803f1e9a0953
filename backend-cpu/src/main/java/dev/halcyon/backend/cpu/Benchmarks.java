package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.time.Duration;
import java.util.Arrays;

/** What benchmarks ask of the device: bandwidth and synthetic weights. */
final class Benchmarks {
  private Benchmarks() {}

  private static final long LINE = 64;

  /** Much more than any last-level cache shares with two cores; less if the machine is small. */
  private static final long BUFFER = 512L << 20;

  static double readBytesPerSecond(CpuDevice device, Duration budget) {
    long bytes = Math.min(BUFFER, CpuHost.availableMemory() / 4) / LINE * LINE;
    CpuMemory memory = CpuMemory.allocate(bytes);
    CpuStream stream = device.newCpuStream("bandwidth probe");
    Slots slots = new Slots(device.pool()).put(1, memory.address());
    try {
      long lines = bytes / LINE;
      long chunk = Chunks.of(lines, 1, LINE, device.workers().threads());
      // pages must be real and distinct: untouched ones are all the same zeros
      stream.loop(
          (scratch, begin, end) ->
              NativeMemory.fill(memory.address() + begin * LINE, (end - begin) * LINE, (byte) 1),
          lines,
          chunk);
      double[] seconds = new double[1 << 16];
      int passes = 0;
      long end = System.nanoTime() + budget.toNanos();
      do {
        long start = System.nanoTime();
        stream.kernel(Kernels.READ_BANDWIDTH, slots, lines, chunk);
        seconds[passes++] = (System.nanoTime() - start) * 1e-9;
      } while (System.nanoTime() - end < 0 && passes < seconds.length);
      Arrays.sort(seconds, 0, passes);
      return bytes / seconds[passes / 2];
    } finally {
      slots.free();
      stream.close();
      memory.free();
    }
  }

  static void fillRandom(CpuDevice device, Tensor target, long seed, double amplitude) {
    CpuStream stream = device.newCpuStream("random fill");
    try {
      fill(device, stream, target, seed, amplitude);
    } finally {
      stream.close();
    }
  }

  private static void fill(
      CpuDevice device, CpuStream stream, Tensor target, long seed, double amplitude) {
    if (!target.parts().isEmpty()) {
      for (int i = 0; i < target.parts().size(); i++) {
        fill(
            device, stream, target.parts().get(i), seed + 0x9e3779b97f4a7c15L * (i + 1), amplitude);
      }
      return;
    }
    TensorType type = target.type();
    boolean isWhole = type.dtype().isFloating() || type.isQuantized();
    if (!CpuTypes.isWeight(type.dtype()) || !isWhole || !type.isContiguous()) {
      throw HalException.of(
              HalErrorCode.DTYPE_MISMATCH, "cannot fill " + type + " with random numbers")
          .on("cpu://")
          .remedy("pass a dense tensor of a floating or quantised dtype")
          .build();
    }
    // stored numbers use the range of their dtype, the scales bring it to the amplitude
    double stored =
        switch (type.dtype()) {
          case F8_E4M3FN -> type.isQuantized() ? 240 : amplitude;
          case I8 -> 127;
          case I4 -> 8;
          default -> amplitude;
        };
    long n = type.elementCount();
    long even = type.dtype() == DType.I4 ? n + (n & 1) : n;
    double bytes = type.dtype().bits() / 8.0;
    long chunk = Chunks.of(even, 1024, bytes, device.workers().threads());
    Slots slots = new Slots(device.pool());
    try {
      slots.put(1, target).put(2, CpuTypes.weightType(type.dtype())).put(3, seed).put(4, stored);
      stream.kernel(Kernels.FILL_RANDOM, slots, even, chunk);
    } finally {
      slots.free();
    }
    if (type.quant() instanceof QuantScheme.Blocked scheme) {
      fillScales(stream, target.scales().orElseThrow(), scheme, amplitude / stored);
    }
  }

  private static void fillScales(
      CpuStream stream, Tensor scales, QuantScheme.Blocked scheme, double scale) {
    long base = CpuTypes.address(scales);
    DType dtype = scales.dtype();
    int bytes = CpuTypes.elementBytes(dtype);
    long bits =
        scheme.scaleFormat() == QuantScheme.ScaleFormat.UE8M0
            ? Math.clamp(Math.round(Math.log(scale) / Math.log(2)) + 127, 0, 254)
            : Scalars.bitsOf(scale, dtype);
    stream.loop(
        (scratch, begin, end) -> {
          for (long i = begin; i < end; i++) {
            switch (bytes) {
              case 1 -> Raw.i8(base + i, (byte) bits);
              case 2 -> Raw.i16(base + 2 * i, (short) bits);
              default -> Raw.i32(base + 4 * i, (int) bits);
            }
          }
        },
        scales.type().elementCount(),
        1 << 16);
  }
}
