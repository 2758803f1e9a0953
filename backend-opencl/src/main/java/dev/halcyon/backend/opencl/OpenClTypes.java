package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;

/**
 * The mapping of the HAL's enums to the numbers the kernels are compiled with (see
 * kernels/common.cl).
 */
final class OpenClTypes {
  private OpenClTypes() {}

  /** The dtype code of the kernels. */
  static int code(DType dtype) {
    return switch (dtype) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      case F8_E4M3FN -> 3;
      case I64 -> 4;
      case I32 -> 5;
      case I8 -> 6;
      case U8 -> 7;
      case I4 -> 8;
    };
  }

  /** SC of the kernels: 0 without scales, else one more than the scale format. */
  static int scaleCode(QuantScheme scheme) {
    return switch (scheme) {
      case QuantScheme.None n -> 0;
      case QuantScheme.Blocked b ->
          1
              + switch (b.scaleFormat()) {
                case F32 -> 0;
                case F16 -> 1;
                case BF16 -> 2;
                case UE8M0 -> 3;
              };
    };
  }

  static int code(Unary.Op op) {
    return switch (op) {
      case NEG -> 0;
      case ABS -> 1;
      case EXP -> 2;
      case LOG -> 3;
      case SQRT -> 4;
      case RSQRT -> 5;
      case RECIPROCAL -> 6;
      case SIGMOID -> 7;
      case SILU -> 8;
      case TANH -> 9;
      case COS -> 10;
      case SIN -> 11;
    };
  }

  static int code(Binary.Op op) {
    return switch (op) {
      case ADD -> 0;
      case SUB -> 1;
      case MUL -> 2;
      case DIV -> 3;
      case MOD -> 4;
      case MAX -> 5;
      case MIN -> 6;
      case EQUAL -> 7;
      case LESS -> 8;
      case LESS_EQUAL -> 9;
    };
  }

  /** The code of gate * sigmoid(gate) * up among the binary functions. */
  static final int SWIGLU = 10;

  static int code(Reduce.Op op) {
    return switch (op) {
      case SUM -> 0;
      case MAX -> 1;
      case MIN -> 2;
    };
  }

  /** The bits of {@code value} in {@code dtype}, for filling memory. */
  static long bits(double value, DType dtype) {
    return switch (dtype) {
      case F32 -> Float.floatToRawIntBits((float) value) & 0xffffffffL;
      case F16 -> Float.floatToFloat16(oddFloat(value)) & 0xffffL;
      case BF16 -> BFloat16.fromFloat(oddFloat(value)) & 0xffffL;
      case F8_E4M3FN -> Float8.fromFloat(oddFloat(value)) & 0xffL;
      case I64 -> (long) Math.rint(value);
      case I32 -> (int) Math.rint(value) & 0xffffffffL;
      case I8 -> (byte) Math.clamp((long) Math.rint(value), -128, 127) & 0xffL;
      case U8 -> Math.clamp((long) Math.rint(value), 0, 255);
      case I4 -> throw new IllegalArgumentException("fill of i4");
    };
  }

  /** {@code value} rounded to odd, so that rounding it again to a narrower format is right. */
  private static float oddFloat(double value) {
    float f = (float) value;
    if (Double.isNaN(value) || Float.isInfinite(f) || f == value) {
      return f;
    }
    int bits = Float.floatToRawIntBits(Math.abs(f) > Math.abs(value) ? Math.nextAfter(f, 0) : f);
    return Float.intBitsToFloat(bits | 1);
  }
}
