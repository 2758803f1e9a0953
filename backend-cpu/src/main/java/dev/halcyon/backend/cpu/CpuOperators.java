package dev.halcyon.backend.cpu;

import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.EmbeddingLookup;
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
import dev.halcyon.hal.op.PrimitiveSpec;
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
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** The table of operators: every primitive, and the composites the kernels have. */
final class CpuOperators implements OperatorLibrary {
  private final CpuDevice device;

  CpuOperators(CpuDevice device) {
    this.device = device;
  }

  @Override
  public Support support(OperatorSpec spec, List<TensorType> types) {
    return switch (spec) {
      case PrimitiveSpec p -> new Support.Native("loops over any strides");
      case CompositeSpec c -> {
        if (writesNothing(spec, types)) {
          yield new Support.Native("nothing to do");
        }
        yield composite(c, types);
      }
    };
  }

  private Support composite(CompositeSpec spec, List<TensorType> types) {
    return switch (spec) {
      case Linear s -> Linears.support(device, s, types);
      case QuantizedLinear s -> Linears.support(device, s, types);
      case HeadMatMul s -> Linears.support(device, s, types);
      case EmbeddingLookup s -> Linears.support(device, s, types);
      case RmsNorm s -> Norms.support(device, s, types);
      case AddRmsNorm s -> Norms.support(device, s, types);
      case MaskedSoftmax s -> Norms.support(device, s, types);
      case SwiGlu s -> Norms.support(device, s, types);
      case RotaryEmbedding s -> Rotary.support(device, s, types);
      case KvCacheAppend s -> Rotary.support(device, s, types);
      case MlaAttention s -> MlaDecode.support(device, s, types);
      case MlaExpandedAttention s -> MlaPrefill.support(device, s, types);
      case MoeGating s -> Routing.support(device, s, types);
      case MoeDispatch s -> Routing.support(device, s, types);
      case MoeCombine s -> Routing.support(device, s, types);
      case GroupedMatMul s -> Experts.support(device, s, types);
      case GatedMlp s -> Experts.support(device, s, types);
      case MoeFfn s -> Experts.support(device, s, types);
      case Attention s ->
          new Support.Unsupported("operator", "grouped-query attention has no kernel yet");
    };
  }

  @Override
  public OperatorPlan plan(OperatorSpec spec, List<TensorType> types) {
    return switch (spec) {
      case PrimitiveSpec p -> primitive(p, types);
      case CompositeSpec c when writesNothing(spec, types) -> CpuPlan.nothing();
      case Linear s -> Linears.plan(device, s, types);
      case QuantizedLinear s -> Linears.plan(device, s, types);
      case HeadMatMul s -> Linears.plan(device, s, types);
      case EmbeddingLookup s -> Linears.plan(device, s, types);
      case RmsNorm s -> Norms.plan(device, s, types);
      case AddRmsNorm s -> Norms.plan(device, s, types);
      case MaskedSoftmax s -> Norms.plan(device, s, types);
      case SwiGlu s -> Norms.plan(device, s, types);
      case RotaryEmbedding s -> Rotary.plan(device, s, types);
      case KvCacheAppend s -> Rotary.plan(device, s, types);
      case MlaAttention s -> MlaDecode.plan(device, s, types);
      case MlaExpandedAttention s -> MlaPrefill.plan(device, s, types);
      case MoeGating s -> Routing.plan(device, s, types);
      case MoeDispatch s -> Routing.plan(device, s, types);
      case MoeCombine s -> Routing.plan(device, s, types);
      case GroupedMatMul s -> Experts.plan(device, s, types);
      case GatedMlp s -> Experts.plan(device, s, types);
      case MoeFfn s -> Experts.plan(device, s, types);
      case Attention s -> throw new IllegalArgumentException("not supported: " + s);
    };
  }

  private CpuPlan primitive(PrimitiveSpec spec, List<TensorType> types) {
    return switch (spec) {
      case Fill s -> Moves.fill(s, types);
      case Iota s -> Moves.iota(types);
      case Copy s -> Moves.copy(types);
      case Cast s -> Moves.cast(device, types);
      case Quantize s -> Quantization.quantize(device, types);
      case Dequantize s -> Quantization.dequantize(device, types);
      case Gather s -> IndexedRows.gather(device, types);
      case ScatterAdd s -> IndexedRows.scatterAdd(device, types);
      case ScatterUpdate s -> IndexedRows.scatterUpdate(device, types);
      case Unary s -> Elementwise.unary(s, types);
      case Binary s -> Elementwise.binary(device, s, types);
      case Reduce s -> Reductions.reduce(s, types);
      case MatMul s -> MatrixProduct.plan(device, types);
      case Select s -> Elementwise.select(types);
      case TopK s -> Reductions.topK(s, types);
      case ArgMax s -> Reductions.argMax(device, types);
    };
  }

  private static boolean writesNothing(OperatorSpec spec, List<TensorType> types) {
    for (int i = 0; i < types.size(); i++) {
      if (spec.operands().get(i).role().isWritten() && types.get(i).elementCount() > 0) {
        return false;
      }
    }
    return true;
  }
}
