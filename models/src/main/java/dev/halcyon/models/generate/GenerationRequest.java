package dev.halcyon.models.generate;

import dev.halcyon.models.sampling.SamplingOptions;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/**
 * What to generate besides the prompt.
 *
 * @param sampling how tokens are chosen, and how many
 * @param endOfText what the model's own end-of-text tokens do
 * @param listener hears tokens and text
 * @param cancelled asked before every step; once true the generation ends with what it has
 */
public record GenerationRequest(
    SamplingOptions sampling,
    EndOfText endOfText,
    GenerationListener listener,
    BooleanSupplier cancelled) {
  /** What the model's own end-of-text tokens do. */
  public enum EndOfText {
    /** They end the generation. */
    STOP,
    /** They are tokens like others, for benchmarks and comparisons. */
    IGNORE
  }

  public GenerationRequest {
    Objects.requireNonNull(sampling);
    Objects.requireNonNull(endOfText);
    Objects.requireNonNull(listener);
    Objects.requireNonNull(cancelled);
  }

  /** With {@code sampling}, to the end of text, unheard and not cancelled. */
  public static GenerationRequest of(SamplingOptions sampling) {
    return new GenerationRequest(sampling, EndOfText.STOP, GenerationListener.NONE, () -> false);
  }

  public GenerationRequest withEndOfText(EndOfText value) {
    return new GenerationRequest(sampling, value, listener, cancelled);
  }

  public GenerationRequest withListener(GenerationListener value) {
    return new GenerationRequest(sampling, endOfText, value, cancelled);
  }

  public GenerationRequest withCancelled(BooleanSupplier value) {
    return new GenerationRequest(sampling, endOfText, listener, value);
  }
}
