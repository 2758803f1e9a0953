package dev.halcyon.models.config;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.testing.GoldenResources;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class ConfigReaderTest {
  static final List<String> VARIANTS = GoldenResources.VARIANTS;

  /** DeepSeek-V3 as published. */
  private static final String V3 =
      """
      {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 7168,
       "num_hidden_layers": 61, "first_k_dense_replace": 3, "num_attention_heads": 128, "num_key_value_heads": 128,
       "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
       "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
       "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
       "norm_topk_prob": true, "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 1,
       "max_position_embeddings": 163840, "rms_norm_eps": 1e-06, "rope_theta": 10000, "tie_word_embeddings": false,
       "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32,
         "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
       "bos_token_id": 0, "eos_token_id": 1, "vocab_size": 129280, "torch_dtype": "bfloat16", "hidden_act": "silu",
       "attention_bias": false, "moe_layer_freq": 1, "ep_size": 1, "aux_loss_alpha": 0.001,
       "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
       "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
         "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}}
      """;

  @TempDir Path temp;

  private static DeepSeekConfig parse(String json) {
    return ConfigReader.parse(
        new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), "test.json");
  }

  private static String edit(Consumer<ObjectNode> change) {
    ObjectNode node = (ObjectNode) JsonMapper.shared().readTree(V3);
    change.accept(node);
    return node.toString();
  }

  @Test
  void publishedV3() {
    DeepSeekConfig c = parse(V3);
    MoeConfig moe = c.moe().orElseThrow();
    assertEquals(ModelFamily.DEEPSEEK_V3, c.family());
    assertEquals("deepseek_v3", c.modelType());
    assertEquals(192, c.qkHead());
    assertEquals(576, c.latentCacheWidth());
    assertTrue(c.hasQueryLatent());
    assertEquals(0.135233779, c.softmaxScale(), 1e-9);
    assertEquals(1e-6, c.latentNormEps());
    assertFalse(c.isMoeLayer(2));
    assertTrue(c.isMoeLayer(3));
    assertEquals(TopkMethod.NOAUX_TC, moe.topkMethod());
    assertTrue(moe.hasCorrectionBias());
    assertEquals(2.5, moe.weightScale());
    assertEquals(1, c.nextTokenLayers());
    assertEquals(new Quantization.Fp8(128, 128, Quantization.ScaleFormat.UE8M0), c.quantization());
    assertEquals(DType.BF16, c.dtype().orElseThrow());
    assertEquals(OptionalInt.of(0), c.bosId());
    assertEquals(List.of(1), c.eosIds());
  }

  @ParameterizedTest
  @FieldSource("VARIANTS")
  void goldenConfigs(String variant) {
    DeepSeekConfig c = ConfigReader.read(GoldenResources.anyCheckpoint(variant));
    MoeConfig moe = c.moe().orElseThrow();
    assertEquals(512, c.vocab());
    switch (variant) {
      case "dsv2lite-tiny" -> {
        assertEquals(0, c.qLoraRank());
        assertEquals(TopkMethod.GREEDY, moe.topkMethod());
        assertEquals(ScoringFunction.SOFTMAX, moe.scoring());
        assertEquals(0.707, c.rope().yarn().orElseThrow().mscaleAllDim().orElseThrow());
      }
      case "dsv2-tiny" -> {
        assertEquals(TopkMethod.GROUP_LIMITED_GREEDY, moe.topkMethod());
        assertEquals(16, moe.weightScale());
        assertEquals(64, moe.sharedIntermediate());
      }
      case "moonlight-tiny" -> {
        assertTrue(c.rope().yarn().isEmpty());
        assertEquals(50000, c.rope().theta());
      }
      case "dsv3-fp8-tiny" -> assertInstanceOf(Quantization.Fp8.class, c.quantization());
      default -> assertEquals(ScoringFunction.SIGMOID, moe.scoring());
    }
  }

  @Test
  void defaultsOfTheFamilies() {
    String[] optional = {
      "topk_method", "scoring_func", "norm_topk_prob", "routed_scaling_factor", "n_group",
          "topk_group",
      "n_shared_experts", "first_k_dense_replace", "rms_norm_eps", "rope_theta", "rope_scaling",
          "moe_layer_freq",
      "max_position_embeddings", "quantization_config", "torch_dtype", "bos_token_id",
          "eos_token_id"
    };
    DeepSeekConfig v3 = parse(edit(n -> n.remove(List.of(optional))));
    MoeConfig m3 = v3.moe().orElseThrow();
    assertEquals(TopkMethod.NOAUX_TC, m3.topkMethod());
    assertEquals(ScoringFunction.SIGMOID, m3.scoring());
    assertTrue(m3.normTopkProb());
    assertEquals(2.5, m3.weightScale());
    assertEquals(8, m3.groups());
    assertEquals(4, m3.topkGroups());
    assertEquals(3, m3.firstDense());
    assertEquals(4096, v3.maxPositionEmbeddings());
    assertEquals(1e4, v3.rope().theta());
    assertInstanceOf(Quantization.None.class, v3.quantization());
    assertEquals(List.of(1), v3.eosIds());

    DeepSeekConfig v2 =
        parse(
            edit(
                n -> {
                  n.remove(List.of(optional));
                  n.put("model_type", "deepseek_v2")
                      .putArray("architectures")
                      .add("DeepseekV2ForCausalLM");
                }));
    MoeConfig m2 = v2.moe().orElseThrow();
    assertEquals(TopkMethod.GREEDY, m2.topkMethod());
    assertEquals(ScoringFunction.SOFTMAX, m2.scoring());
    assertFalse(m2.normTopkProb());
    assertEquals(1.0, m2.weightScale());
    assertEquals(1, m2.groups());
    assertEquals(2, m2.sharedExperts());
    assertEquals(List.of(2), v2.eosIds());
  }

  @Test
  void v2NormalisesOrScales() {
    String v2 =
        edit(
            n ->
                n.put("model_type", "deepseek_v2")
                    .put("topk_method", "group_limited_greedy")
                    .put("scoring_func", "softmax")
                    .put("routed_scaling_factor", 16.0)
                    .putArray("architectures")
                    .add("DeepseekV2ForCausalLM"));
    MoeConfig both = parse(v2).moe().orElseThrow();
    assertTrue(both.normTopkProb());
    assertEquals(16.0, both.routedScalingFactor());
    assertEquals(1.0, both.weightScale());
  }

  @Test
  void bothRopeStylesMeanTheSame() {
    DeepSeekConfig old = parse(V3);
    DeepSeekConfig modern =
        parse(
            edit(
                n -> {
                  ObjectNode rope = (ObjectNode) n.remove("rope_scaling");
                  n.remove("rope_theta");
                  rope.remove("type");
                  rope.put("rope_type", "yarn").put("rope_theta", 10000.0);
                  n.set("rope_parameters", rope);
                }));
    assertEquals(old.rope(), modern.rope());
    DeepSeekConfig plain =
        parse(
            edit(
                n -> {
                  n.remove("rope_scaling");
                  n.putObject("rope_parameters")
                      .put("rope_type", "default")
                      .put("rope_theta", 50000.0);
                }));
    assertTrue(plain.rope().yarn().isEmpty());
    assertEquals(50000, plain.rope().theta());
    assertTrue(parse(edit(n -> n.putNull("rope_scaling"))).rope().yarn().isEmpty());
  }

  @Test
  void kimiAndDenseAndNoQueryLatent() {
    DeepSeekConfig kimi =
        parse(
            edit(
                n ->
                    n.put("model_type", "kimi_k2")
                        .put("n_routed_experts", 384)
                        .put("n_group", 1)
                        .put("topk_group", 1)
                        .put("routed_scaling_factor", 2.827)));
    assertEquals(ModelFamily.KIMI_K2, kimi.family());
    DeepSeekConfig dense = parse(edit(n -> n.putNull("n_routed_experts")));
    assertTrue(dense.moe().isEmpty());
    assertFalse(dense.isMoeLayer(60));
    assertFalse(parse(edit(n -> n.putNull("q_lora_rank"))).hasQueryLatent());
    assertEquals(
        0,
        parse(edit(n -> n.putNull("n_shared_experts"))).moe().orElseThrow().sharedIntermediate());
  }

  @Test
  void generationConfigExtendsEndTokens() throws IOException {
    Files.writeString(temp.resolve("config.json"), V3);
    Files.writeString(
        temp.resolve("generation_config.json"),
        "{\"eos_token_id\": [128805, 1], \"do_sample\": true, \"temperature\": 0.6, \"top_p\":"
            + " 0.95}");
    DeepSeekConfig c = ConfigReader.read(temp);
    assertEquals(List.of(128805, 1), c.eosIds());
    assertEquals(0.6, c.generation().temperature().orElseThrow());
    assertEquals(0.95, c.generation().topP().orElseThrow());
    Files.writeString(temp.resolve("generation_config.json"), "{\"eos_token_id\": 999999}");
    assertFails(
        HalErrorCode.CONFIG_INVALID,
        () -> ConfigReader.read(temp),
        "generation_config.json",
        "eos_token_id",
        "999999");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "hidden_size | 0 | 'hidden_size' is 0",
        "hidden_size | -5 | 'hidden_size' is -5",
        "hidden_size | 99999999999999999999 | hidden_size",
        "hidden_size | 2000000000 | 'hidden_size' is 2000000000",
        "hidden_size | 1.5 | 'hidden_size' is 1.5",
        "hidden_size | \"7168\" | hidden_size",
        "hidden_size | null | 'hidden_size' is null",
        "hidden_size | REMOVE | 'hidden_size' is nothing",
        "kv_lora_rank | REMOVE | kv_lora_rank",
        "vocab_size | REMOVE | vocab_size",
        "num_hidden_layers | 1e9 | num_hidden_layers",
        "num_attention_heads | 0 | num_attention_heads",
        "qk_rope_head_dim | 63 | an even number",
        "n_group | 7 | a divisor of n_routed_experts (256)",
        "topk_group | 9 | at most n_group (8)",
        "num_experts_per_tok | 200 | at most topk_group * n_routed_experts / n_group = 128",
        "num_experts_per_tok | 0 | num_experts_per_tok",
        "num_experts_per_tok | REMOVE | num_experts_per_tok",
        "n_routed_experts | REMOVE | n_routed_experts",
        "moe_intermediate_size | -1 | moe_intermediate_size",
        "n_shared_experts | 65537 | n_shared_experts",
        "topk_method | \"best\" | greedy, group_limited_greedy, noaux_tc",
        "scoring_func | \"tanh\" | softmax, sigmoid",
        "norm_topk_prob | 1 | true or false",
        "routed_scaling_factor | 0 | routed_scaling_factor",
        "rms_norm_eps | 0 | rms_norm_eps",
        "rms_norm_eps | -1e-6 | rms_norm_eps",
        "rope_theta | 1 | rope_theta",
        "rope_scaling | 3 | rope_scaling",
        "rope_scaling | {\"type\": \"yarn\"} | rope_scaling.factor",
        "rope_scaling | {\"type\": \"yarn\", \"factor\": 0.5} | rope_scaling.factor",
        "rope_scaling | {\"type\": \"yarn\", \"factor\": 4, \"beta_fast\": 1, \"beta_slow\": 32} |"
            + " beta_fast",
        "eos_token_id | 129280 | eos_token_id",
        "eos_token_id | [1, \"a\"] | eos_token_id",
        "bos_token_id | -1 | bos_token_id",
        "architectures | \"x\" | architectures",
        "torch_dtype | \"int3\" | torch_dtype",
        "max_position_embeddings | 0 | max_position_embeddings",
        "quantization_config | {\"quant_method\": \"fp8\"} | weight_block_size",
        "quantization_config | {\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]} |"
            + " weight_block_size"
      })
  void invalidValuesAreNamed(String field, String value, String expected) {
    String json = edit(n -> replace(n, field, value));
    assertFails(
        HalErrorCode.CONFIG_INVALID,
        () -> parse(json),
        expected,
        field,
        "test.json",
        "expected",
        "remedy");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "model_type | \"llama\" | deepseek_v2, deepseek_v3, kimi_k2",
        "model_type | \"deepseek_v32\" | lightning indexer",
        "model_type | \"kimi_linear\" | linear attention",
        "architectures | [\"DeepseekV3Model\"] | DeepseekV3ForCausalLM",
        "architectures | [\"LlamaForCausalLM\"] | LlamaForCausalLM",
        "attention_bias | true | attention_bias",
        "mla_use_nope | true | mla_use_nope",
        "index_topk | 2048 | index_topk",
        "hidden_act | \"gelu\" | gelu",
        "rope_scaling | {\"type\": \"linear\", \"factor\": 2} | linear",
        "quantization_config | {\"quant_method\": \"gptq\"} | gptq",
        "quantization_config | {\"quant_method\": \"fp8\", \"activation_scheme\": \"static\"} |"
            + " static"
      })
  void unsupportedModelsAreExplained(String field, String value, String expected) {
    String json = edit(n -> replace(n, field, value));
    assertFails(
        HalErrorCode.UNSUPPORTED_ARCHITECTURE, () -> parse(json), expected, "test.json", "remedy");
  }

  @Test
  void widthsThatOverflowTogether() {
    String heads = edit(n -> n.put("num_attention_heads", 65536).put("v_head_dim", 65536));
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse(heads), "num_attention_heads", "2^31");
    String shared =
        edit(n -> n.put("n_shared_experts", 65536).put("moe_intermediate_size", 1 << 20));
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse(shared), "n_shared_experts", "2^31");
  }

  private static void replace(ObjectNode n, String field, String value) {
    if (value.equals("REMOVE")) {
      n.remove(field);
    } else {
      n.set(field, JsonMapper.shared().readTree(value));
    }
  }

  @Test
  void brokenFiles() throws IOException {
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND,
        () -> ConfigReader.read(temp),
        "config.json",
        temp.toString());
    Files.writeString(temp.resolve("config.json"), V3.substring(0, 300));
    assertFails(
        HalErrorCode.CONFIG_INVALID,
        () -> ConfigReader.read(temp),
        "not valid JSON",
        "config.json",
        "line");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse(""), "nothing");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse("[1]"), "JSON object");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse("{}"), "model_type");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse("{} {}"), "not valid JSON");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse("{\"a\":1,\"a\":2}"), "not valid JSON");
    assertFails(HalErrorCode.CONFIG_INVALID, () -> parse("{\"a\":".repeat(5000)), "not valid JSON");
  }
}
