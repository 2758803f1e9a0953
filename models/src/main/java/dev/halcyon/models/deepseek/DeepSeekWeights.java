package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.config.MoeConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The weights of a model on a device, by the names of the Hugging Face checkpoints.
 *
 * @param embedding [vocab, hidden]
 * @param layers the decoder layers
 * @param norm [hidden]
 * @param head [vocab, hidden]
 */
record DeepSeekWeights(Tensor embedding, List<Layer> layers, Tensor norm, Tensor head) {
  /**
   * A decoder layer.
   *
   * @param inputNorm [hidden]
   * @param attention the MLA weights
   * @param postNorm [hidden]
   * @param feedForward dense or mixture of experts
   */
  record Layer(Tensor inputNorm, Mla attention, Tensor postNorm, FeedForward feedForward) {}

  /** The query projection. */
  sealed interface Query {}

  /** Straight from the hidden state: {@code q} [heads * (nope + rope), hidden]. */
  record DirectQuery(Tensor q) implements Query {}

  /**
   * Through a latent: {@code qA} [rank, hidden], {@code norm} [rank], {@code qB} [heads * (nope +
   * rope), rank].
   */
  record LatentQuery(Tensor qA, Tensor norm, Tensor qB) implements Query {}

  /**
   * Multi-head latent attention.
   *
   * @param query the query projection
   * @param kvA [kvLora + rope, hidden]
   * @param kvNorm [kvLora]
   * @param kvB [heads * (nope + v), kvLora]
   * @param output [hidden, heads * v]
   */
  record Mla(Query query, Tensor kvA, Tensor kvNorm, Tensor kvB, Tensor output) {}

  /** What follows attention. */
  sealed interface FeedForward {}

  /** A gated MLP: gate, up [inter, hidden], down [hidden, inter]. */
  record Mlp(Tensor gate, Tensor up, Tensor down) implements FeedForward {}

  /**
   * A mixture of experts.
   *
   * @param router [experts, hidden]
   * @param bias [experts] f32, corrects the choice
   * @param gate [experts, inter, hidden]
   * @param up [experts, inter, hidden]
   * @param down [experts, hidden, inter]
   * @param shared the shared expert
   */
  record Moe(
      Tensor router,
      Optional<Tensor> bias,
      Tensor gate,
      Tensor up,
      Tensor down,
      Optional<Mlp> shared)
      implements FeedForward {}

  /** Loads all weights of {@code config}. */
  static DeepSeekWeights load(DeepSeekConfig config, WeightSource source) {
    Tensor embedding = source.plain("model.embed_tokens.weight", config.vocab(), config.hidden());
    List<Layer> layers = new ArrayList<>();
    for (int i = 0; i < config.layers(); i++) {
      layers.add(layer(config, source, i));
    }
    Tensor norm = source.plain("model.norm.weight", config.hidden());
    Tensor head =
        config.tieWordEmbeddings()
            ? embedding
            : source.head("lm_head.weight", config.vocab(), config.hidden());
    return new DeepSeekWeights(embedding, List.copyOf(layers), norm, head);
  }

  private static Layer layer(DeepSeekConfig c, WeightSource source, int index) {
    String p = "model.layers." + index + ".";
    Tensor inputNorm = source.plain(p + "input_layernorm.weight", c.hidden());
    Mla attention = attention(c, source, p + "self_attn.");
    Tensor postNorm = source.plain(p + "post_attention_layernorm.weight", c.hidden());
    FeedForward feedForward =
        c.isMoeLayer(index)
            ? moe(c, c.moe().orElseThrow(), source, p + "mlp.")
            : mlp(source, p + "mlp.", c.hidden(), c.intermediate());
    return new Layer(inputNorm, attention, postNorm, feedForward);
  }

  private static Mla attention(DeepSeekConfig c, WeightSource source, String p) {
    long queries = (long) c.heads() * c.qkHead();
    Query query =
        c.hasQueryLatent()
            ? new LatentQuery(
                source.linear(p + "q_a_proj.weight", c.qLoraRank(), c.hidden()),
                source.plain(p + "q_a_layernorm.weight", c.qLoraRank()),
                source.linear(p + "q_b_proj.weight", queries, c.qLoraRank()))
            : new DirectQuery(source.linear(p + "q_proj.weight", queries, c.hidden()));
    return new Mla(
        query,
        source.linear(p + "kv_a_proj_with_mqa.weight", c.latentCacheWidth(), c.hidden()),
        source.plain(p + "kv_a_layernorm.weight", c.kvLoraRank()),
        source.linear(
            p + "kv_b_proj.weight", (long) c.heads() * (c.qkNope() + c.vHead()), c.kvLoraRank()),
        source.linear(p + "o_proj.weight", c.hidden(), (long) c.heads() * c.vHead()));
  }

  private static Mlp mlp(WeightSource source, String p, long hidden, long inter) {
    return new Mlp(
        source.linear(p + "gate_proj.weight", inter, hidden),
        source.linear(p + "up_proj.weight", inter, hidden),
        source.linear(p + "down_proj.weight", hidden, inter));
  }

  private static Moe moe(DeepSeekConfig c, MoeConfig m, WeightSource source, String p) {
    Optional<Tensor> bias =
        m.hasCorrectionBias()
            ? Optional.of(source.f32(p + "gate.e_score_correction_bias", m.routedExperts()))
            : Optional.empty();
    Optional<Mlp> shared =
        m.sharedExperts() > 0
            ? Optional.of(mlp(source, p + "shared_experts.", c.hidden(), m.sharedIntermediate()))
            : Optional.empty();
    return new Moe(
        source.plain(p + "gate.weight", m.routedExperts(), c.hidden()),
        bias,
        source.stacked(expertNames(p, m, "gate_proj"), m.intermediate(), c.hidden()),
        source.stacked(expertNames(p, m, "up_proj"), m.intermediate(), c.hidden()),
        source.stacked(expertNames(p, m, "down_proj"), c.hidden(), m.intermediate()),
        shared);
  }

  private static List<String> expertNames(String p, MoeConfig m, String matrix) {
    return IntStream.range(0, m.routedExperts())
        .mapToObj(e -> p + "experts." + e + "." + matrix + ".weight")
        .toList();
  }

  /**
   * Weight bytes one token reads in a decode step: everything but the embedding and the experts not
   * chosen.
   */
  long activeBytesPerToken(DeepSeekConfig config) {
    long bytes = bytes(norm) + bytes(head);
    bytes += embedding.dtype().byteSize(config.hidden());
    for (Layer layer : layers) {
      Mla a = layer.attention();
      bytes += bytes(layer.inputNorm()) + bytes(layer.postNorm()) + bytes(a.kvNorm());
      bytes += bytes(a.kvA()) + bytes(a.kvB()) + bytes(a.output());
      bytes +=
          switch (a.query()) {
            case DirectQuery q -> bytes(q.q());
            case LatentQuery q -> bytes(q.qA()) + bytes(q.norm()) + bytes(q.qB());
          };
      bytes +=
          switch (layer.feedForward()) {
            case Mlp m -> bytes(m);
            case Moe m -> {
              long experts = bytes(m.gate()) + bytes(m.up()) + bytes(m.down());
              int count = config.moe().orElseThrow().routedExperts();
              yield bytes(m.router())
                  + m.shared().map(DeepSeekWeights::bytes).orElse(0L)
                  + experts / count * config.moe().orElseThrow().topK();
            }
          };
    }
    return bytes;
  }

  private static long bytes(Mlp m) {
    return bytes(m.gate()) + bytes(m.up()) + bytes(m.down());
  }

  private static long bytes(Tensor t) {
    if (!t.parts().isEmpty()) {
      return t.parts().stream().mapToLong(DeepSeekWeights::bytes).sum();
    }
    TensorType type = t.type();
    return type.byteSize() + t.scales().map(s -> s.type().byteSize()).orElse(0L);
  }
}
