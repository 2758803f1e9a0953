package dev.halcyon.models.config;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.json.JsonReader;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * Reads {@code config.json} (and {@code generation_config.json}) of the DeepSeek family as
 * transformers 5.18 understands them: dimensions are mandatory, everything else has the default of
 * its {@code model_type}. Both styles of rotary settings are read: {@code rope_theta} with {@code
 * rope_scaling} and {@code rope_parameters}.
 */
public final class ConfigReader {
  /** The file every model directory holds. */
  public static final String FILE = "config.json";

  private static final String GENERATION_FILE = "generation_config.json";
  private static final long MAX_BYTES = 16 << 20;
  private static final double LATENT_NORM_EPS = 1e-6;
  private static final int MAX_DIM = 1 << 20;
  private static final int MAX_COUNT = 1 << 16;

  private ConfigReader() {}

  /**
   * Reads the configuration in {@code dir}.
   *
   * @throws HalException MODEL_NOT_FOUND if there is no {@code config.json};
   *     UNSUPPORTED_ARCHITECTURE; CONFIG_INVALID naming file, field, value and expectation
   */
  public static DeepSeekConfig read(Path dir) {
    Path file = dir.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw HalException.of(HalErrorCode.MODEL_NOT_FOUND, "no " + FILE + " in " + dir)
          .remedy("name the directory of a Hugging Face checkpoint")
          .build();
    }
    String remedy = "restore " + FILE + " from the model's repository";
    JsonNode config = JsonReader.readObject(file, MAX_BYTES, HalErrorCode.CONFIG_INVALID, remedy);
    Path generation = dir.resolve(GENERATION_FILE);
    if (!Files.isRegularFile(generation)) {
      return build(new ConfigFields(config, file.toString()), Optional.empty());
    }
    JsonNode extra =
        JsonReader.readObject(
            generation,
            MAX_BYTES,
            HalErrorCode.CONFIG_INVALID,
            "restore or delete " + GENERATION_FILE);
    return build(
        new ConfigFields(config, file.toString()),
        Optional.of(new ConfigFields(extra, generation.toString())));
  }

  /**
   * Reads a configuration without {@code generation_config.json}.
   *
   * @param in the text of {@code config.json}; stays open
   * @param sourceName names the text in errors
   */
  public static DeepSeekConfig parse(InputStream in, String sourceName) {
    JsonNode config =
        JsonReader.readObject(
            in, sourceName, MAX_BYTES, HalErrorCode.CONFIG_INVALID, "correct the configuration");
    return build(new ConfigFields(config, sourceName), Optional.empty());
  }

  private static DeepSeekConfig build(ConfigFields c, Optional<ConfigFields> generation) {
    ModelFamily family = ArchitectureCheck.familyOf(c);
    ArchitectureCheck.refuseUnsupported(c);
    boolean v2 = family == ModelFamily.DEEPSEEK_V2;

    int vocab = c.requiredInt("vocab_size", 1, 1 << 24);
    int heads = c.requiredInt("num_attention_heads", 1, MAX_COUNT);
    int qkRope = c.requiredInt("qk_rope_head_dim", 2, MAX_COUNT);
    if (qkRope % 2 != 0) {
      throw c.invalid("qk_rope_head_dim", Integer.toString(qkRope), "an even number");
    }
    int qkNope = c.requiredInt("qk_nope_head_dim", 1, MAX_COUNT);
    int vHead = c.requiredInt("v_head_dim", 1, MAX_COUNT);
    fits(c, "num_attention_heads", heads, (long) heads * (qkNope + (long) Math.max(vHead, qkRope)));
    int hidden = c.requiredInt("hidden_size", 1, MAX_DIM);
    int layers = c.requiredInt("num_hidden_layers", 1, MAX_COUNT);
    int maxPosition = c.optionalInt("max_position_embeddings", 1, 1 << 28).orElse(v2 ? 2048 : 4096);
    OptionalInt bos = bosId(c, generation, v2, vocab);
    return new DeepSeekConfig(
        family,
        vocab,
        hidden,
        layers,
        heads,
        queryRank(c),
        c.requiredInt("kv_lora_rank", 1, MAX_DIM),
        qkNope,
        qkRope,
        vHead,
        c.requiredInt("intermediate_size", 1, MAX_DIM),
        moe(c, v2),
        epsilon(c),
        LATENT_NORM_EPS,
        rope(c, maxPosition),
        maxPosition,
        bos,
        eosIds(c, generation, v2, vocab),
        c.bool("tie_word_embeddings", false),
        c.optionalInt("num_nextn_predict_layers", 0, MAX_COUNT).orElse(0),
        quantization(c),
        dtype(c),
        generation.map(ConfigReader::generationDefaults).orElse(GenerationDefaults.NONE));
  }

  private static void fits(ConfigFields c, String field, int value, long product) {
    if (product > Integer.MAX_VALUE) {
      throw c.invalid(field, Integer.toString(value), "a total width below 2^31, got " + product);
    }
  }

  private static int queryRank(ConfigFields c) {
    return c.isExplicitNull("q_lora_rank")
        ? 0
        : c.optionalInt("q_lora_rank", 1, MAX_DIM).orElse(1536);
  }

  private static double epsilon(ConfigFields c) {
    double eps = c.number("rms_norm_eps").orElse(1e-6);
    if (!(eps > 0 && eps < 0.1)) {
      throw c.invalid("rms_norm_eps", Double.toString(eps), "a number above 0 and below 0.1");
    }
    return eps;
  }

  private static Optional<MoeConfig> moe(ConfigFields c, boolean v2) {
    if (c.isExplicitNull("n_routed_experts")) {
      return Optional.empty();
    }
    if (!c.has("n_routed_experts")
        && !c.has("num_experts_per_tok")
        && !c.has("moe_intermediate_size")) {
      return Optional.empty();
    }
    int experts = c.requiredInt("n_routed_experts", 1, MAX_COUNT);
    int topK = c.requiredInt("num_experts_per_tok", 1, experts);
    int groups = c.optionalInt("n_group", 1, experts).orElse(c.has("n_group") || v2 ? 1 : 8);
    if (experts % groups != 0) {
      throw c.invalid(
          "n_group",
          Integer.toString(groups),
          "a divisor of n_routed_experts (" + experts + "), so that groups are equal");
    }
    int topkGroups =
        c.optionalInt("topk_group", 1, experts)
            .orElse(c.has("topk_group") || v2 ? groups : Math.min(4, groups));
    if (topkGroups > groups) {
      throw c.invalid(
          "topk_group", Integer.toString(topkGroups), "at most n_group (" + groups + ")");
    }
    TopkMethod method =
        c.choice(
            "topk_method",
            TopkMethod.values(),
            TopkMethod::key,
            v2 ? TopkMethod.GREEDY : TopkMethod.NOAUX_TC);
    int perGroup = experts / groups;
    if (method != TopkMethod.GREEDY && topK > topkGroups * perGroup) {
      throw c.invalid(
          "num_experts_per_tok",
          Integer.toString(topK),
          "at most topk_group * n_routed_experts / n_group = " + topkGroups * perGroup);
    }
    if (method == TopkMethod.NOAUX_TC && groups > 1 && perGroup < 2) {
      throw c.invalid(
          "n_group",
          Integer.toString(groups),
          "groups of at least two experts for topk_method noaux_tc");
    }
    boolean norm = c.bool("norm_topk_prob", !v2);
    double scaling = c.number("routed_scaling_factor").orElse(v2 ? 1.0 : 2.5);
    if (!(scaling > 0 && scaling <= 1e6)) {
      throw c.invalid(
          "routed_scaling_factor", Double.toString(scaling), "a number above 0 and at most 1e6");
    }
    int intermediate = c.requiredInt("moe_intermediate_size", 1, MAX_DIM);
    int shared =
        c.has("n_shared_experts")
            ? c.optionalInt("n_shared_experts", 0, MAX_COUNT).orElse(0)
            : v2 ? 2 : 1;
    fits(c, "n_shared_experts", shared, (long) shared * intermediate);
    return Optional.of(
        new MoeConfig(
            c.optionalInt("first_k_dense_replace", 0, MAX_COUNT).orElse(v2 ? 0 : 3),
            c.optionalInt("moe_layer_freq", 1, MAX_COUNT).orElse(1),
            experts,
            shared,
            topK,
            groups,
            topkGroups,
            method,
            c.choice(
                "scoring_func",
                ScoringFunction.values(),
                ScoringFunction::key,
                v2 ? ScoringFunction.SOFTMAX : ScoringFunction.SIGMOID),
            norm,
            scaling,
            v2 && norm && topK > 1 ? 1.0 : scaling,
            intermediate));
  }

  private static RopeConfig rope(ConfigFields c, int maxPosition) {
    boolean scaling = c.has("rope_scaling") && !c.isExplicitNull("rope_scaling");
    String field = scaling ? "rope_scaling" : "rope_parameters";
    Optional<ConfigFields> settings = c.object(field);
    OptionalDouble inner = settings.map(s -> s.number("rope_theta")).orElse(OptionalDouble.empty());
    double theta = inner.isPresent() ? inner.getAsDouble() : c.number("rope_theta").orElse(10_000);
    if (!(theta > 1 && theta <= 1e15)) {
      throw c.invalid("rope_theta", Double.toString(theta), "a number above 1 and at most 1e15");
    }
    RopeConfig.Layout layout =
        c.bool("rope_interleave", true)
            ? RopeConfig.Layout.INTERLEAVED
            : RopeConfig.Layout.HALF_SPLIT;
    String type =
        settings
            .map(s -> s.text("rope_type").or(() -> s.text("type")).orElse("default"))
            .orElse("default");
    return switch (type) {
      case "default" -> new RopeConfig(theta, layout, Optional.empty());
      case "yarn" ->
          new RopeConfig(theta, layout, Optional.of(yarn(settings.orElseThrow(), maxPosition)));
      default ->
          throw c.unsupported(
              "rotary scaling '" + type + "' in " + field + " is not supported",
              "use a model with 'default' or 'yarn'");
    };
  }

  private static RopeConfig.Yarn yarn(ConfigFields s, int maxPosition) {
    double factor =
        s.number("factor")
            .orElseThrow(
                () -> s.invalid("factor", "nothing", "a number of at least 1 for rope type yarn"));
    if (!(factor >= 1 && factor <= 1e6)) {
      throw s.invalid("factor", Double.toString(factor), "a number from 1 to 1e6");
    }
    double fast = positive(s, "beta_fast", 32);
    double slow = positive(s, "beta_slow", 1);
    if (fast < slow) {
      throw s.invalid("beta_fast", Double.toString(fast), "at least beta_slow (" + slow + ")");
    }
    OptionalDouble attentionFactor = s.number("attention_factor");
    if (attentionFactor.isPresent() && !(attentionFactor.getAsDouble() > 0)) {
      throw s.invalid(
          "attention_factor", Double.toString(attentionFactor.getAsDouble()), "a positive number");
    }
    return new RopeConfig.Yarn(
        factor,
        s.optionalInt("original_max_position_embeddings", 1, 1 << 28).orElse(maxPosition),
        fast,
        slow,
        nonNegative(s, "mscale"),
        nonNegative(s, "mscale_all_dim"),
        attentionFactor,
        s.bool("truncate", true));
  }

  private static double positive(ConfigFields s, String field, double absent) {
    double value = s.number(field).orElse(absent);
    if (!(value > 0 && value <= 1e6)) {
      throw s.invalid(field, Double.toString(value), "a number above 0 and at most 1e6");
    }
    return value;
  }

  private static OptionalDouble nonNegative(ConfigFields s, String field) {
    OptionalDouble value = s.number(field);
    if (value.isPresent() && !(value.getAsDouble() >= 0 && value.getAsDouble() <= 1e3)) {
      throw s.invalid(field, Double.toString(value.getAsDouble()), "a number from 0 to 1000");
    }
    return value;
  }

  private static OptionalInt bosId(
      ConfigFields c, Optional<ConfigFields> generation, boolean v2, int vocab) {
    OptionalInt own = c.optionalInt("bos_token_id", 0, vocab - 1);
    if (own.isPresent() || c.isExplicitNull("bos_token_id")) {
      return own;
    }
    OptionalInt other =
        generation
            .map(g -> g.optionalInt("bos_token_id", 0, vocab - 1))
            .orElse(OptionalInt.empty());
    return other.isPresent() ? other : OptionalInt.of(Math.min(v2 ? 1 : 0, vocab - 1));
  }

  private static List<Integer> eosIds(
      ConfigFields c, Optional<ConfigFields> generation, boolean v2, int vocab) {
    Set<Integer> ids = new LinkedHashSet<>();
    generation.ifPresent(g -> ids.addAll(g.intOrList("eos_token_id", vocab - 1)));
    ids.addAll(c.intOrList("eos_token_id", vocab - 1));
    if (ids.isEmpty() && !c.has("eos_token_id")) {
      ids.add(Math.min(v2 ? 2 : 1, vocab - 1));
    }
    return new ArrayList<>(ids);
  }

  private static Quantization quantization(ConfigFields c) {
    Optional<ConfigFields> found = c.object("quantization_config");
    if (found.isEmpty()) {
      return new Quantization.None();
    }
    ConfigFields q = found.get();
    String method = q.text("quant_method").orElse("");
    if (!method.equals("fp8")) {
      throw c.unsupported(
          "quantization_config.quant_method '" + method + "' is not supported",
          "use the bf16 or the FP8 (128x128 blocks) release of the model");
    }
    if (!q.text("fmt").orElse("e4m3").equals("e4m3")) {
      throw c.unsupported(
          "FP8 format '" + q.text("fmt").orElse("") + "' is not supported",
          "use an e4m3 checkpoint");
    }
    if (!q.text("activation_scheme").orElse("dynamic").equals("dynamic")) {
      throw c.unsupported(
          "static activation scales are not supported",
          "use a checkpoint with dynamic activations");
    }
    List<Integer> block = q.intOrList("weight_block_size", MAX_DIM);
    if (block.size() != 2 || block.get(0) < 1 || block.get(1) < 1) {
      throw q.invalid(
          "weight_block_size", block.toString(), "two positive numbers, for example [128, 128]");
    }
    String format = q.text("scale_fmt").orElse("float");
    Quantization.ScaleFormat scale =
        switch (format) {
          case "float", "float32", "f32" -> Quantization.ScaleFormat.FLOAT;
          case "ue8m0" -> Quantization.ScaleFormat.UE8M0;
          default -> throw q.invalid("scale_fmt", format, "ue8m0 or nothing");
        };
    return new Quantization.Fp8(block.get(0), block.get(1), scale);
  }

  private static Optional<DType> dtype(ConfigFields c) {
    return c.text("dtype")
        .or(() -> c.text("torch_dtype"))
        .flatMap(
            name ->
                switch (name.startsWith("torch.") ? name.substring(6) : name) {
                  case "float32" -> Optional.of(DType.F32);
                  case "float16" -> Optional.of(DType.F16);
                  case "bfloat16" -> Optional.of(DType.BF16);
                  case "float8_e4m3fn" -> Optional.of(DType.F8_E4M3FN);
                  case "auto" -> Optional.empty();
                  default -> throw c.invalid("torch_dtype", name, "float32, float16 or bfloat16");
                });
  }

  private static GenerationDefaults generationDefaults(ConfigFields g) {
    OptionalDouble temperature = g.number("temperature");
    if (!g.bool("do_sample", temperature.isPresent())) {
      temperature = g.has("do_sample") ? OptionalDouble.of(0) : temperature;
    }
    OptionalInt topK = g.optionalInt("top_k", 0, Integer.MAX_VALUE);
    return new GenerationDefaults(temperature, g.number("top_p"), topK);
  }
}
