package dev.halcyon.backend.cpu.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.junit.jupiter.api.Named;

/**
 * Speed of every hot kernel on one thread, the tiers side by side: GB/s of weights or activations
 * where memory decides, GFLOP/s where arithmetic does. A vector kernel below a tenth of C has
 * fallen off a cliff of the compiler.
 *
 * <pre>{@code
 * java --enable-native-access=ALL-UNNAMED --add-modules jdk.incubator.vector -cp ... \
 *     dev.halcyon.backend.cpu.kernels.KernelSpeed [part of a case's name [start of a tier's name]]
 * }</pre>
 */
final class KernelSpeed {
  /** A kernel is warm when it has not become faster for this long. */
  private static final long SETTLED_NANOS = 2_000_000_000L;

  private KernelSpeed() {}

  /** One call: its kernel, slots and index count, and its work in bytes or operations. */
  private record Call(int kernel, long[] slots, long count, double work) {}

  private record Case(String name, String unit, Function<Bench, Call> make) {}

  public static void main(String[] args) {
    String part = args.length > 0 ? args[0] : "";
    List<KernelTier> tiers = new ArrayList<>();
    Bench.tiers()
        .map(Named::getPayload)
        .filter(tier -> args.length < 2 || tier.name().startsWith(args[1]))
        .forEach(tiers::add);
    for (Case test : cases()) {
      if (!test.name().contains(part)) {
        continue;
      }
      StringBuilder line = new StringBuilder(String.format("%-26s", test.name()));
      for (KernelTier tier : tiers) {
        try (Bench bench = new Bench(tier)) {
          Call call = test.make().apply(bench);
          line.append(
              String.format(
                  Locale.ROOT, "  %s %7.2f", tier.name(), call.work() / best(tier, call)));
        }
      }
      System.out.println(line + "  " + test.unit());
    }
  }

  /** Best nanoseconds of a call. */
  private static double best(KernelTier tier, Call call) {
    try (Arena arena = Arena.ofConfined()) {
      long slots = arena.allocateFrom(ValueLayout.JAVA_LONG, call.slots()).address();
      double best = Double.MAX_VALUE;
      long improved = System.nanoTime();
      while (System.nanoTime() - improved < SETTLED_NANOS) {
        long from = System.nanoTime();
        int calls = 0;
        long now;
        do {
          tier.run(call.kernel(), slots, 0, call.count());
          calls++;
          now = System.nanoTime();
        } while (now - from < 20_000_000L);
        double each = (double) (now - from) / calls;
        if (each < 0.95 * best) {
          improved = now;
        }
        best = Math.min(best, each);
      }
      return best;
    }
  }

  private static List<Case> cases() {
    List<Case> all = new ArrayList<>();
    String[] types = {"f32", "f16", "bf16", "f8", "i8", "i4"};
    for (int type = 0; type < types.length; type++) {
      int t = type;
      boolean small = type >= Kernels.F8;
      // 0.5 MiB of weights stay in the second-level cache, 64 MiB do not
      all.add(new Case("gemv cached " + types[t], "GB/s", b -> gemv(b, t, 2048, 1 << 19, small)));
      all.add(new Case("gemv memory " + types[t], "GB/s", b -> gemv(b, t, 2048, 1 << 26, small)));
    }
    all.add(new Case("gemv cached i8 unscaled", "GB/s", b -> gemv(b, 4, 2048, 1 << 19, false)));
    all.add(new Case("gemv memory bf16 k7168", "GB/s", b -> gemv(b, 2, 7168, 1 << 26, false)));
    for (int type = 0; type < types.length; type++) {
      int t = type;
      boolean small = type >= Kernels.F8;
      all.add(new Case("gemm m4 " + types[t], "GFLOP/s", b -> linear(b, t, 4, 2048, 512, small)));
      all.add(new Case("gemm m64 " + types[t], "GFLOP/s", b -> linear(b, t, 64, 2048, 96, small)));
    }
    all.add(new Case("head_matmul", "GFLOP/s", b -> head(b, 0)));
    all.add(new Case("head_matmul transposed", "GFLOP/s", b -> head(b, 1)));
    all.add(new Case("mla_decode bf16 ctx512", "GFLOP/s", KernelSpeed::decode));
    all.add(new Case("mla_prefill bf16 n128", "GFLOP/s", KernelSpeed::prefill));
    all.add(new Case("moe_gate_up bf16 t1", "GB/s", b -> gateUp(b)));
    all.add(new Case("moe_down bf16 t1", "GB/s", b -> down(b)));
    all.add(new Case("rmsnorm bf16", "GB/s", KernelSpeed::rmsNorm));
    all.add(new Case("swiglu", "Gelem/s", KernelSpeed::swiGlu));
    all.add(new Case("softmax", "Gelem/s", KernelSpeed::softmax));
    all.add(new Case("add", "GB/s", KernelSpeed::add));
    for (int type = 0; type < types.length; type++) {
      int t = type;
      all.add(new Case("dequant " + types[t], "Gelem/s", b -> dequant(b, t)));
    }
    all.add(new Case("read_bandwidth", "GB/s", KernelSpeed::read));
    return all;
  }

  /** Random weights, grouped by 32 with f16 scales if asked (f8: 128x128 f32). */
  private static long[] weights(Bench b, int type, long n, long k, boolean scaled) {
    long rowBytes = TestWeights.storedBytes(type, k);
    long data = b.bytes(n * rowBytes, 0);
    fill(data, n * k, type);
    if (!scaled) {
      return new long[] {data, rowBytes, type, 0, 0, 1, 1, 0, 0};
    }
    if (type == Kernels.F8) {
      long scales = b.bytes(4 * (n / 128 + 1) * (k / 128), 0);
      fill(scales, (n / 128 + 1) * (k / 128), Kernels.F32);
      return new long[] {data, rowBytes, type, scales, Kernels.SCALE_F32, 128, 128, k / 128, 0};
    }
    long scales = b.bytes(2 * n * (k / 32), 0);
    fill(scales, n * (k / 32), Kernels.F16);
    return new long[] {data, rowBytes, type, scales, Kernels.SCALE_F16, 1, 32, k / 32, 0};
  }

  /** F8 as checkpoints scale it: hardly any subnormals, which slow the arithmetic down. */
  private static void fill(long address, long n, int type) {
    try (Bench any = new Bench(KernelTiers.scalar())) {
      any.run(
          Kernels.FILL_RANDOM,
          Bench.slots(0, address, type, 1, type == Kernels.F8 ? 400.0 : 1.0),
          n);
    }
  }

  private static Call gemv(Bench b, int type, long k, long bytes, boolean scaled) {
    long n = bytes / TestWeights.storedBytes(type, k) / 24 * 24;
    Call call = linear(b, type, 1, k, n, scaled);
    return new Call(call.kernel(), call.slots(), n, n * TestWeights.storedBytes(type, k));
  }

  private static Call linear(Bench b, int type, long m, long k, long n, boolean scaled) {
    long[] w = weights(b, type, n, k, scaled);
    long[] slots = Bench.slots(0, b.randoms(m * k), k, m, n, k, b.floats(m * n), n, 0, 0, 0, w);
    return new Call(Kernels.LINEAR, slots, n, 2.0 * m * n * k);
  }

  private static Call head(Bench b, int transposed) {
    long heads = 4;
    long rows = 128;
    long c = 512;
    long[] w = weights(b, Kernels.BF16, heads * rows, c, false);
    long in = transposed == 1 ? rows : c;
    long out = transposed == 1 ? c : rows;
    long tokens = 8;
    long x = b.randoms(tokens * heads * in);
    long y = b.floats(tokens * heads * out);
    Object[] parts = {
      b.scratch,
      x,
      heads * in,
      in,
      tokens,
      heads,
      rows,
      c,
      y,
      heads * out,
      out,
      transposed,
      rows,
      0,
      1,
      w
    };
    return new Call(
        Kernels.HEAD_MATMUL, Bench.slots(parts), heads, 2.0 * heads * tokens * rows * c);
  }

  private static long ascending(Bench b, long n) {
    long at = b.bytes(4 * n, 0);
    for (int i = 0; i < n; i++) {
      Raw.i32(at + 4L * i, i);
    }
    return at;
  }

  private static Call decode(Bench b) {
    long heads = 16;
    long context = 512;
    long cache = b.bytes(context * 576 * 2, 0);
    fill(cache, context * 576, Kernels.BF16);
    Object[] parts = {
      b.scratch,
      b.randoms(heads * 576),
      heads * 576,
      576,
      heads,
      512,
      64,
      cache,
      1152,
      Kernels.BF16,
      ascending(b, context / 64),
      context / 64,
      64,
      b.ints(0),
      b.ints((int) context - 1),
      0.1,
      1,
      context,
      b.floats(heads * 514),
      1,
      b.floats(heads * 512),
      heads * 512,
      512
    };
    return new Call(Kernels.MLA_DECODE, Bench.slots(parts), 1, 2.0 * heads * context * (576 + 512));
  }

  private static Call prefill(Bench b) {
    long heads = 2;
    long n = 128;
    long cache = b.bytes(n * 576 * 2, 0);
    fill(cache, n * 576, Kernels.BF16);
    long[] kvb = weights(b, Kernels.BF16, heads * 256, 512, false);
    Object[] parts = {
      b.scratch,
      b.randoms(n * heads * 192),
      heads * 192,
      192,
      heads,
      128,
      64,
      128,
      512,
      cache,
      1152,
      Kernels.BF16,
      ascending(b, 2),
      2,
      64,
      b.ints(0, (int) n),
      0,
      ascending(b, n),
      0.1,
      b.floats(n * heads * 128),
      heads * 128,
      128,
      n,
      1,
      kvb
    };
    double work = 2.0 * heads * n * (256 * 512 + n / 2.0 * (192 + 128));
    return new Call(Kernels.MLA_PREFILL, Bench.slots(parts), heads, work);
  }

  /** Eight experts of [1408, 2048] with one token each. */
  private static long[] experts(Bench b, boolean down) {
    long table = b.bytes(8 * Kernels.EXPERT_WORDS * 8, 0);
    for (int e = 0; e < 8; e++) {
      long[] first = weights(b, Kernels.BF16, down ? 2048 : 1408, down ? 1408 : 2048, false);
      long[] second = down ? first : weights(b, Kernels.BF16, 1408, 2048, false);
      long[] words = {first[0], 0, second[0], 0, first[0], 0, 1408, 2 * 1408, 0};
      for (int i = 0; i < words.length; i++) {
        Raw.ALL.set(
            ValueLayout.JAVA_LONG_UNALIGNED, table + 8L * (e * Kernels.EXPERT_WORDS + i), words[i]);
      }
    }
    return new long[] {table};
  }

  private static Call gateUp(Bench b) {
    int block = 96;
    int blocks = (1408 + block - 1) / block;
    int[] tasks = new int[2 * 8 * blocks];
    for (int i = 0; i < 8 * blocks; i++) {
      tasks[2 * i] = i / blocks;
      tasks[2 * i + 1] = i % blocks;
    }
    Object[] parts = {
      b.scratch,
      b.randoms(2048),
      2048,
      2048,
      experts(b, false),
      b.ints(0, 1, 2, 3, 4, 5, 6, 7, 8),
      b.ints(new int[8]),
      b.ints(tasks),
      b.ints(8 * blocks),
      block,
      b.floats(8 * 1408),
      1408,
      Kernels.BF16,
      4096,
      0,
      1,
      1,
      0
    };
    return new Call(
        Kernels.MOE_GATE_UP, Bench.slots(parts), 8L * blocks, 8 * 2 * 1408.0 * 2048 * 2);
  }

  private static Call down(Bench b) {
    Object[] parts = {
      b.scratch,
      b.randoms(8 * 1408),
      1408,
      1,
      2048,
      experts(b, true),
      8,
      b.ints(0, 1, 2, 3, 4, 5, 6, 7, 8),
      b.ints(new int[8]),
      b.randoms(8),
      b.floats(2048),
      2048,
      0,
      0,
      Kernels.BF16,
      0,
      1,
      1
    };
    return new Call(Kernels.MOE_DOWN, Bench.slots(parts), 2048, 8 * 1408.0 * 2048 * 2);
  }

  private static Call rmsNorm(Bench b) {
    long[] w = weights(b, Kernels.BF16, 1, 2048, false);
    Object[] parts = {
      0,
      b.randoms(16 * 2048),
      2048,
      2048,
      b.floats(16 * 2048),
      2048,
      w[0],
      Kernels.BF16,
      1e-6,
      0,
      0,
      0,
      0
    };
    return new Call(Kernels.RMSNORM, Bench.slots(parts), 16, 16 * 2048 * 8.0);
  }

  private static Call swiGlu(Bench b) {
    long n = 4096;
    long[] slots = Bench.slots(0, b.randoms(n), n, b.randoms(n), n, b.floats(n), n, n);
    return new Call(Kernels.SWIGLU, slots, 1, n);
  }

  private static Call softmax(Bench b) {
    long n = 4096;
    long[] slots = Bench.slots(0, b.randoms(n), n, n, b.floats(n), n, 0, 1.0);
    return new Call(Kernels.SOFTMAX, slots, 1, n);
  }

  private static Call add(Bench b) {
    long n = 8192;
    long[] slots = Bench.slots(0, b.randoms(n), b.randoms(n), b.floats(n));
    return new Call(Kernels.ADD, slots, n, 12.0 * n);
  }

  private static Call dequant(Bench b, int type) {
    long[] w = weights(b, type, 16, 2048, type >= Kernels.F8);
    long[] slots = Bench.slots(0, 0, 2048, b.floats(16 * 2048), 2048, w);
    return new Call(Kernels.DEQUANT, slots, 16, 16 * 2048.0);
  }

  private static Call read(Bench b) {
    long bytes = 1 << 26;
    return new Call(
        Kernels.READ_BANDWIDTH, Bench.slots(b.scratch, b.randoms(bytes / 4)), bytes / 64, bytes);
  }
}
