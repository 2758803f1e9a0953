package dev.halcyon.backend.emulated;

import dev.halcyon.hal.DeviceCapabilities.Usage;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/** What the device does with each dtype, and the conversions between them. */
final class EmulatedTypes {
  private EmulatedTypes() {}

  /** The usages of those dtypes that the device can store. */
  static Map<DType, Set<Usage>> usages(Set<DType> storable) {
    Map<DType, Set<Usage>> usages = new EnumMap<>(DType.class);
    for (DType d : storable) {
      usages.put(
          d,
          switch (d) {
            case F32 -> EnumSet.allOf(Usage.class);
            case I32 -> EnumSet.of(Usage.STORE, Usage.CAST, Usage.ELEMENTWISE, Usage.ACCUMULATE);
            case F16, BF16, F8_E4M3FN, I8 ->
                EnumSet.of(Usage.STORE, Usage.CAST, Usage.MATMUL_INPUT);
            case I4 -> EnumSet.of(Usage.STORE, Usage.MATMUL_INPUT);
            case I64, U8 -> EnumSet.of(Usage.STORE, Usage.CAST);
          });
    }
    return usages;
  }

  /** The stored bits of a number, rounded to nearest even; integers saturate, NaN gives 0. */
  static long bitsOf(double value, DType dtype) {
    return switch (dtype) {
      case F32 -> Float.floatToRawIntBits((float) value);
      case F16 -> Float.floatToFloat16(toOdd(value));
      case BF16 -> BFloat16.fromFloat(toOdd(value));
      case F8_E4M3FN -> Float8.fromFloat(toOdd(value));
      case I64, I32, I8, U8, I4 -> saturated((long) Math.rint(value), dtype);
    };
  }

  /** The stored bits of a float that is cast: an integer dtype truncates. */
  static long cast(float value, DType dtype) {
    return dtype.isFloating() ? bitsOf(value, dtype) : saturated((long) value, dtype);
  }

  /** The stored bits of an integer that is cast. */
  static long cast(long value, DType dtype) {
    return dtype.isFloating() ? bitsOf(toOdd(value), dtype) : saturated(value, dtype);
  }

  private static long saturated(long value, DType dtype) {
    return switch (dtype) {
      case I64 -> value;
      case I32 -> Math.clamp(value, Integer.MIN_VALUE, Integer.MAX_VALUE);
      case I8 -> Math.clamp(value, -128, 127);
      case U8 -> Math.clamp(value, 0, 255);
      case I4 -> Math.clamp(value, -8, 7);
      case F32, F16, BF16, F8_E4M3FN -> throw new IllegalArgumentException("not integer: " + dtype);
    };
  }

  /** Rounds to odd: a second rounding, to fewer bits, then gives what a single one would. */
  private static float toOdd(double value) {
    float f = (float) value;
    if (f == value || Double.isNaN(value) || (Float.floatToRawIntBits(f) & 1) != 0) {
      return f;
    }
    if (Float.isInfinite(f)) {
      return Double.isInfinite(value) ? f : Math.copySign(Float.MAX_VALUE, f);
    }
    return value > f ? Math.nextUp(f) : Math.nextDown(f);
  }

  /** Rounds to odd, to the 53 bits of a double. */
  private static double toOdd(long value) {
    long magnitude = Math.abs(value);
    int excess = Math.max(0, 64 - 53 - Long.numberOfLeadingZeros(magnitude));
    long kept = magnitude >>> excess;
    if (kept << excess != magnitude) {
      kept |= 1;
    }
    return Math.copySign(Math.scalb((double) kept, excess), value);
  }
}
