package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Plans of mixtures of experts: kernels/moe.cl, experts.cl. */
final class MoePlans extends PlanFamily {
  private final MatrixPlans matrices;

  MoePlans(OpenClDevice device, MatrixPlans matrices) {
    super(device);
    this.matrices = matrices;
  }

  /** What the fused feed-forward needs of its weights. */
  static Optional<Support.Unsupported> limit(MoeFfn spec, List<TensorType> t) {
    Optional<Support.Unsupported> routed = OpenClOperators.sameWeights(t, 3, 4);
    if (spec.shared() == MoeFfn.Shared.NONE) {
      return routed;
    }
    return routed.or(() -> OpenClOperators.sameWeights(t, 6, 7));
  }

  OperatorPlan gating(MoeGating s, List<TensorType> t) {
    TensorType logits = t.get(0);
    TensorType weights = t.get(t.size() - 2);
    TensorType ids = t.getLast();
    if (ids.elementCount() == 0) {
      return nothing("gating");
    }
    boolean biased = s.choice() == MoeGating.Choice.BIASED;
    String defines =
        "-DGATING -DE="
            + logits.dim(1)
            + " -DG="
            + s.groups()
            + " -DGK="
            + s.groupTopK()
            + " -DTOPK="
            + s.topK()
            + " -DSUM2="
            + s.groupRule().ordinal()
            + " -DSIGMOID="
            + s.scoring().ordinal()
            + " -DBIAS="
            + (biased ? 1 : 0)
            + " -DNORMALIZE="
            + s.normalization().ordinal();
    KernelCall.Builder k = kernel(OpenClPrograms.Key.of("moe", defines), "gating").operand(0);
    if (biased) {
      k.operand(1).longs(stride(t.get(1), 0));
    }
    return plan(
        "gating",
        k.operand(t.size() - 2)
            .operand(t.size() - 1)
            .ints(logits.dim(0))
            .longs(stride(logits, 0), stride(logits, 1))
            .longs(stride(weights, 0), stride(weights, 1), stride(ids, 0), stride(ids, 1))
            .real(s.scale())
            .items(logits.dim(0), 1));
  }

  OperatorPlan dispatch(MoeDispatch s, List<TensorType> t) {
    KernelCall.Builder k =
        kernel(program("-DDISPATCH"), "dispatch").operand(0).operand(1).operand(2);
    return plan(
        "dispatch", dispatch(k, t.get(0), s.experts(), stride(t.get(1), 0), stride(t.get(2), 0)));
  }

  private static KernelCall.Builder dispatch(
      KernelCall.Builder k, TensorType ids, long experts, long offsetStride, long slotStride) {
    return k.ints(ids.dim(0), ids.dim(1), experts)
        .longs(stride(ids, 0), stride(ids, 1), offsetStride, slotStride)
        .exactly(1);
  }

  private static OpenClPrograms.Key program(String defines) {
    return OpenClPrograms.Key.of("moe", defines);
  }

  OperatorPlan combine(MoeCombine s, List<TensorType> t) {
    TensorType h = t.get(0);
    TensorType weights = t.get(2);
    TensorType out = t.getLast();
    if (out.elementCount() == 0) {
      return nothing("combine");
    }
    long rows = h.dim(0);
    List<KernelCall.Builder> calls = new ArrayList<>();
    KernelCall.Builder k =
        kernel(program("-DCOMBINE"), "combine").operand(0).workspace(0).operand(2);
    MatrixPlans.epilogue(k, s.epilogue(), 3, t.get(3));
    if (rows > 0) {
      calls.add(
          inverse(
              kernel(program("-DCOMBINE"), "inverse").operand(1), rows, stride(t.get(1), 0), 0));
    }
    calls.add(combine(k.operand(t.size() - 1), weights, out, stride(h, 0)));
    return plan("combine", align(Math.max(1, rows) * 4), calls);
  }

  private static KernelCall.Builder inverse(
      KernelCall.Builder k, long rows, long stride, long target) {
    return k.workspace(target).ints(rows).longs(stride).items(rows, 1);
  }

  private KernelCall.Builder combine(
      KernelCall.Builder k, TensorType weights, TensorType out, long rowStride) {
    long tokens = out.dim(0);
    long step = (long) profile.vectorWidth() * profile.lanes();
    long chunk = OpenClProfile.chunk(out.dim(1), Math.max(1, profile.groups() / tokens), step);
    return k.ints(tokens, weights.dim(1), out.dim(1))
        .longs(rowStride, stride(weights, 0), stride(weights, 1), stride(out, 0))
        .ints(chunk)
        .groups(Math.ceilDiv(out.dim(1), chunk), tokens, 1);
  }

  OperatorPlan grouped(List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType w = t.get(2);
    TensorType out = t.get(3);
    if (out.elementCount() == 0) {
      return nothing("grouped");
    }
    return plan(
        "grouped",
        groupedProduct(
            kernel(groupedProgram(w), "grouped").operand(0).operand(1).weight(2, w).operand(3),
            x.dim(0),
            stride(x, 0),
            stride(t.get(1), 0),
            w,
            stride(out, 0)));
  }

  private OpenClPrograms.Key groupedProgram(TensorType w) {
    return experts(
        "-DGROUPED " + KernelCall.weightDefines(w, profile) + matrices.tile(profile.tokenTile()));
  }

  private static OpenClPrograms.Key experts(String defines) {
    return OpenClPrograms.Key.of("experts", defines, "weights", "tile");
  }

  private KernelCall.Builder groupedProduct(
      KernelCall.Builder k, long rows, long xt, long offsetStride, TensorType w, long ot) {
    long chunk = matrices.rowChunk(w.dim(1), w.dim(0), profile.rowTile());
    return k.ints(w.dim(1), w.dim(2), rows)
        .longs(xt, offsetStride, stride(w, 0), stride(w, 1), ot)
        .ints(chunk)
        .groups(Math.ceilDiv(w.dim(1), chunk), w.dim(0), 1);
  }

  OperatorPlan ffn(MoeFfn spec, List<TensorType> t) {
    TensorType ids = t.get(2);
    if (t.getLast().elementCount() == 0) {
      return nothing("moe_ffn");
    }
    boolean oneStorage =
        spec.shared() == MoeFfn.Shared.NONE
            || OpenClOperators.sameWeights(t, 3, 6).isEmpty()
                && OpenClOperators.sameWeights(t, 5, 8).isEmpty();
    boolean few = ids.elementCount() <= Math.max(t.get(3).dim(0), ids.dim(1));
    return few && oneStorage && t.get(3).dim(1) > 0 ? fewTokens(spec, t) : manyTokens(spec, t);
  }

  /** Two launches; each token reads its own experts. */
  private OperatorPlan fewTokens(MoeFfn spec, List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType weights = t.get(1);
    TensorType ids = t.get(2);
    TensorType gate = t.get(3);
    TensorType up = t.get(4);
    TensorType down = t.get(5);
    TensorType out = t.getLast();
    boolean shared = spec.shared() == MoeFfn.Shared.SHARED;
    boolean residual = spec.epilogue() == Epilogue.RESIDUAL;
    long tokens = x.dim(0);
    long hidden = x.dim(1);
    long k = ids.dim(1);
    long inter = gate.dim(1);
    long wide = shared ? t.get(6).dim(0) : 0;
    long width = k * inter + wide;
    String common = " -DSHARED=" + (shared ? 1 : 0) + matrices.tile(1);
    String gateDefines = matrices.pairDefines(gate, up);
    String downDefines = KernelCall.weightDefines(down, profile);
    if (shared) {
      gateDefines = weakest(gateDefines, matrices.pairDefines(t.get(6), t.get(7)));
      downDefines = weakest(downDefines, KernelCall.weightDefines(t.get(8), profile));
    }
    KernelCall.Builder first =
        kernel(experts("-DDECODE " + gateDefines + common), "moe_gate_up")
            .operand(0)
            .operand(2)
            .weight(3, gate)
            .weight(4, up);
    if (shared) {
      first
          .weight(6, t.get(6))
          .weight(7, t.get(7))
          .longs(stride(t.get(6), 0), stride(t.get(7), 0))
          .ints(wide);
    }
    int rows = matrices.rowTile(1);
    long chunk = matrices.rowChunk(width, tokens, rows / 2);
    first
        .workspace(0)
        .ints(k, inter, hidden, gate.dim(0))
        .longs(stride(x, 0), stride(ids, 0), stride(ids, 1))
        .longs(stride(gate, 0), stride(gate, 1), stride(up, 0), stride(up, 1))
        .ints(width, chunk)
        .groups(Math.ceilDiv(width, chunk), tokens, 1);
    KernelCall.Builder second =
        kernel(experts("-DDECODE " + downDefines + common), "moe_down")
            .workspace(0)
            .operand(2)
            .operand(1)
            .weight(5, down);
    if (shared) {
      second.weight(8, t.get(8)).longs(stride(t.get(8), 0)).ints(wide);
    }
    int added = t.size() - (residual ? 2 : 1);
    MatrixPlans.epilogue(second, spec.epilogue(), added, t.get(added));
    long downChunk = matrices.rowChunk(hidden, tokens, rows);
    second
        .operand(t.size() - 1)
        .ints(k, inter, hidden, gate.dim(0))
        .longs(stride(ids, 0), stride(ids, 1), stride(weights, 0), stride(weights, 1))
        .longs(stride(down, 0), stride(down, 1), stride(out, 0))
        .ints(width, downChunk)
        .groups(Math.ceilDiv(hidden, downChunk), tokens, 1);
    return plan("moe_gate_up, moe_down", align(tokens * width * 4), List.of(first, second));
  }

  private static String weakest(String a, String b) {
    return a.equals(b) ? a : a.replace("-DWVEC=1", "-DWVEC=0");
  }

  /** Rows sorted by expert; each expert's weights pass once. */
  private OperatorPlan manyTokens(MoeFfn spec, List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType weights = t.get(1);
    TensorType ids = t.get(2);
    TensorType gate = t.get(3);
    TensorType up = t.get(4);
    TensorType down = t.get(5);
    TensorType out = t.getLast();
    boolean shared = spec.shared() == MoeFfn.Shared.SHARED;
    boolean residual = spec.epilogue() == Epilogue.RESIDUAL;
    long tokens = x.dim(0);
    long hidden = x.dim(1);
    long k = ids.dim(1);
    long experts = gate.dim(0);
    long inter = gate.dim(1);
    long rows = ids.elementCount();
    long offsets = 0;
    long slots = offsets + align((experts + 1) * 4);
    long inverse = slots + align(Math.max(1, rows) * 4);
    long act = inverse + align(Math.max(1, rows) * 4);
    long h = act + align(Math.max(1, rows * inter) * 4);
    long sharedAct = h + align(Math.max(1, rows * hidden) * 4);
    long bytes = sharedAct + (shared ? MatrixPlans.mlpBytes(tokens, t.get(6).dim(0)) : 0);
    List<KernelCall.Builder> calls = new ArrayList<>();
    calls.add(
        dispatch(
            kernel(program("-DDISPATCH"), "dispatch")
                .operand(2)
                .workspace(offsets)
                .workspace(slots),
            ids,
            experts,
            1,
            1));
    int out0 = t.size() - 1;
    int residual0 = residual ? t.size() - 2 : -1;
    if (rows > 0 && inter > 0) {
      String pair = matrices.pairDefines(gate, up);
      int tile = profile.tokenTile();
      long chunk = matrices.rowChunk(inter, experts, matrices.rowTile(tile) / 2);
      calls.add(
          kernel(experts("-DGROUPED " + pair + matrices.tile(tile)), "grouped_gate_up")
              .operand(0)
              .workspace(offsets)
              .workspace(slots)
              .weight(3, gate)
              .weight(4, up)
              .workspace(act)
              .ints(inter, hidden, k)
              .longs(
                  stride(x, 0),
                  stride(gate, 0),
                  stride(gate, 1),
                  stride(up, 0),
                  stride(up, 1),
                  inter)
              .ints(chunk)
              .groups(Math.ceilDiv(inter, chunk), experts, 1));
    }
    if (rows > 0) {
      KernelCall.Builder product =
          kernel(groupedProgram(down), "grouped")
              .workspace(act)
              .workspace(offsets)
              .weight(5, down)
              .workspace(h);
      calls.add(groupedProduct(product, rows, inter, 1, down, hidden));
      calls.add(
          inverse(kernel(program("-DCOMBINE"), "inverse").workspace(slots), rows, 1, inverse));
    }
    if (shared) {
      matrices.appendMlp(calls, t, 0, 6, residual0, out0, sharedAct);
    }
    KernelCall.Builder last =
        kernel(program("-DCOMBINE"), "combine").workspace(h).workspace(inverse).operand(1);
    // the shared expert has written out, with the residual
    int added = shared || !residual ? out0 : residual0;
    MatrixPlans.epilogue(
        last, shared || residual ? Epilogue.RESIDUAL : Epilogue.NONE, added, t.get(added));
    calls.add(combine(last.operand(out0), weights, out, hidden));
    return plan("grouped_gate_up, grouped, combine", bytes, calls);
  }
}
