package dev.halcyon.models.config;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.Optional;

/**
 * Cosines and sines of rotary position embedding, computed in double and rounded once to float.
 *
 * <p>Plain: {@code f_i = theta^(-2i/dim)}. YaRN blends {@code f_i / factor} and {@code f_i} by a
 * ramp over the dimensions between the two correction points and multiplies cosine and sine by the
 * ratio of its two attention multipliers (arXiv 2309.00071; transformers {@code
 * modeling_rope_utils.py}; official {@code inference/model.py} {@code precompute_freqs_cis}).
 * Immutable and thread-safe.
 */
public final class RotaryTable {
  private final double[] inverseFrequencies;
  private final double multiplier;

  private RotaryTable(double[] inverseFrequencies, double multiplier) {
    this.inverseFrequencies = inverseFrequencies;
    this.multiplier = multiplier;
  }

  /**
   * The table of {@code rope} for a rotated part of {@code dim} elements.
   *
   * @param dim {@code qk_rope_head_dim}, even
   */
  public static RotaryTable of(RopeConfig rope, int dim) {
    if (dim < 2 || dim % 2 != 0) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "rotary dimension must be even and positive, got " + dim)
          .build();
    }
    double[] f = new double[dim / 2];
    for (int i = 0; i < f.length; i++) {
      f[i] = Math.pow(rope.theta(), -2.0 * i / dim);
    }
    if (rope.yarn().isPresent()) {
      blend(f, rope.yarn().get(), rope.theta(), dim);
    }
    return new RotaryTable(f, rope.yarn().map(RotaryTable::cosSinMultiplier).orElse(1.0));
  }

  private static void blend(double[] f, RopeConfig.Yarn yarn, double theta, int dim) {
    double low = correction(yarn.betaFast(), yarn, theta, dim);
    double high = correction(yarn.betaSlow(), yarn, theta, dim);
    if (yarn.truncate()) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, dim - 1);
    if (low == high) {
      high += 0.001;
    }
    for (int i = 0; i < f.length; i++) {
      double ramp = Math.clamp((i - low) / (high - low), 0.0, 1.0);
      f[i] = f[i] / yarn.factor() * ramp + f[i] * (1 - ramp);
    }
  }

  /** The (fractional) dimension that turns {@code rotations} times within the original context. */
  private static double correction(double rotations, RopeConfig.Yarn yarn, double theta, int dim) {
    return dim
        * Math.log(yarn.originalMaxPosition() / (rotations * 2 * Math.PI))
        / (2 * Math.log(theta));
  }

  private static double cosSinMultiplier(RopeConfig.Yarn yarn) {
    if (yarn.attentionFactor().isPresent()) {
      return yarn.attentionFactor().getAsDouble();
    }
    double mscale = yarn.mscale().orElse(0);
    double allDim = yarn.mscaleAllDim().orElse(0);
    if (mscale != 0 && allDim != 0) {
      return attentionMultiplier(yarn.factor(), mscale)
          / attentionMultiplier(yarn.factor(), allDim);
    }
    return attentionMultiplier(yarn.factor(), 1);
  }

  private static double attentionMultiplier(double factor, double weight) {
    return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
  }

  /**
   * The factor of query-key products: {@code headDim^-0.5}, times {@code m(factor,
   * mscale_all_dim)^2} under YaRN.
   *
   * @param headDim {@code qk_nope_head_dim + qk_rope_head_dim}
   */
  public static double softmaxScale(RopeConfig rope, int headDim) {
    double scale = 1 / Math.sqrt(headDim);
    Optional<RopeConfig.Yarn> yarn = rope.yarn();
    if (yarn.isPresent() && yarn.get().mscaleAllDim().orElse(0) != 0) {
      double m = attentionMultiplier(yarn.get().factor(), yarn.get().mscaleAllDim().getAsDouble());
      scale *= m * m;
    }
    return scale;
  }

  /** Rotated pairs: half the rotary dimension. */
  public int pairs() {
    return inverseFrequencies.length;
  }

  /** Radians per position of each pair. */
  public double[] inverseFrequencies() {
    return inverseFrequencies.clone();
  }

  /** What cosines and sines are multiplied by; 1 for every published checkpoint. */
  public double multiplier() {
    return multiplier;
  }

  /**
   * Cosines of {@code positions} positions from {@code first}, row-major {@code [positions,
   * pairs]}.
   */
  public float[] cos(int first, int positions) {
    return fill(first, positions, true);
  }

  /**
   * Sines of {@code positions} positions from {@code first}, row-major {@code [positions, pairs]}.
   */
  public float[] sin(int first, int positions) {
    return fill(first, positions, false);
  }

  private float[] fill(int first, int positions, boolean cosine) {
    float[] out = new float[Math.multiplyExact(positions, inverseFrequencies.length)];
    int at = 0;
    for (int p = first; p < first + positions; p++) {
      for (double f : inverseFrequencies) {
        double angle = p * f;
        out[at++] = (float) (multiplier * (cosine ? Math.cos(angle) : Math.sin(angle)));
      }
    }
    return out;
  }
}
