package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;

/** Plans of latent attention: kernels/mla.cl, expanded.cl. */
final class AttentionPlans extends PlanFamily {
  /** Heads that share each cache row read, and cache rows of a step. */
  private static final int HEADS = 8;

  private static final int ROWS = 64;

  /** Tokens of a tile and keys of a step in the expanded form. */
  private static final int TOKENS = 8;

  private static final int KEYS = 64;
  private static final long EXPANDED_BYTES = 64L << 20;

  private final MatrixPlans matrices;

  AttentionPlans(OpenClDevice device) {
    super(device);
    this.matrices = new MatrixPlans(device);
  }

  OperatorPlan mla(MlaAttention spec, List<TensorType> t) {
    TensorType q = t.get(0);
    TensorType cache = t.get(1);
    TensorType table = t.get(2);
    TensorType out = t.get(5);
    if (out.elementCount() == 0) {
      return nothing("mla_split");
    }
    long tokens = q.dim(0);
    long heads = q.dim(1);
    long latent = spec.latentDim();
    long capacity = table.dim(1) * spec.blockSize();
    long headGroups = Math.ceilDiv(heads, HEADS);
    long splits =
        Math.clamp(
            profile.groups() / (tokens * headGroups), 1, Math.max(1, Math.ceilDiv(capacity, ROWS)));
    String defines =
        "-DSPLIT_PASS -DCD="
            + OpenClTypes.code(cache.dtype())
            + " -DHB="
            + HEADS
            + " -DROWS="
            + ROWS;
    OpenClPrograms.Key program = OpenClPrograms.Key.of("mla", defines);
    long bytes = align(tokens * splits * heads * (latent + 2) * 4);
    long chunk = profile.lanes() > 1 ? 1 : OpenClProfile.chunk(heads, Math.max(1, 8 / tokens), 1);
    return plan(
        "mla_split, mla_combine",
        bytes,
        List.of(
            kernel(program, "mla_split")
                .operand(0)
                .operand(1)
                .operand(2)
                .operand(3)
                .operand(4)
                .workspace(0)
                .ints(heads, latent, q.dim(2) - latent)
                .longs(stride(q, 0), stride(q, 1), cache.strides().stride(0))
                .longs(stride(table, 0), stride(table, 1), stride(t.get(3), 0), stride(t.get(4), 0))
                .ints(spec.blockSize(), table.dim(1), splits)
                .real(spec.scale())
                .longs(cache.dim(0))
                .ints(table.dim(0))
                .groups(splits, headGroups, tokens),
            kernel(program, "mla_combine")
                .workspace(0)
                .operand(5)
                .ints(heads, latent, splits)
                .longs(stride(out, 0), stride(out, 1))
                .ints(chunk)
                .groups(Math.ceilDiv(heads, chunk), tokens, 1)));
  }

  OperatorPlan expanded(MlaExpandedAttention spec, List<TensorType> t) {
    TensorType q = t.get(0);
    TensorType cache = t.get(1);
    TensorType table = t.get(2);
    TensorType weight = t.get(5);
    TensorType out = t.get(6);
    if (out.elementCount() == 0) {
      return nothing("attend");
    }
    long tokens = q.dim(0);
    long heads = q.dim(1);
    long latent = weight.dim(1);
    long width = cache.dim(1);
    long rope = width - latent;
    long perHead = spec.nopeDim() + spec.valueDim();
    long sequences = table.dim(0);
    long span = table.dim(1) * spec.blockSize();
    long rowBytes = sequences * heads * perHead * 4;
    long run =
        Math.clamp(
            EXPANDED_BYTES / rowBytes / KEYS * KEYS,
            KEYS,
            Math.ceilDiv(Math.max(1, span), KEYS) * KEYS);
    long lens = 0;
    long state = lens + align(sequences * 4);
    long rows = state + align(tokens * heads * 8);
    long kv = rows + align(sequences * run * width * 4);
    long bytes = kv + align(run * rowBytes);
    String cacheType = " -DCD=" + OpenClTypes.code(cache.dtype());
    OpenClPrograms.Key prepare = OpenClPrograms.Key.of("expanded", "-DPREPARE" + cacheType);
    int tile = profile.tokenTile();
    OpenClPrograms.Key expand =
        OpenClPrograms.Key.of(
            "expanded",
            "-DEXPAND"
                + cacheType
                + " "
                + KernelCall.weightDefines(weight, profile)
                + matrices.tile(tile),
            "weights",
            "tile");
    OpenClPrograms.Key attend =
        OpenClPrograms.Key.of(
            "expanded", "-DATTEND" + cacheType + " -DTQ=" + TOKENS + " -DKB=" + KEYS);
    List<KernelCall.Builder> calls = new ArrayList<>();
    calls.add(
        kernel(prepare, "lengths")
            .operand(3)
            .operand(4)
            .workspace(lens)
            .ints(tokens)
            .longs(stride(t.get(3), 0), stride(t.get(4), 0))
            .exactly(sequences));
    long gatherChunk = profile.lanes() > 1 ? 1 : Math.max(16, Math.ceilDiv(run, profile.groups()));
    long block = profile.lanes() > 1 ? tile : 64;
    long expandedRows = heads * perHead;
    long weightChunk =
        matrices.rowChunk(
            expandedRows,
            Math.ceilDiv(Math.min(run, tokens), block) * sequences,
            matrices.rowTile(tile));
    for (long p0 = 0; p0 == 0 || p0 < span; p0 += run) {
      calls.add(
          kernel(prepare, "latents")
              .operand(1)
              .operand(2)
              .workspace(lens)
              .workspace(rows)
              .ints(width)
              .longs(cache.strides().stride(0), stride(table, 0), stride(table, 1))
              .ints(spec.blockSize(), span, p0, run, gatherChunk)
              .longs(cache.dim(0))
              .groups(Math.ceilDiv(run, gatherChunk), sequences, 1));
      calls.add(
          kernel(expand, "expand")
              .workspace(rows)
              .workspace(lens)
              .weight(5, weight)
              .workspace(kv)
              .ints(expandedRows, latent, width)
              .longs(stride(weight, 0))
              .ints(span, p0, run, weightChunk, block)
              .groups(
                  Math.ceilDiv(expandedRows, weightChunk), sequences, Math.ceilDiv(run, block)));
      calls.add(
          kernel(attend, "attend")
              .operand(0)
              .workspace(kv)
              .workspace(rows)
              .operand(3)
              .operand(4)
              .workspace(state)
              .operand(6)
              .ints(tokens, heads, spec.nopeDim(), rope, spec.valueDim(), latent)
              .longs(stride(q, 0), stride(q, 1), stride(t.get(3), 0), stride(t.get(4), 0))
              .longs(stride(out, 0), stride(out, 1))
              .ints(span, p0, run, p0 + run >= span ? 1 : 0)
              .real(spec.scale())
              .ints(sequences)
              .groups(Math.ceilDiv(tokens, TOKENS), heads, 1));
    }
    return plan("expand, attend", bytes, calls);
  }
}
