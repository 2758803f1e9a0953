package dev.halcyon.models.deepseek;

import dev.halcyon.hal.tensor.DType;

/**
 * How a model is held against golden vectors.
 *
 * @param tolerance largest allowed absolute difference of a logit
 * @param prefillChunk tokens of a prefill step
 * @param decode how single-token steps are enqueued
 * @param form of latent attention
 * @param cacheDtype of the latent cache; F32 for an exact comparison
 */
public record ParityOptions(
    double tolerance,
    int prefillChunk,
    SessionOptions.Decode decode,
    SessionOptions.Form form,
    DType cacheDtype) {
  /** 5e-4 on logits, whole prompts, graph decode, f32 cache. */
  public static final ParityOptions DEFAULT =
      new ParityOptions(
          5e-4, 1024, SessionOptions.Decode.GRAPH, SessionOptions.Form.CHEAPER, DType.F32);

  public ParityOptions withPrefillChunk(int value) {
    return new ParityOptions(tolerance, value, decode, form, cacheDtype);
  }

  public ParityOptions withDecode(SessionOptions.Decode value) {
    return new ParityOptions(tolerance, prefillChunk, value, form, cacheDtype);
  }

  public ParityOptions withForm(SessionOptions.Form value) {
    return new ParityOptions(tolerance, prefillChunk, decode, value, cacheDtype);
  }

  public ParityOptions withTolerance(double value) {
    return new ParityOptions(value, prefillChunk, decode, form, cacheDtype);
  }

  /** A session for prompts of at most {@code promptTokens} tokens. */
  SessionOptions session(int sequences, int contextLength, int promptTokens) {
    return new SessionOptions(
        sequences,
        contextLength,
        16,
        Math.min(prefillChunk, promptTokens),
        cacheDtype,
        decode,
        form);
  }
}
