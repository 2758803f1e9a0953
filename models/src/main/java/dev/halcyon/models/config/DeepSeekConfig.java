package dev.halcyon.models.config;

import dev.halcyon.hal.tensor.DType;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The architecture of one model of the DeepSeek family, validated: whoever holds one need not check
 * it again. Read by {@link ConfigReader}.
 *
 * @param family which {@code model_type}
 * @param vocab rows of the embedding; may exceed the tokenizer's size
 * @param hidden width of the residual stream
 * @param layers decoder layers, without multi-token-prediction layers
 * @param heads attention heads; the latent cache has one
 * @param qLoraRank width of the query latent; 0 if queries are projected directly ({@code
 *     q_lora_rank: null})
 * @param kvLoraRank width of the cached key/value latent
 * @param qkNope per-head query/key part without position
 * @param qkRope per-head query part with rotary position, shared key part; even
 * @param vHead per-head value width
 * @param intermediate inner width of a dense MLP
 * @param moe the expert layers; empty if the model is dense
 * @param rmsNormEps epsilon of the block norms and the final norm
 * @param latentNormEps epsilon of {@code q_a_layernorm} and {@code kv_a_layernorm}: 1e-6 whatever
 *     {@code rms_norm_eps} says, as in transformers and the official code
 * @param rope rotary embedding
 * @param maxPositionEmbeddings the longest context the model claims
 * @param bosId first token of a text; empty if none
 * @param eosIds tokens that end a generation, those of {@code generation_config.json} first; may be
 *     empty
 * @param tieWordEmbeddings whether the head is the embedding
 * @param nextTokenLayers multi-token-prediction layers in the checkpoint after the decoder layers;
 *     not needed to decode
 * @param quantization how linear weights are stored
 * @param dtype what {@code torch_dtype} or {@code dtype} declares; the tensors themselves decide
 * @param generation the publisher's sampling advice
 */
public record DeepSeekConfig(
    ModelFamily family,
    int vocab,
    int hidden,
    int layers,
    int heads,
    int qLoraRank,
    int kvLoraRank,
    int qkNope,
    int qkRope,
    int vHead,
    int intermediate,
    Optional<MoeConfig> moe,
    double rmsNormEps,
    double latentNormEps,
    RopeConfig rope,
    int maxPositionEmbeddings,
    OptionalInt bosId,
    List<Integer> eosIds,
    boolean tieWordEmbeddings,
    int nextTokenLayers,
    Quantization quantization,
    Optional<DType> dtype,
    GenerationDefaults generation) {
  public DeepSeekConfig {
    Objects.requireNonNull(family);
    Objects.requireNonNull(moe);
    Objects.requireNonNull(rope);
    Objects.requireNonNull(bosId);
    eosIds = List.copyOf(eosIds);
    Objects.requireNonNull(quantization);
    Objects.requireNonNull(dtype);
    Objects.requireNonNull(generation);
  }

  /**
   * This architecture with another longest context, for measurements with synthetic weights.
   *
   * @param positions new {@link #maxPositionEmbeddings}, positive
   */
  public DeepSeekConfig withMaxPositionEmbeddings(int positions) {
    return new DeepSeekConfig(
        family,
        vocab,
        hidden,
        layers,
        heads,
        qLoraRank,
        kvLoraRank,
        qkNope,
        qkRope,
        vHead,
        intermediate,
        moe,
        rmsNormEps,
        latentNormEps,
        rope,
        positions,
        bosId,
        eosIds,
        tieWordEmbeddings,
        nextTokenLayers,
        quantization,
        dtype,
        generation);
  }

  /** The {@code model_type} of {@code config.json}. */
  public String modelType() {
    return family.modelType();
  }

  /**
   * Whether queries go through a latent ({@code q_a_proj}, {@code q_a_layernorm}, {@code
   * q_b_proj}).
   */
  public boolean hasQueryLatent() {
    return qLoraRank > 0;
  }

  /** Per-head width of queries and keys. */
  public int qkHead() {
    return qkNope + qkRope;
  }

  /** Elements cached per token and layer: the latent and the rotated key part. */
  public int latentCacheWidth() {
    return kvLoraRank + qkRope;
  }

  /** Whether layer {@code index} has experts instead of a dense MLP. */
  public boolean isMoeLayer(int index) {
    return moe.isPresent() && index >= moe.get().firstDense() && index % moe.get().layerFreq() == 0;
  }

  /** The rotary table of this model. */
  public RotaryTable rotaryTable() {
    return RotaryTable.of(rope, qkRope);
  }

  /**
   * The factor of query-key products: {@code qkHead^-0.5}, times YaRN's {@code m(factor,
   * mscale_all_dim)^2}.
   */
  public double softmaxScale() {
    return RotaryTable.softmaxScale(rope, qkHead());
  }
}
