package dev.halcyon.models.config;

import java.util.Objects;

/** How the checkpoint's linear weights are quantised. */
public sealed interface Quantization {
  /** Weights are stored in the checkpoint's floating point dtype. */
  record None() implements Quantization {}

  /**
   * DeepSeek FP8: {@code X.weight} is e4m3, {@code X.weight_scale_inv} of shape {@code
   * [ceil(out/blockRows), ceil(in/blockColumns)]} is the multiplier of each block (despite its
   * name).
   *
   * @param blockRows output rows of a block
   * @param blockColumns input columns of a block
   * @param scaleFormat whether scales are restricted to powers of two
   */
  record Fp8(int blockRows, int blockColumns, ScaleFormat scaleFormat) implements Quantization {
    public Fp8 {
      Objects.requireNonNull(scaleFormat);
    }
  }

  /** The values FP8 scales can take. */
  enum ScaleFormat {
    /** Any float. */
    FLOAT,
    /** {@code scale_fmt: ue8m0}: powers of two, for activations too. */
    UE8M0
  }
}
