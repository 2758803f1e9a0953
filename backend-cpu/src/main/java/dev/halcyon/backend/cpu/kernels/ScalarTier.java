package dev.halcyon.backend.cpu.kernels;

/**
 * The kernels in plain Java: the floor that runs everywhere, and the text to read when a kernel's
 * meaning is in doubt.
 */
public class ScalarTier implements KernelTier {
  private final String name;
  private final LinearKernels linear;
  private final MoeKernels moe;
  private final MlaKernels mla;
  private final NormKernels norm;
  private final GatingKernels gating;
  private final RowKernels rows;
  private final QuantKernels quant;

  public ScalarTier() {
    this("scalar", new ScalarMath());
  }

  /** The same kernels over other inner loops. */
  ScalarTier(String name, KernelMath math) {
    this.name = name;
    linear = new LinearKernels(math);
    moe = new MoeKernels(math);
    mla = new MlaKernels(math);
    norm = new NormKernels(math);
    gating = new GatingKernels(math);
    rows = new RowKernels(math);
    quant = new QuantKernels(math);
  }

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final void run(int kernel, long slotsAddress, long begin, long end) {
    if (begin >= end) {
      return;
    }
    switch (kernel) {
      case Kernels.LINEAR -> linear.linear(slotsAddress, begin, end);
      case Kernels.HEAD_MATMUL -> linear.headMatmul(slotsAddress, begin, end);
      case Kernels.MOE_ROUTE -> MoeKernels.route(slotsAddress, begin, end);
      case Kernels.MOE_GATE_UP -> moe.gateUp(slotsAddress, begin, end);
      case Kernels.MOE_DOWN -> moe.down(slotsAddress, begin, end);
      case Kernels.RMSNORM -> norm.rmsNorm(slotsAddress, begin, end);
      case Kernels.ROPE -> NormKernels.rope(slotsAddress, begin, end);
      case Kernels.KV_APPEND -> norm.kvAppend(slotsAddress, begin, end);
      case Kernels.MLA_DECODE -> mla.decode(slotsAddress, begin, end);
      case Kernels.MLA_MERGE -> mla.merge(slotsAddress, begin, end);
      case Kernels.MLA_PREFILL -> mla.prefill(slotsAddress, begin, end);
      case Kernels.MOE_GATING -> gating.gating(slotsAddress, begin, end);
      case Kernels.SWIGLU -> rows.swiGlu(slotsAddress, begin, end);
      case Kernels.SOFTMAX -> rows.softmax(slotsAddress, begin, end);
      case Kernels.ADD -> rows.add(slotsAddress, begin, end);
      case Kernels.ARGMAX -> GatingKernels.argMax(slotsAddress, begin, end);
      case Kernels.TOPK -> GatingKernels.topK(slotsAddress, begin, end);
      case Kernels.DEQUANT -> quant.dequant(slotsAddress, begin, end);
      case Kernels.QUANTIZE -> quant.quantize(slotsAddress, begin, end);
      case Kernels.ACT_QUANT_FP8 -> QuantKernels.actQuantFp8(slotsAddress, begin, end);
      case Kernels.CONVERT -> quant.convert(slotsAddress, begin, end);
      case Kernels.FILL_RANDOM -> QuantKernels.fillRandom(slotsAddress, begin, end);
      case Kernels.READ_BANDWIDTH -> rows.readBandwidth(slotsAddress, begin, end);
      default -> {} // as the C tier: an unknown kernel does nothing
    }
  }
}
