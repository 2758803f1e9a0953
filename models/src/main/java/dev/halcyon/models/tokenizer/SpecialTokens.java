package dev.halcyon.models.tokenizer;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.models.json.JsonReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * The named tokens of {@code tokenizer_config.json}: {@code bos_token}, {@code eos_token}, {@code
 * pad_token} and so on.
 *
 * @param byName field name to token text, in file order
 */
public record SpecialTokens(Map<String, String> byName) {
  /** The file they are read from. */
  public static final String FILE = "tokenizer_config.json";

  private static final long MAX_BYTES = 64 << 20;

  public SpecialTokens {
    byName = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(byName));
  }

  /**
   * Reads the named tokens of the model in {@code dir}; none if the file is missing.
   *
   * @throws dev.halcyon.hal.HalException TOKENIZER_INVALID if the file is not valid JSON
   */
  public static SpecialTokens read(Path dir) {
    Path file = dir.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      return new SpecialTokens(Map.of());
    }
    return of(
        JsonReader.readObject(
            file,
            MAX_BYTES,
            HalErrorCode.TOKENIZER_INVALID,
            "restore " + FILE + " from the model's repository"));
  }

  /**
   * The named tokens of a parsed {@code tokenizer_config.json}: strings, or objects with a {@code
   * content}.
   */
  public static SpecialTokens of(JsonNode config) {
    Map<String, String> found = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : config.properties()) {
      JsonNode value = e.getValue().isObject() ? e.getValue().path("content") : e.getValue();
      if (e.getKey().endsWith("_token") && value.isString()) {
        found.put(e.getKey(), value.stringValue());
      }
    }
    return new SpecialTokens(found);
  }

  public Optional<String> bosToken() {
    return Optional.ofNullable(byName.get("bos_token"));
  }

  public Optional<String> eosToken() {
    return Optional.ofNullable(byName.get("eos_token"));
  }
}
