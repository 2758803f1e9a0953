package dev.halcyon.backend.emulated;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
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
import dev.halcyon.hal.op.Operand;
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
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Every primitive and a few composites, each by one kernel; the rest is left to decomposition. */
final class EmulatedOperators implements OperatorLibrary {
  private final EmulatedOptions options;
  private final String where;

  EmulatedOperators(EmulatedOptions options, String where) {
    this.options = options;
    this.where = where;
  }

  @Override
  public Support support(OperatorSpec spec, List<TensorType> types) {
    if (options.refused().contains(spec.name())) {
      return new Support.Unsupported("operator", spec.name() + " is refused by option 'refuse'");
    }
    for (TensorType t : types) {
      Optional<DType> missing = notStorable(t);
      if (missing.isPresent()) {
        return new Support.Unsupported("dtype", missing.get() + " is not in option 'dtypes'");
      }
    }
    return kernel(spec).isPresent()
        ? new Support.Native(implementation(spec))
        : new Support.Unsupported("operator", "no kernel of " + spec.name() + " is written");
  }

  private Optional<DType> notStorable(TensorType t) {
    if (!options.dtypes().contains(t.dtype())) {
      return Optional.of(t.dtype());
    }
    return t.quant() instanceof QuantScheme.Blocked b
            && !options.dtypes().contains(b.scaleFormat().dtype())
        ? Optional.of(b.scaleFormat().dtype())
        : Optional.empty();
  }

  @Override
  public OperatorPlan plan(OperatorSpec spec, List<TensorType> types) {
    if (options.unbuildable().contains(spec.name())) {
      throw EmulatedErrors.failure(
          EmulatedErrors.Status.BUILD_FAILED,
          "build",
          "the kernel of " + spec.name() + " does not compile; log: option fail-build names it",
          where);
    }
    return new Planned(spec, kernel(spec).orElseThrow());
  }

  private static String implementation(OperatorSpec spec) {
    return "emulated " + spec.name();
  }

  /** The table of kernels; {@code empty} leaves an operator to its decomposition. */
  private static Optional<Kernel> kernel(OperatorSpec spec) {
    return Optional.ofNullable(
        switch (spec) {
          case Fill s -> Moves.fill(s);
          case Iota s -> Moves.iota();
          case Copy s -> Moves.copy();
          case Cast s -> Moves.cast();
          case Quantize s -> Quantization.quantize();
          case Dequantize s -> Quantization.dequantize();
          case Gather s -> IndexedRows.gather();
          case ScatterAdd s -> IndexedRows.scatterAdd();
          case ScatterUpdate s -> IndexedRows.scatterUpdate();
          case Unary s -> Elementwise.unary(s.op());
          case Binary s -> Elementwise.binary(s.op());
          case Select s -> Elementwise.select();
          case Reduce s -> Reductions.reduce(s.op());
          case TopK s -> Reductions.topK(s.k());
          case ArgMax s -> Reductions.argMax();
          case MatMul s -> Products.matMul();
          case Linear s -> Products.linear(s.epilogue());
          case RmsNorm s -> Norms.rmsNorm(s.epsilon());
          case SwiGlu s -> Elementwise.swiGlu();
          case RotaryEmbedding s -> Rotary.kernel(s);
          case MoeGating s -> Gating.kernel(s);
          case QuantizedLinear s -> null;
          case HeadMatMul s -> null;
          case AddRmsNorm s -> null;
          case MaskedSoftmax s -> null;
          case Attention s -> null;
          case MlaAttention s -> null;
          case MlaExpandedAttention s -> null;
          case GatedMlp s -> null;
          case MoeDispatch s -> null;
          case GroupedMatMul s -> null;
          case MoeCombine s -> null;
          case MoeFfn s -> null;
          case EmbeddingLookup s -> null;
          case KvCacheAppend s -> null;
        });
  }

  /** A kernel chosen for a spec. Kernels need no scratch memory. */
  private record Planned(OperatorSpec spec, Kernel kernel) implements OperatorPlan {
    @Override
    public long workspaceBytes() {
      return 0;
    }

    @Override
    public String implementation() {
      return EmulatedOperators.implementation(spec);
    }

    @Override
    public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
      List<Operand> formal = spec.operands();
      List<Argument> arguments = new ArrayList<>();
      for (int i = 0; i < operands.length; i++) {
        Argument.Access access =
            formal.get(i).role().isWritten() ? Argument.Access.WRITE : Argument.Access.READ;
        arguments.add(Argument.of(operands[i], access));
      }
      return new Launch(spec.name(), kernel, List.copyOf(arguments));
    }
  }
}
