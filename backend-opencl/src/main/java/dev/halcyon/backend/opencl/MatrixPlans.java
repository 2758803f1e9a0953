package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Plans of matrix products: kernels/matmul.cl, linear.cl, head.cl. */
final class MatrixPlans extends PlanFamily {
  /** Bytes of x that stay in a core's cache while a chunk of weights passes. */
  private static final long CACHED_BYTES = 384 << 10;

  private static final long MATMUL_BLOCK = 64;

  MatrixPlans(OpenClDevice device) {
    super(device);
  }

  /** Tokens of a tile for {@code tokens} tokens in all. */
  int tokenTile(long tokens) {
    return tokens >= 2 ? profile.tokenTile() : 1;
  }

  /** Weight rows of a tile: more where one token leaves room. */
  int rowTile(int tokenTile) {
    return profile.rowTile();
  }

  /** The tile's defines. */
  String tile(int tokens) {
    return " -DMT=" + tokens + " -DNT=" + rowTile(tokens);
  }

  /** Weight rows a group takes, given how many groups other axes make. */
  long rowChunk(long rows, long otherGroups, int tile) {
    long wanted = Math.max(1, Math.ceilDiv(profile.groups(), Math.max(1, otherGroups)));
    return profile.lanes() > 1 ? tile : OpenClProfile.chunk(rows, wanted, tile);
  }

  /** Tokens of {@code depth} numbers each that a group takes. */
  long tokenBlock(long tokens, long depth, int tile) {
    if (profile.lanes() > 1) {
      return tile;
    }
    long fitting = Math.max(tile, CACHED_BYTES / Math.max(1, 4 * depth) / tile * tile);
    return Math.min(fitting, Math.max(1, tokens));
  }

  OperatorPlan matMul(List<TensorType> t) {
    TensorType a = t.get(0);
    TensorType b = t.get(1);
    TensorType out = t.get(2);
    if (out.elementCount() == 0) {
      return nothing("matmul");
    }
    int batchRank = out.rank() - 2;
    long[] batchDims = Arrays.copyOf(out.shape().dims(), batchRank);
    IndexSpace s =
        IndexSpace.merged(
            batchDims,
            Arrays.copyOf(a.strides().toArray(), batchRank),
            Arrays.copyOf(b.strides().toArray(), batchRank),
            Arrays.copyOf(out.strides().toArray(), batchRank));
    long m = out.dim(-2);
    long n = out.dim(-1);
    long k = a.dim(-1);
    long bn = stride(b, -1);
    boolean kAdjacent = stride(a, -1) == 1 && stride(b, -2) == 1;
    int mode =
        kAdjacent && k >= profile.vectorWidth() ? 1 : bn == 1 && n >= profile.vectorWidth() ? 2 : 0;
    int tile = tokenTile(m);
    String defines =
        "-DTA="
            + OpenClTypes.code(a.dtype())
            + " -DTB="
            + OpenClTypes.code(b.dtype())
            + " -DMODE="
            + mode
            + tile(tile);
    long batches = s.total();
    long block = Math.min(m, mode == 0 && profile.lanes() > 1 ? 1 : MATMUL_BLOCK);
    long blocks = Math.ceilDiv(m, block);
    long step = mode == 1 ? profile.rowTile() : (long) profile.vectorWidth() * profile.lanes();
    long wanted = Math.max(1, profile.groups() / (batches * blocks));
    long chunk = OpenClProfile.chunk(n, wanted, step);
    return plan(
        "matmul",
        kernel(OpenClPrograms.Key.of("matmul", defines), "matmul")
            .operand(0)
            .operand(1)
            .operand(2)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .vector(s.strides(2))
            .ints(s.rank(), m, n, k)
            .longs(
                stride(a, -2), stride(a, -1), stride(b, -2), bn, stride(out, -2), stride(out, -1))
            .ints(chunk, block)
            .groups(Math.ceilDiv(n, chunk), blocks, batches));
  }

  OperatorPlan linear(Linear spec, List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType w = t.get(1);
    TensorType out = t.getLast();
    if (out.elementCount() == 0) {
      return nothing("linear");
    }
    KernelCall.Builder k = product(x.dim(0), w).operand(0).weight(1, w);
    int added = spec.epilogue() == Epilogue.NONE ? t.size() - 1 : 2;
    epilogue(k, spec.epilogue(), added, t.get(added)).operand(t.size() - 1);
    return plan(
        "linear",
        geometry(
            k,
            x.dim(0),
            w.dim(0),
            w.dim(1),
            stride(x, 0),
            0,
            stride(w, 0),
            w.dim(0),
            0,
            stride(out, 0),
            0,
            1));
  }

  /** A kernel {@code linear} for a weight. */
  KernelCall.Builder product(long tokens, TensorType weight) {
    String defines = KernelCall.weightDefines(weight, profile) + tile(tokenTile(tokens));
    return kernel(OpenClPrograms.Key.of("linear", defines, "weights", "tile"), "linear");
  }

  /** Parameters of what is added; without an epilogue any operand stands in. */
  static KernelCall.Builder epilogue(
      KernelCall.Builder k, Epilogue epilogue, int operand, TensorType type) {
    return k.operand(operand).longs(stride(type, 0)).ints(epilogue.ordinal());
  }

  /** The last parameters of kernel {@code linear}. */
  KernelCall.Builder geometry(
      KernelCall.Builder k,
      long tokens,
      long rows,
      long depth,
      long xt,
      long xh,
      long wr,
      long rowsPerHead,
      long rowOffset,
      long ot,
      long oh,
      long heads) {
    int tile = tokenTile(tokens);
    long block = tokenBlock(tokens, depth, tile);
    long blocks = Math.ceilDiv(tokens, block);
    long chunk = rowChunk(rows, heads * blocks, rowTile(tile));
    return k.ints(tokens, rows, depth)
        .longs(xt, xh, wr)
        .ints(rowsPerHead, rowOffset)
        .longs(ot, oh)
        .ints(chunk, block)
        .groups(Math.ceilDiv(rows, chunk), heads, blocks);
  }

  OperatorPlan headMatMul(HeadMatMul spec, List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType w = t.get(1);
    TensorType out = t.get(2);
    if (out.elementCount() == 0) {
      return nothing("head_matmul");
    }
    long tokens = x.dim(0);
    long heads = x.dim(1);
    if (spec.orientation() == HeadMatMul.Orientation.ROWS_OUT) {
      KernelCall.Builder k = product(tokens, w).operand(0).weight(1, w);
      epilogue(k, Epilogue.NONE, 2, out).operand(2);
      return plan(
          "linear per head",
          geometry(
              k,
              tokens,
              spec.rows(),
              w.dim(1),
              stride(x, 0),
              stride(x, 1),
              stride(w, 0),
              spec.rowsPerHead(),
              spec.rowOffset(),
              stride(out, 0),
              stride(out, 1),
              heads));
    }
    int tile = tokenTile(tokens);
    String defines = KernelCall.weightDefines(w, profile) + " -DMT=" + tile;
    long block = tokenBlock(tokens, spec.rows(), tile);
    long blocks = Math.ceilDiv(tokens, block);
    long step = (long) profile.vectorWidth() * profile.lanes();
    long columns = w.dim(1);
    long chunk =
        OpenClProfile.chunk(columns, Math.max(1, profile.groups() / (heads * blocks)), step);
    return plan(
        "head_rows_in",
        kernel(OpenClPrograms.Key.of("head", defines, "weights"), "head_rows_in")
            .operand(0)
            .weight(1, w)
            .operand(2)
            .ints(tokens, spec.rows(), columns)
            .longs(stride(x, 0), stride(x, 1), stride(w, 0))
            .ints(spec.rowsPerHead(), spec.rowOffset())
            .longs(stride(out, 0), stride(out, 1))
            .ints(chunk, block)
            .groups(Math.ceilDiv(columns, chunk), heads, blocks));
  }

  OperatorPlan gatedMlp(GatedMlp spec, List<TensorType> t) {
    TensorType out = t.getLast();
    if (out.elementCount() == 0) {
      return nothing("gated_mlp");
    }
    int last = t.size() - 1;
    int residual = spec.epilogue() == Epilogue.RESIDUAL ? 4 : -1;
    List<KernelCall.Builder> calls = new ArrayList<>();
    appendMlp(calls, t, 0, 1, residual, last, 0);
    return plan("gate_up, linear", mlpBytes(t.get(0).dim(0), t.get(1).dim(0)), calls);
  }

  static long mlpBytes(long tokens, long inter) {
    return align(Math.max(1, tokens * inter * 4));
  }

  /**
   * Adds a gated feed-forward block.
   *
   * @param x operand number of x; gate, up and down are {@code gate}, {@code gate + 1}, {@code gate
   *     + 2}
   * @param residual operand number, or -1
   * @param offset where {@link #mlpBytes} of workspace begin
   */
  void appendMlp(
      List<KernelCall.Builder> calls,
      List<TensorType> t,
      int x,
      int gate,
      int residual,
      int out,
      long offset) {
    TensorType xt = t.get(x);
    TensorType g = t.get(gate);
    TensorType u = t.get(gate + 1);
    TensorType down = t.get(gate + 2);
    long tokens = xt.dim(0);
    long inter = g.dim(0);
    int tile = tokenTile(tokens);
    if (inter > 0) {
      long block = tokenBlock(tokens, g.dim(1), tile);
      long blocks = Math.ceilDiv(tokens, block);
      int rows = rowTile(tile) / 2;
      long chunk = rowChunk(inter, blocks, rows);
      String defines = pairDefines(g, u) + tile(tile);
      calls.add(
          kernel(OpenClPrograms.Key.of("linear", defines, "weights", "tile"), "gate_up")
              .operand(x)
              .weight(gate, g)
              .weight(gate + 1, u)
              .workspace(offset)
              .ints(tokens, inter, g.dim(1))
              .longs(stride(xt, 0), stride(g, 0), stride(u, 0), inter)
              .ints(chunk, block)
              .groups(Math.ceilDiv(inter, chunk), 1, blocks));
    }
    Epilogue epilogue = residual < 0 ? Epilogue.NONE : Epilogue.RESIDUAL;
    KernelCall.Builder k = product(tokens, down).workspace(offset).weight(gate + 2, down);
    int added = residual < 0 ? out : residual;
    epilogue(k, epilogue, added, t.get(added)).operand(out);
    calls.add(
        geometry(
            k,
            tokens,
            down.dim(0),
            inter,
            inter,
            0,
            stride(down, 0),
            down.dim(0),
            0,
            stride(t.get(out), 0),
            0,
            1));
  }

  /** Defines for two weights of one storage read by one kernel. */
  String pairDefines(TensorType a, TensorType b) {
    String one = KernelCall.weightDefines(a, profile);
    String two = KernelCall.weightDefines(b, profile);
    return one.equals(two) ? one : one.replace("-DWVEC=1", "-DWVEC=0");
  }
}
