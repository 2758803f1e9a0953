package dev.halcyon.models.deepseek;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;

/**
 * The size and manner of a session.
 *
 * @param maxSequences sequences open at the same time
 * @param contextLength positions of each, prompt and answer together
 * @param blockSize positions of a cache block
 * @param prefillChunk most tokens of one prefill step
 * @param cacheDtype F32, F16 or BF16
 * @param decode how single-token steps are enqueued
 * @param form of latent attention
 */
public record SessionOptions(
    int maxSequences,
    int contextLength,
    int blockSize,
    int prefillChunk,
    DType cacheDtype,
    Decode decode,
    Form form) {
  /** How single-token steps are enqueued. */
  public enum Decode {
    /** Captured once per batch size, then replayed. */
    GRAPH,
    /** Plan by plan. */
    EAGER
  }

  /** Which form of latent attention steps use; all give the same results up to rounding. */
  public enum Form {
    /** The one with fewer multiplications, step by step. */
    CHEAPER,
    ABSORBED,
    EXPANDED
  }

  public SessionOptions {
    require(maxSequences >= 1, "maxSequences", maxSequences);
    require(contextLength >= 1, "contextLength", contextLength);
    require(blockSize >= 1, "blockSize", blockSize);
    require(prefillChunk >= 1, "prefillChunk", prefillChunk);
    if (cacheDtype != DType.F32 && cacheDtype != DType.F16 && cacheDtype != DType.BF16) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, "cache dtype " + cacheDtype)
          .remedy("choose f32, f16 or bf16")
          .build();
    }
  }

  private static void require(boolean holds, String name, int value) {
    if (!holds) {
      throw HalException.of(HalErrorCode.INVALID_OPTION, name + " = " + value)
          .remedy("give a number of at least 1")
          .build();
    }
  }

  /**
   * One sequence of {@code contextLength} positions, f16 cache, chunks of 256 tokens, graph decode.
   */
  public static SessionOptions of(int contextLength) {
    return new SessionOptions(1, contextLength, 64, 256, DType.F16, Decode.GRAPH, Form.CHEAPER);
  }

  public SessionOptions withMaxSequences(int value) {
    return new SessionOptions(
        value, contextLength, blockSize, prefillChunk, cacheDtype, decode, form);
  }

  public SessionOptions withContextLength(int value) {
    return new SessionOptions(
        maxSequences, value, blockSize, prefillChunk, cacheDtype, decode, form);
  }

  public SessionOptions withBlockSize(int value) {
    return new SessionOptions(
        maxSequences, contextLength, value, prefillChunk, cacheDtype, decode, form);
  }

  public SessionOptions withPrefillChunk(int value) {
    return new SessionOptions(
        maxSequences, contextLength, blockSize, value, cacheDtype, decode, form);
  }

  public SessionOptions withCacheDtype(DType value) {
    return new SessionOptions(
        maxSequences, contextLength, blockSize, prefillChunk, value, decode, form);
  }

  public SessionOptions withDecode(Decode value) {
    return new SessionOptions(
        maxSequences, contextLength, blockSize, prefillChunk, cacheDtype, value, form);
  }

  public SessionOptions withForm(Form value) {
    return new SessionOptions(
        maxSequences, contextLength, blockSize, prefillChunk, cacheDtype, decode, value);
  }
}
