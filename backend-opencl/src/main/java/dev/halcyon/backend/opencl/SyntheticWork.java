package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Synthetic weights and the measurement of memory bandwidth: kernels/synthetic.cl. */
final class SyntheticWork {
  private static final Duration DEADLINE = Duration.ofMinutes(10);

  private SyntheticWork() {}

  static void fillRandom(OpenClDevice device, Tensor target, long seed, double amplitude) {
    DType dtype = target.dtype();
    boolean codes = dtype == DType.I8 || dtype == DType.I4;
    boolean quantized = target.type().isQuantized();
    if (!target.type().isContiguous() || !(quantized || dtype.isFloating())) {
      throw HalException.of(
              HalErrorCode.DTYPE_MISMATCH, "cannot fill " + target.type() + " with random numbers")
          .on(device.info().uri().toString())
          .remedy("pass a dense tensor of a floating dtype, or a quantised one")
          .build();
    }
    // the largest stored magnitude, so that stored * scale stays within the amplitude
    double largest = dtype == DType.I4 ? 8 : dtype == DType.I8 ? 127 : quantized ? 448 : 1;
    String defines = "-DCODES=" + (codes ? dtype.bits() : 0) + " -DWT=" + OpenClTypes.code(dtype);
    long total = target.type().byteSize() * 8 / Math.max(8, dtype.bits());
    if (total > 0) {
      run(device, fill(device, defines, total, seed, quantized ? largest : amplitude), target);
    }
    if (target.type().quant() instanceof QuantScheme.Blocked b) {
      Tensor scales = target.scales().orElseThrow();
      double scale = amplitude / largest;
      if (b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0) {
        scale = Math.clamp(Math.getExponent(scale) + 127, 1, 254);
      }
      KernelPlan plan =
          (KernelPlan) new ElementwisePlans(device).fill(new Fill(scale), List.of(scales.type()));
      run(device, plan, scales);
    }
  }

  private static KernelPlan fill(
      OpenClDevice device, String defines, long total, long seed, double amplitude) {
    long chunk = device.profile().run(total);
    KernelCall call =
        new KernelCall.Builder(device, OpenClPrograms.Key.of("synthetic", defines), "fill_random")
            .operand(0)
            .longs(total, chunk, seed)
            .real(amplitude)
            .items(Math.ceilDiv(total, chunk), 1)
            .build();
    return new KernelPlan(device, "fill_random", 0, List.of(call));
  }

  private static void run(OpenClDevice device, KernelPlan plan, Tensor target) {
    BackendStream stream = device.newStream("synthetic weights");
    try {
      BoundOperator bound = plan.bind(new Tensor[] {target}, Optional.empty());
      bound.enqueue(stream);
      stream.synchronize(DEADLINE);
      bound.close();
    } finally {
      stream.close();
    }
  }

  static double readBytesPerSecond(OpenClDevice device, Duration budget) {
    long limit = device.capabilities().maxAllocationBytes();
    long bytes = Math.min(device.profile().lanes() > 1 ? 1L << 30 : 512L << 20, limit) & -4096L;
    OpenClProfile profile = device.profile();
    long items = profile.lanes() > 1 ? 1L << 17 : profile.groups();
    BackendBuffer source = device.allocate(bytes);
    BackendBuffer sums = device.allocate(items * 4);
    BackendStream stream = device.newStream("bandwidth");
    try {
      KernelCall touch =
          memoryCall(device, "-DCODES=0 -DWT=0", "fill_random")
              .longs(bytes / 4, Math.ceilDiv(bytes / 4, items), 1)
              .real(1)
              .items(items, 1)
              .build();
      KernelCall read =
          memoryCall(device, "-DCODES=0 -DWT=0", "read_all")
              .arguments(2)
              .longs(bytes / 4 / profile.vectorWidth())
              .items(items, 1)
              .build();
      run(stream, touch, source);
      List<Double> seconds = new ArrayList<>();
      long end = System.nanoTime() + budget.toNanos();
      run(stream, read, source, sums);
      do {
        long begin = System.nanoTime();
        run(stream, read, source, sums);
        seconds.add((System.nanoTime() - begin) * 1e-9);
      } while (System.nanoTime() < end);
      seconds.sort(Double::compare);
      touch.pool().close();
      read.pool().close();
      return bytes / seconds.get(seconds.size() / 2);
    } finally {
      stream.close();
      sums.free();
      source.free();
    }
  }

  private static KernelCall.Builder memoryCall(OpenClDevice device, String defines, String name) {
    return new KernelCall.Builder(device, OpenClPrograms.Key.of("synthetic", defines), name)
        .arguments(2);
  }

  private static void run(BackendStream stream, KernelCall call, BackendBuffer... buffers) {
    KernelPool.Kernel kernel = call.pool().take(call);
    for (int i = 0; i < buffers.length; i++) {
      kernel.setMemory(2 * i, ((OpenClMemory) buffers[i]).handle());
      kernel.setLong(2 * i + 1, 0);
    }
    ((LaunchTarget) stream).launch(kernel, call);
    stream.synchronize(DEADLINE);
    call.pool().giveBack(kernel);
  }
}
