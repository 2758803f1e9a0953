package dev.halcyon.models.config;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The architectures that share this code; they differ in configuration only. */
public enum ModelFamily {
  DEEPSEEK_V2("deepseek_v2", "DeepseekV2ForCausalLM"),
  DEEPSEEK_V3("deepseek_v3", "DeepseekV3ForCausalLM"),
  /**
   * The code of DeepSeek-V3 under another name; the published configs still say
   * DeepseekV3ForCausalLM.
   */
  KIMI_K2("kimi_k2", "DeepseekV3ForCausalLM");

  private final String modelType;
  private final String architecture;

  ModelFamily(String modelType, String architecture) {
    this.modelType = modelType;
    this.architecture = architecture;
  }

  /** The {@code model_type} in {@code config.json}. */
  public String modelType() {
    return modelType;
  }

  /** The entry of {@code architectures} in {@code config.json}. */
  public String architecture() {
    return architecture;
  }

  /** The family of a {@code model_type}; empty if it is not supported. */
  public static Optional<ModelFamily> ofModelType(String modelType) {
    return Arrays.stream(values()).filter(f -> f.modelType.equals(modelType)).findFirst();
  }

  /** Every supported {@code model_type}. */
  public static List<String> modelTypes() {
    return Arrays.stream(values()).map(ModelFamily::modelType).toList();
  }
}
