package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.tensor.DType;
import java.util.Optional;

/** The dtype names of the safetensors format: their widths, and which of them the HAL stores. */
final class SafetensorsDtype {
  private SafetensorsDtype() {}

  /**
   * The HAL's dtype for a name of the format; empty if the HAL has none. {@code F8_E8M0} scales are
   * plain bytes.
   */
  static Optional<DType> toHal(String name) {
    return switch (name) {
      case "F32" -> Optional.of(DType.F32);
      case "F16" -> Optional.of(DType.F16);
      case "BF16" -> Optional.of(DType.BF16);
      case "F8_E4M3" -> Optional.of(DType.F8_E4M3FN);
      case "I64" -> Optional.of(DType.I64);
      case "I32" -> Optional.of(DType.I32);
      case "I8" -> Optional.of(DType.I8);
      case "U8", "F8_E8M0" -> Optional.of(DType.U8);
      default -> Optional.empty();
    };
  }

  /** The format's name of a HAL dtype. */
  static String fromHal(DType dtype) {
    return switch (dtype) {
      case F32 -> "F32";
      case F16 -> "F16";
      case BF16 -> "BF16";
      case F8_E4M3FN -> "F8_E4M3";
      case I64 -> "I64";
      case I32 -> "I32";
      case I8 -> "I8";
      case U8, I4 -> "U8";
    };
  }

  /** Bits of one element; 0 if the name is not known, so that its size cannot be checked. */
  static int bits(String name) {
    return switch (name) {
      case "F64", "I64", "U64", "C64" -> 64;
      case "F32", "I32", "U32" -> 32;
      case "F16", "BF16", "I16", "U16" -> 16;
      case "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "BOOL" -> 8;
      case "F6_E2M3", "F6_E3M2" -> 6;
      case "F4" -> 4;
      default -> 0;
    };
  }
}
