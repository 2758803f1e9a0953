package dev.halcyon.backend.cpu;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * What a command costs besides its work, by hand: {@code java -cp ...
 * dev.halcyon.backend.cpu.OverheadBenchmark [tier]}. Not a test: numbers depend on the machine and
 * its other users.
 */
final class OverheadBenchmark {
  private OverheadBenchmark() {}

  /** One kind of command with its operands. */
  private record Case(String name, OperatorSpec spec, Tensor... operands) {}

  public static void main(String[] args) {
    String tier = args.length > 0 ? args[0] : "c";
    for (int threads : new int[] {1, 2}) {
      try (CpuFixture f = CpuFixture.open(tier, threads)) {
        System.out.printf("%s, %d threads%n", f.device.info().driver(), threads);
        overheads(f);
        streaming(f);
      }
    }
  }

  private static void overheads(CpuFixture f) {
    int tiny = 16;
    // 1 MiB of weights, larger than a chunk and within the cache: hand-over between threads
    Tensor w = f.uniform(DType.BF16, 512, 1024);
    List<Case> cases =
        List.of(
            new Case(
                "RmsNorm[1,16]",
                new RmsNorm(1e-6),
                f.f32(1, tiny),
                f.f32(tiny),
                f.empty(DType.F32, 1, tiny)),
            new Case(
                "SwiGlu[1,16]",
                new SwiGlu(),
                f.f32(1, tiny),
                f.f32(1, tiny),
                f.empty(DType.F32, 1, tiny)),
            new Case(
                "Linear[1,16]x[16,16]",
                new Linear(Epilogue.NONE),
                f.f32(1, tiny),
                f.f32(tiny, tiny),
                f.empty(DType.F32, 1, tiny)),
            new Case(
                "Linear[1,1024]x[512,1024] bf16",
                new Linear(Epilogue.NONE),
                f.f32(1, 1024),
                w,
                f.empty(DType.F32, 1, 512)),
            new Case(
                "MoeFfn[1,16] 2 of 8, tiny",
                new MoeFfn(MoeFfn.Shared.NONE, Epilogue.NONE),
                f.f32(1, tiny),
                f.f32(1, 2),
                f.ints(0, 8, 1, 2),
                f.f32(8, tiny, tiny),
                f.f32(8, tiny, tiny),
                f.f32(8, tiny, tiny),
                f.empty(DType.F32, 1, tiny)));
    for (Case c : cases) {
      Plan plan = f.planner.plan(c.spec, Arrays.stream(c.operands).map(Tensor::type).toList());
      f.stream.beginCapture();
      int commands = 300;
      for (int i = 0; i < commands; i++) {
        f.stream.enqueue(plan, c.operands);
      }
      CommandGraph graph = f.stream.endCapture();
      double replay = best(() -> f.stream.replay(graph)) / commands;
      long bytes = allocated(() -> f.stream.replay(graph));
      double eager =
          best(
                  () -> {
                    for (int i = 0; i < commands; i++) {
                      f.stream.enqueue(plan, c.operands);
                    }
                  })
              / commands;
      System.out.printf(
          "  %-34s replay %7.0f ns  eager %7.0f ns  %d bytes allocated by a replay of %d%n",
          c.name, replay, eager, bytes, commands);
      graph.close();
    }
  }

  private static void streaming(CpuFixture f) {
    double bandwidth =
        ((BandwidthProbe) f.device.backend()).readBytesPerSecond(Duration.ofMillis(500));
    System.out.printf("  read bandwidth %.1f GB/s%n", bandwidth / 1e9);
    for (DType t : new DType[] {DType.BF16, DType.F16, DType.F32}) {
      Tensor w = f.empty(t, 65536, 2048);
      ((RandomFill) f.device.backend()).fillRandom(w, 1, 0.02);
      Tensor x = f.f32(1, 2048);
      Tensor y = f.empty(DType.F32, 1, 65536);
      Plan plan = f.planner.plan(new Linear(Epilogue.NONE), x.type(), w.type(), y.type());
      double ns = best(() -> f.stream.enqueue(plan, x, w, y));
      System.out.printf(
          "  Linear[1,2048]x[65536,2048] %s %.1f GB/s, %.2f of read bandwidth%n",
          t, w.type().byteSize() / ns, w.type().byteSize() / ns * 1e9 / bandwidth);
    }
  }

  /** Nanoseconds of the median of the better half of rounds, after warm-up. */
  private static double best(Runnable body) {
    long end = System.nanoTime() + 700_000_000L;
    int warm = 0;
    while (System.nanoTime() < end || warm < 20) {
      body.run();
      warm++;
    }
    double[] ns = new double[41];
    for (int i = 0; i < ns.length; i++) {
      long start = System.nanoTime();
      body.run();
      ns[i] = System.nanoTime() - start;
    }
    Arrays.sort(ns);
    return ns[ns.length / 4];
  }

  private static long allocated(Runnable body) {
    var bean = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = bean.getCurrentThreadAllocatedBytes();
    body.run();
    return bean.getCurrentThreadAllocatedBytes() - before;
  }
}
