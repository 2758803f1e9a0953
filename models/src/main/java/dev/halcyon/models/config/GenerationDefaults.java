package dev.halcyon.models.config;

import java.util.Objects;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * The publisher's sampling advice in {@code generation_config.json}; everything is empty if there
 * is no such file.
 *
 * @param temperature advised temperature; 0 if the file says {@code do_sample: false}
 * @param topP advised nucleus
 * @param topK advised number of candidates
 */
public record GenerationDefaults(
    OptionalDouble temperature, OptionalDouble topP, OptionalInt topK) {
  /** No advice. */
  public static final GenerationDefaults NONE =
      new GenerationDefaults(OptionalDouble.empty(), OptionalDouble.empty(), OptionalInt.empty());

  public GenerationDefaults {
    Objects.requireNonNull(temperature);
    Objects.requireNonNull(topP);
    Objects.requireNonNull(topK);
  }
}
