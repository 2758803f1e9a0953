package dev.halcyon.hal.op;

/** An operator with a portable decomposition; a backend overrides it natively where that pays. */
public sealed interface CompositeSpec extends OperatorSpec
    permits Linear,
        QuantizedLinear,
        HeadMatMul,
        RmsNorm,
        AddRmsNorm,
        RotaryEmbedding,
        MaskedSoftmax,
        Attention,
        MlaAttention,
        MlaExpandedAttention,
        SwiGlu,
        GatedMlp,
        MoeGating,
        MoeDispatch,
        GroupedMatMul,
        MoeCombine,
        MoeFfn,
        EmbeddingLookup,
        KvCacheAppend {
  /**
   * Emits steps that compute the same result. Temporaries are f32 or i32.
   *
   * @param d names the operands, makes views and temporaries, and collects the steps
   */
  void decompose(Decomposition d);
}
