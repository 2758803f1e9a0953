package dev.halcyon.models.config;

import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Rotary position embedding of the {@code qk_rope_head_dim} part of queries and keys.
 *
 * @param theta the base of the frequencies
 * @param layout which elements form a rotated pair; checkpoints of this family are never permuted
 * @param yarn context extension; empty for plain RoPE
 */
public record RopeConfig(double theta, Layout layout, Optional<Yarn> yarn) {
  /** Which elements form a rotated pair. */
  public enum Layout {
    /** (x0, x1), (x2, x3), ...: every published checkpoint. */
    INTERLEAVED,
    /**
     * (x0, x[d/2]), (x1, x[d/2+1]), ...: only if config.json says {@code rope_interleave: false}.
     */
    HALF_SPLIT
  }

  /**
   * YaRN (arXiv 2309.00071), applied at all positions.
   *
   * @param factor context extension, at least 1
   * @param originalMaxPosition context length before extension
   * @param betaFast rotations above which a frequency is kept
   * @param betaSlow rotations below which a frequency is divided by {@code factor}
   * @param mscale weight of the logarithmic cos/sin multiplier; empty if the config has none
   * @param mscaleAllDim weight of the logarithmic softmax multiplier; empty if the config has none
   * @param attentionFactor explicit cos/sin multiplier that replaces the computed one
   * @param truncate whether the correction range is rounded to whole dimensions; true unless the
   *     config says otherwise
   */
  public record Yarn(
      double factor,
      int originalMaxPosition,
      double betaFast,
      double betaSlow,
      OptionalDouble mscale,
      OptionalDouble mscaleAllDim,
      OptionalDouble attentionFactor,
      boolean truncate) {
    public Yarn {
      Objects.requireNonNull(mscale);
      Objects.requireNonNull(mscaleAllDim);
      Objects.requireNonNull(attentionFactor);
    }
  }

  public RopeConfig {
    Objects.requireNonNull(layout);
    Objects.requireNonNull(yarn);
  }
}
