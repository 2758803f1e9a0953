package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * MlaExpandedAttention: tokens are cut into runs of one sequence with ascending positions when the
 * command executes; a head of a run is one task, unless there are fewer of them than threads.
 */
final class MlaPrefill implements BoundOperator {
  private static final long LARGEST_BLOCK = 16384;

  private final int threads;
  private final long tokens;
  private final long heads;
  private final PagedContext context;
  private final Slots slots;
  private final Tensor output;
  private final long starts;
  private final long rows;
  private final double flopsPerToken;

  private MlaPrefill(
      CpuDevice device,
      MlaExpandedAttention spec,
      List<TensorType> types,
      Tensor[] t,
      long workspace) {
    TensorType q = types.get(0);
    TensorType cache = types.get(1);
    TensorType out = types.get(6);
    threads = device.workers().threads();
    tokens = q.dim(0);
    heads = q.dim(1);
    long latent = types.get(5).dim(1);
    flopsPerToken = 2.0 * latent * (spec.nopeDim() + spec.valueDim());
    context = new PagedContext("MlaExpandedAttention", t[1], t[2], t[3], t[4], spec.blockSize());
    output = t[6];
    starts = workspace;
    rows = workspace + Linears.align(4 * (tokens + 1));
    slots = new Slots(device.pool());
    slots.put(1, t[0]).put(2, q.strides().stride(0)).put(3, q.strides().stride(1)).put(4, heads);
    slots.put(5, spec.nopeDim()).put(6, q.dim(2) - spec.nopeDim()).put(7, spec.valueDim());
    slots.put(8, latent).put(9, t[1]).put(10, CpuTypes.rowStrideBytes(cache));
    slots.put(11, CpuTypes.weightType(cache.dtype())).put(12, t[2]).put(13, t[2].dim(1));
    slots.put(14, spec.blockSize()).put(15, starts).put(16, rows).put(17, t[4]);
    slots.put(18, spec.scale()).put(19, t[6]).put(20, out.strides().stride(0));
    slots.put(21, out.strides().stride(1)).weight(24, t[5], device.compute());
  }

  static Support support(CpuDevice device, MlaExpandedAttention spec, List<TensorType> types) {
    TensorType q = types.get(0);
    TensorType cache = types.get(1);
    long perHead = q.dim(2) + spec.valueDim();
    return new Limits(spec, types)
        .that(q.dim(2) > spec.nopeDim(), "shape", "the kernel wants a rotated part")
        .that(cache.dim(1) <= 4096, "shape", "cache rows of " + cache.dim(1) + " exceed 4096")
        .that(
            perHead <= 1024,
            "shape",
            "query and value dims of a head, " + perHead + ", exceed 1024")
        .adjacent(0, 1, 6)
        .dense(2, 3, 4)
        .weight(5)
        .verdict(device.tier().name() + " MLA_PREFILL");
  }

  static CpuPlan plan(CpuDevice device, MlaExpandedAttention spec, List<TensorType> types) {
    long tokens = types.getFirst().dim(0);
    return new CpuPlan(
        device.tier().name() + " MLA_PREFILL " + device.compute().describe(types.get(5)),
        Linears.align(4 * (tokens + 1)) + 4 * tokens,
        (t, w) -> new MlaPrefill(device, spec, types, t, w));
  }

  @Override
  public void enqueue(BackendStream stream) {
    long longestContext = context.longest();
    int runs = 0;
    long longestRun = 0;
    long start = 0;
    for (long t = 0; t < tokens; t++) {
      if (t == 0 || breaks(t)) {
        Raw.i32(starts + 4L * runs, (int) t);
        Raw.i32(rows + 4L * runs, context.sequence(t));
        longestRun = Math.max(longestRun, t - start);
        start = t;
        runs++;
      }
    }
    Raw.i32(starts + 4L * runs, (int) tokens);
    longestRun = Math.max(longestRun, tokens - start);
    long parts = Math.max(1, Math.ceilDiv(2L * threads, runs * heads));
    long block =
        Math.clamp(Math.ceilDiv(Math.ceilDiv(longestRun, parts), 16) * 16, 16, LARGEST_BLOCK);
    long blocks = Math.ceilDiv(longestRun, block);
    slots.put(22, block).put(23, blocks);
    long tasks = runs * heads * blocks;
    double perTask = Chunks.flopBytes(flopsPerToken * longestContext);
    ((CpuStream) stream)
        .kernel(Kernels.MLA_PREFILL, slots, tasks, Chunks.of(tasks, 1, perTask, threads));
    context.clearBlind(output);
  }

  /** Whether a run ends before token {@code t}. */
  private boolean breaks(long t) {
    return context.sequence(t) != context.sequence(t - 1)
        || context.position(t) <= context.position(t - 1);
  }

  @Override
  public void close() {
    slots.free();
  }
}
