package dev.halcyon.backend.cpu.kernels;

/**
 * The enumerators of {@code halcyon_cpu.h}. The header documents the slots of each kernel; nothing
 * is repeated here, so that there is one text to be right.
 */
public final class Kernels {
  private Kernels() {}

  /** Version of the header these constants follow. */
  public static final int ABI_VERSION = 2;

  /** Bytes of private scratch behind slot 0. */
  public static final int SCRATCH_BYTES = 2 << 20;

  /** Words of one entry of the expert table. */
  public static final int EXPERT_WORDS = 9;

  /** Slots of a weight descriptor. */
  public static final int WEIGHT_SLOTS = 9;

  /** Largest number of slots any kernel takes, with room to grow. */
  public static final int MAX_SLOTS = 40;

  // enum hc_wtype
  public static final int F32 = 0;
  public static final int F16 = 1;
  public static final int BF16 = 2;
  public static final int F8 = 3;
  public static final int I8 = 4;
  public static final int I4 = 5;

  /** Added to a weight type: products may round activations. */
  public static final int DOT = 16;

  // enum hc_stype
  public static final int SCALE_F32 = 0;
  public static final int SCALE_F16 = 1;
  public static final int SCALE_UE8M0 = 2;
  public static final int SCALE_BF16 = 3;

  // enum hc_kernel
  public static final int LINEAR = 1;
  public static final int HEAD_MATMUL = 2;
  public static final int MOE_ROUTE = 3;
  public static final int MOE_GATE_UP = 4;
  public static final int MOE_DOWN = 5;
  public static final int RMSNORM = 6;
  public static final int ROPE = 7;
  public static final int KV_APPEND = 8;
  public static final int MLA_DECODE = 9;
  public static final int MLA_MERGE = 10;
  public static final int MLA_PREFILL = 11;
  public static final int MOE_GATING = 12;
  public static final int SWIGLU = 13;
  public static final int SOFTMAX = 14;
  public static final int ADD = 15;
  public static final int ARGMAX = 16;
  public static final int TOPK = 17;
  public static final int DEQUANT = 18;
  public static final int QUANTIZE = 19;
  public static final int ACT_QUANT_FP8 = 20;
  public static final int CONVERT = 21;
  public static final int FILL_RANDOM = 22;
  public static final int READ_BANDWIDTH = 23;
  public static final int COUNT = 24;
}
