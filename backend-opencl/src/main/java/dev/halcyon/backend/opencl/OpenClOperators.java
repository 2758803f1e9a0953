package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.op.QuantizedLinear;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** What runs natively on OpenCL devices, and the plans for it. */
final class OpenClOperators implements OperatorLibrary {
  private static final int MOST_EXPERTS = 1024;

  private final ElementwisePlans elementwise;
  private final RowPlans rows;
  private final IndexPlans indexed;
  private final QuantPlans quant;
  private final MatrixPlans matrices;
  private final NormPlans norms;
  private final AttentionPlans attention;
  private final MoePlans moe;

  OpenClOperators(OpenClDevice device) {
    elementwise = new ElementwisePlans(device);
    rows = new RowPlans(device);
    indexed = new IndexPlans(device);
    quant = new QuantPlans(device);
    matrices = new MatrixPlans(device);
    norms = new NormPlans(device);
    attention = new AttentionPlans(device);
    moe = new MoePlans(device, matrices);
  }

  @Override
  public Support support(OperatorSpec spec, List<TensorType> types) {
    for (int i = 0; i < types.size(); i++) {
      if (types.get(i).rank() > IndexSpace.MAX_RANK) {
        return new Support.Unsupported(
            "shape",
            "'"
                + spec.operands().get(i).name()
                + "' has more than "
                + IndexSpace.MAX_RANK
                + " axes");
      }
    }
    Optional<Support.Unsupported> limit = limit(spec, types);
    return limit.isPresent() ? limit.get() : new Support.Native("OpenCL kernels");
  }

  /** What keeps {@code spec} from running natively, if anything. */
  private static Optional<Support.Unsupported> limit(OperatorSpec spec, List<TensorType> t) {
    return switch (spec) {
      case Attention a ->
          unsupported("operator", "no fused kernel yet; the decomposition runs on the device");
      case QuantizedLinear q ->
          unsupported("operator", "no fused kernel; rounds x, then uses the kernel of Linear");
      case Quantize q -> quantizeLimit(t.get(1));
      case Linear l ->
          rowsAdjacent(
              spec,
              t,
              l.epilogue() == Epilogue.RESIDUAL
                  ? new int[] {0, 2, 3}
                  : new int[] {0, t.size() - 1});
      case HeadMatMul h -> rowsAdjacent(spec, t, 0, 2);
      case GatedMlp g -> rowsAdjacent(spec, t, tail(t, 4)).or(() -> sameWeights(t, 1, 2));
      case GroupedMatMul g -> rowsAdjacent(spec, t, 0, 3);
      case MoeCombine c -> rowsAdjacent(spec, t, tail(t, 3));
      case MoeFfn m ->
          MoePlans.limit(m, t)
              .or(() -> rowsAdjacent(spec, t, tail(t, m.shared() == MoeFfn.Shared.SHARED ? 9 : 6)));
      case MoeGating g ->
          t.get(0).dim(1) > MOST_EXPERTS
              ? unsupported("shape", "more than " + MOST_EXPERTS + " experts")
              : Optional.empty();
      case RmsNorm r -> rowsAdjacent(spec, t, 0, 2);
      case AddRmsNorm r -> rowsAdjacent(spec, t, 0, 2, 3);
      case MaskedSoftmax m -> rowsAdjacent(spec, t, 0, 2);
      case MlaAttention m -> rowsAdjacent(spec, t, 0, 1, 5);
      case MlaExpandedAttention m -> rowsAdjacent(spec, t, 0, 1, 6);
      case KvCacheAppend k -> rowsAdjacent(spec, t, 0, 6);
      default -> Optional.empty();
    };
  }

  private static int[] tail(List<TensorType> types, int from) {
    int[] all = new int[types.size() - from + 1];
    for (int i = 1; i < all.length; i++) {
      all[i] = from + i - 1;
    }
    return all;
  }

  private static Optional<Support.Unsupported> quantizeLimit(TensorType out) {
    QuantScheme.Blocked b = (QuantScheme.Blocked) out.quant();
    return out.dtype() == DType.I4 && b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0
        ? unsupported("dtype", "i4 scales carry a sign, which ue8m0 cannot hold")
        : Optional.empty();
  }

  static Optional<Support.Unsupported> unsupported(String reason, String detail) {
    return Optional.of(new Support.Unsupported(reason, detail));
  }

  /**
   * The matrix and row kernels need neighbours of the last axis to be adjacent, and extents that
   * fit an int.
   */
  private static Optional<Support.Unsupported> rowsAdjacent(
      OperatorSpec spec, List<TensorType> types, int... operands) {
    for (int i : operands) {
      if (!types.get(i).isRowContiguous()) {
        return unsupported(
            "layout", "'" + spec.operands().get(i).name() + "' must be adjacent in its last axis");
      }
    }
    for (TensorType type : types) {
      if (Arrays.stream(type.shape().dims()).anyMatch(d -> d > Integer.MAX_VALUE / 2)) {
        return unsupported("shape", "an extent over 2^30");
      }
    }
    return Optional.empty();
  }

  /** Fused products share one kernel, compiled for one storage. */
  static Optional<Support.Unsupported> sameWeights(List<TensorType> types, int a, int b) {
    TensorType x = types.get(a);
    TensorType y = types.get(b);
    return x.dtype() == y.dtype() && x.quant().equals(y.quant())
        ? Optional.empty()
        : unsupported("dtype", "weights of different storage: " + x + " and " + y);
  }

  @Override
  public OperatorPlan plan(OperatorSpec spec, List<TensorType> t) {
    return switch (spec) {
      case Fill s -> elementwise.fill(s, t);
      case Iota s -> elementwise.iota(t);
      case Copy s -> elementwise.copy(t);
      case Cast s -> elementwise.cast(t);
      case Unary s -> elementwise.unary(s, t);
      case Binary s -> elementwise.binary(OpenClTypes.code(s.op()), s.op().name(), t);
      case Select s -> elementwise.select(t);
      case SwiGlu s -> elementwise.binary(OpenClTypes.SWIGLU, "SWIGLU", t);
      case Quantize s -> quant.quantize(t);
      case Dequantize s -> quant.dequantize(t);
      case Gather s -> indexed.gather(t);
      case EmbeddingLookup s -> indexed.gather(t);
      case ScatterAdd s -> indexed.scatterAdd(t);
      case ScatterUpdate s -> indexed.scatterUpdate(t);
      case Reduce s -> rows.reduce(s, t);
      case TopK s -> rows.topK(s, t);
      case ArgMax s -> rows.argMax(t);
      case MaskedSoftmax s -> rows.maskedSoftmax(s, t);
      case MatMul s -> matrices.matMul(t);
      case Linear s -> matrices.linear(s, t);
      case HeadMatMul s -> matrices.headMatMul(s, t);
      case GatedMlp s -> matrices.gatedMlp(s, t);
      case RmsNorm s -> norms.rmsNorm(s, t);
      case AddRmsNorm s -> norms.addRmsNorm(s, t);
      case RotaryEmbedding s -> norms.rotary(s, t);
      case KvCacheAppend s -> norms.kvCacheAppend(s, t);
      case MlaAttention s -> attention.mla(s, t);
      case MlaExpandedAttention s -> attention.expanded(s, t);
      case MoeGating s -> moe.gating(s, t);
      case MoeDispatch s -> moe.dispatch(s, t);
      case MoeCombine s -> moe.combine(s, t);
      case GroupedMatMul s -> moe.grouped(t);
      case MoeFfn s -> moe.ffn(s, t);
      case Attention s -> throw new IllegalStateException("not native: " + s);
      case QuantizedLinear s -> throw new IllegalStateException("not native: " + s);
    };
  }
}
