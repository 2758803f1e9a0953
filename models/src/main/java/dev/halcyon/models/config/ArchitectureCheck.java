package dev.halcyon.models.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/** Decides whether a configuration is one this code computes correctly, and says why not. */
final class ArchitectureCheck {
  /** Relatives that look alike, and what they have that this code lacks. */
  private static final Map<String, String> KNOWN_UNSUPPORTED =
      Map.of(
          "deepseek_v32", "its sparse attention (lightning indexer) is not implemented",
          "deepseek_v4", "its compressed attention and hyper-connections are not implemented",
          "deepseek", "DeepSeek-MoE V1 has no latent attention",
          "kimi_linear", "its linear attention layers (KDA) are not implemented",
          "kimi_k25", "its vision tower is not implemented; the text part is kimi_k2",
          "glm_moe_dsa", "its sparse attention (lightning indexer) is not implemented",
          "glm4_moe_lite", "this relative has not been verified against a reference",
          "longcat_flash", "its double layers and zero experts are not implemented");

  private ArchitectureCheck() {}

  static ModelFamily familyOf(ConfigFields c) {
    String type = c.text("model_type").orElse("");
    List<String> architectures = architectures(c);
    if (type.isEmpty() && architectures.isEmpty()) {
      throw c.invalid("model_type", "nothing", "one of " + supportedTypes());
    }
    ModelFamily family =
        ModelFamily.ofModelType(type)
            .orElseThrow(
                () ->
                    c.unsupported(
                        (type.isEmpty()
                                ? "architecture " + architectures
                                : "model_type '" + type + "'")
                            + " is not supported"
                            + (KNOWN_UNSUPPORTED.containsKey(type)
                                ? ": " + KNOWN_UNSUPPORTED.get(type)
                                : ""),
                        "use a model whose model_type is one of " + supportedTypes()));
    boolean matches =
        architectures.isEmpty()
            || architectures.contains(family.architecture())
            || (family == ModelFamily.KIMI_K2 && architectures.contains("KimiK2ForCausalLM"));
    if (!matches) {
      throw c.unsupported(
          "architectures "
              + architectures
              + " do not contain "
              + family.architecture()
              + ", which model_type '"
              + type
              + "' stands for",
          "use a model whose model_type is one of "
              + supportedTypes()
              + ", with a causal language model head");
    }
    return family;
  }

  private static List<String> architectures(ConfigFields c) {
    JsonNode node = c.node().path("architectures");
    if (node.isMissingNode() || node.isNull()) {
      return List.of();
    }
    List<String> names = new ArrayList<>();
    for (JsonNode n : node) {
      if (!n.isString() || n.stringValue().length() > 200 || names.size() > 16) {
        throw c.invalid("architectures", "something else", "a short list of class names");
      }
      names.add(n.stringValue());
    }
    if (!node.isArray()) {
      throw c.invalid("architectures", "not a list", "a short list of class names");
    }
    return names;
  }

  private static String supportedTypes() {
    return ModelFamily.modelTypes().stream().collect(Collectors.joining(", "));
  }

  static void refuseUnsupported(ConfigFields c) {
    String remedy = "use a model without this feature";
    if (c.bool("attention_bias", false)) {
      throw c.unsupported(
          "attention_bias is true: projections with bias are not implemented", remedy);
    }
    if (c.bool("mlp_bias", false)) {
      throw c.unsupported("mlp_bias is true: MLPs with bias are not implemented", remedy);
    }
    if (c.bool("mla_use_nope", false)) {
      throw c.unsupported(
          "mla_use_nope is true: latent attention without rotary position is not implemented",
          remedy);
    }
    for (String field : List.of("index_topk", "index_n_heads", "index_head_dim")) {
      if (c.has(field) && !c.isExplicitNull(field)) {
        throw c.unsupported(
            field + " is set: sparse attention (lightning indexer) is not implemented", remedy);
      }
    }
    if (c.has("linear_attn_config") && !c.isExplicitNull("linear_attn_config")) {
      throw c.unsupported(
          "linear_attn_config is set: linear attention layers are not implemented", remedy);
    }
    String activation = c.text("hidden_act").orElse("silu");
    if (!activation.equals("silu") && !activation.equals("swish")) {
      throw c.unsupported("hidden_act '" + activation + "' is not implemented, only silu", remedy);
    }
  }
}
