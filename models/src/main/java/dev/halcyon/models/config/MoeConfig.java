package dev.halcyon.models.config;

import java.util.Objects;

/**
 * The mixture-of-experts layers of a model.
 *
 * @param firstDense layers before this one have a dense MLP
 * @param layerFreq of the rest, every layer whose index is a multiple of this is an MoE layer
 * @param routedExperts number of routed experts
 * @param sharedExperts shared experts, computed as one MLP of {@code sharedExperts * intermediate};
 *     0 for none
 * @param topK routed experts per token
 * @param groups expert groups of equal size; 1 for none
 * @param topkGroups groups a token may use
 * @param topkMethod how experts are picked
 * @param scoring what turns router logits into scores
 * @param normTopkProb divide the picked weights by their sum (+1e-20)
 * @param routedScalingFactor {@code routed_scaling_factor} as the config gives it; to compute with,
 *     take {@link #weightScale}
 * @param weightScale the factor the picked weights are multiplied by. Equals {@code
 *     routedScalingFactor}, except for DeepSeek-V2 with {@code norm_topk_prob} and more than one
 *     expert per token: there the original code normalises <em>or</em> scales, so it is 1
 * @param intermediate inner width of one expert
 */
public record MoeConfig(
    int firstDense,
    int layerFreq,
    int routedExperts,
    int sharedExperts,
    int topK,
    int groups,
    int topkGroups,
    TopkMethod topkMethod,
    ScoringFunction scoring,
    boolean normTopkProb,
    double routedScalingFactor,
    double weightScale,
    int intermediate) {
  public MoeConfig {
    Objects.requireNonNull(topkMethod);
    Objects.requireNonNull(scoring);
  }

  /** Whether the router adds {@code e_score_correction_bias} to the scores it chooses by. */
  public boolean hasCorrectionBias() {
    return topkMethod == TopkMethod.NOAUX_TC;
  }

  /** Inner width of the shared MLP; 0 for none. */
  public int sharedIntermediate() {
    return sharedExperts * intermediate;
  }
}
