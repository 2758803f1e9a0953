package dev.halcyon.models.deepseek;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.util.Arrays;
import java.util.Locale;

/**
 * How linear weights are held on the device. Embedding, norms and router keep the dtype of the
 * checkpoint: they are small or sensitive.
 */
public enum WeightFormat {
  /** As the checkpoint stores them. */
  NATIVE(DType.F32, QuantScheme.NONE),
  F32(DType.F32, QuantScheme.NONE),
  BF16(DType.BF16, QuantScheme.NONE),
  /**
   * DeepSeek's FP8: e4m3, one f32 scale per block of 128x128; the head keeps the dtype of the
   * checkpoint, as in DeepSeek's own files.
   */
  FP8(DType.F8_E4M3FN, QuantScheme.FP8_128X128),
  /** Symmetric, one f16 scale per 32 neighbours of a row: 8.5 bits a weight. */
  INT8(DType.I8, QuantScheme.grouped(32)),
  /** Symmetric, one f16 scale per 32 neighbours of a row: 4.5 bits a weight. */
  INT4(DType.I4, QuantScheme.grouped(32));

  private final DType dtype;
  private final QuantScheme scheme;

  WeightFormat(DType dtype, QuantScheme scheme) {
    this.dtype = dtype;
    this.scheme = scheme;
  }

  /** The stored dtype; meaningless for NATIVE. */
  DType dtype() {
    return dtype;
  }

  QuantScheme scheme() {
    return scheme;
  }

  /**
   * Reads a command line value.
   *
   * @throws HalException {@code INVALID_OPTION} naming the choices
   */
  public static WeightFormat parse(String text) {
    for (WeightFormat f : values()) {
      if (f.name().equalsIgnoreCase(text)) {
        return f;
      }
    }
    throw HalException.of(HalErrorCode.INVALID_OPTION, "unknown weight format '" + text + "'")
        .on("--dtype")
        .remedy("choose one of " + Arrays.toString(values()).toLowerCase(Locale.ROOT))
        .build();
  }
}
