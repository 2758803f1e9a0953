package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * MlaAttention: a long context of a token is cut into splits that threads work on independently,
 * then merged; a short one is cut by heads, which leaves nothing to merge but decodes the cache
 * once for each part. How many depends on the longest context, known when the command executes; the
 * workspace holds the most there can be, for a bounded number of tokens at a time.
 */
final class MlaDecode implements BoundOperator {
  /** Positions a split has at least. */
  private static final long SPLIT = 32;

  /** Contexts below are not split: up to here decoding the cache for each part is cheaper. */
  private static final long SHORT = 256;

  /** Heads a part of them has at least, the height of a register tile. */
  private static final long HEADS = 4;

  /** A task of fewer operations is not worth handing over to another thread. */
  private static final double SMALLEST_TASK = 100e3;

  private static final long WORKSPACE = 64 << 20;
  private static final int PER_THREAD = 4;

  private record Form(
      int threads, long tokens, long heads, long latent, long rope, long maxSplits, long batch) {}

  private final Form f;
  private final PagedContext context;
  private final Slots decode;
  private final Slots merge;
  private final long q;
  private final long qStride;
  private final Tensor output;
  private final long out;
  private final long outStride;
  private final long sequence;
  private final long positions;

  private MlaDecode(CpuDevice device, MlaAttention spec, Form form, Tensor[] t, long workspace) {
    f = form;
    context = new PagedContext("MlaAttention", t[1], t[2], t[3], t[4], spec.blockSize());
    q = CpuTypes.address(t[0]);
    qStride = t[0].type().strides().stride(0);
    output = t[5];
    out = CpuTypes.address(output);
    outStride = t[5].type().strides().stride(0);
    sequence = CpuTypes.address(t[3]);
    positions = CpuTypes.address(t[4]);
    decode = new Slots(device.pool());
    decode.put(2, qStride).put(3, t[0].type().strides().stride(1)).put(4, f.heads);
    decode.put(5, f.latent).put(6, f.rope).put(7, t[1]);
    decode.put(8, CpuTypes.rowStrideBytes(t[1].type()));
    decode.put(9, CpuTypes.weightType(t[1].dtype())).put(10, t[2]).put(11, t[2].dim(1));
    decode.put(12, spec.blockSize()).put(15, spec.scale()).put(18, workspace);
    decode.put(21, outStride).put(22, t[5].type().strides().stride(1));
    merge = new Slots(device.pool());
    merge.put(1, workspace).put(3, f.heads).put(4, f.latent).put(6, outStride);
    merge.put(7, t[5].type().strides().stride(1));
  }

  static Support support(CpuDevice device, MlaAttention spec, List<TensorType> types) {
    TensorType q = types.getFirst();
    return new Limits(spec, types)
        .that(q.dim(2) > spec.latentDim(), "shape", "the kernel wants a rotated part")
        .that(q.dim(2) <= 8192, "shape", "cache rows of " + q.dim(2) + " exceed 8192")
        .adjacent(0, 1, 5)
        .dense(2, 3, 4)
        .verdict(device.tier().name() + " MLA_DECODE");
  }

  static CpuPlan plan(CpuDevice device, MlaAttention spec, List<TensorType> types) {
    TensorType q = types.getFirst();
    long tokens = q.dim(0);
    long heads = q.dim(1);
    long latent = spec.latentDim();
    int threads = device.workers().threads();
    long capacity = types.get(2).dim(1) * spec.blockSize();
    long perToken =
        Math.clamp(
            Math.ceilDiv((long) PER_THREAD * threads, tokens), 1, Math.ceilDiv(capacity, SPLIT));
    long partial = 4 * (heads * latent + 2 * heads);
    long batch = Math.clamp(WORKSPACE / (partial * perToken), 1, tokens);
    Form form = new Form(threads, tokens, heads, latent, q.dim(2) - latent, perToken, batch);
    return new CpuPlan(
        device.tier().name() + " MLA_DECODE, MLA_MERGE",
        batch * perToken * partial,
        (t, w) -> new MlaDecode(device, spec, form, t, w));
  }

  @Override
  public void enqueue(BackendStream stream) {
    CpuStream s = (CpuStream) stream;
    long longest = Math.max(1, context.longest());
    long splits = longest < SHORT ? 1 : Math.min(f.maxSplits, Math.ceilDiv(longest, SPLIT));
    // whole multiples of the smallest split, so that few of them straddle blocks
    long length = Math.ceilDiv(Math.ceilDiv(longest, splits), SPLIT) * SPLIT;
    splits = Math.ceilDiv(longest, length);
    double flops = 2.0 * f.heads * (2 * f.latent + f.rope) * Math.min(length, longest);
    long parts = parts(splits, flops);
    decode.put(16, splits).put(17, length).put(19, parts);
    merge.put(2, splits);
    for (long at = 0; at < f.tokens; at += f.batch) {
      long count = Math.min(f.batch, f.tokens - at);
      decode.put(1, q + 4 * at * qStride).put(13, sequence + 4 * at).put(14, positions + 4 * at);
      decode.put(20, out + 4 * at * outStride);
      long tasks = count * splits * parts;
      double smallest = Math.ceil(SMALLEST_TASK * parts / flops);
      long chunk = (long) Math.max(smallest, tasks / (PER_THREAD * (long) f.threads));
      s.kernel(Kernels.MLA_DECODE, decode, tasks, chunk);
      if (splits > 1) {
        merge.put(5, out + 4 * at * outStride);
        long rows = count * f.heads;
        s.kernel(
            Kernels.MLA_MERGE, merge, rows, Chunks.of(rows, 1, 4.0 * splits * f.latent, f.threads));
      }
    }
    context.clearBlind(output);
  }

  /** Parts of the heads: several tasks for each thread, if tokens and splits are too few for it. */
  private long parts(long splits, double flops) {
    long wanted = Math.ceilDiv((long) PER_THREAD * f.threads, Math.min(f.batch, f.tokens) * splits);
    long worth = (long) (flops / SMALLEST_TASK);
    return Math.clamp(Math.min(wanted, worth), 1, Math.ceilDiv(f.heads, HEADS));
  }

  @Override
  public void close() {
    decode.free();
    merge.free();
  }
}
