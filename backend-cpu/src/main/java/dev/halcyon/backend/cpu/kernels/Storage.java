package dev.halcyon.backend.cpu.kernels;

/** The storage types: sizes and scalar conversions. Stores round to nearest even. */
final class Storage {
  private Storage() {}

  private static final float[] F8_VALUES = f8Values();

  /** Bytes that {@code k} elements take ({@code k} even for I4). */
  static long bytes(int type, long k) {
    return switch (type) {
      case Kernels.F32 -> 4 * k;
      case Kernels.F16, Kernels.BF16 -> 2 * k;
      case Kernels.I4 -> k / 2;
      default -> k;
    };
  }

  /** Element {@code k} of a row, without scale. */
  static float load(int type, long row, long k) {
    return switch (type) {
      case Kernels.F32 -> Raw.f32(row + 4 * k);
      case Kernels.F16 -> Float.float16ToFloat(Raw.i16(row + 2 * k));
      case Kernels.BF16 -> fromBf16(Raw.i16(row + 2 * k));
      case Kernels.F8 -> fromF8(Raw.i8(row + k));
      case Kernels.I8 -> Raw.i8(row + k);
      default -> fromI4(Raw.i8(row + (k >> 1)), (int) (k & 1));
    };
  }

  /** Stores element {@code k} of a row of a floating-point type; F8 saturates. */
  static void store(int type, long row, long k, float value) {
    switch (type) {
      case Kernels.F32 -> Raw.f32(row + 4 * k, value);
      case Kernels.F16 -> Raw.i16(row + 2 * k, Float.floatToFloat16(value));
      case Kernels.BF16 -> Raw.i16(row + 2 * k, toBf16(value));
      default -> Raw.i8(row + k, toF8(value));
    }
  }

  /** Stores {@code n} f32 as a row of a floating-point type. */
  static void storeRow(int type, long values, long n, long row) {
    if (type == Kernels.F32) {
      Raw.copy(values, row, n);
      return;
    }
    for (long i = 0; i < n; i++) {
      store(type, row, i, Raw.f32(values + 4 * i));
    }
  }

  /** Scale {@code i} of an array of scales. */
  static float scale(int type, long scales, long i) {
    return switch (type) {
      case Kernels.SCALE_F32 -> Raw.f32(scales + 4 * i);
      case Kernels.SCALE_F16 -> Float.float16ToFloat(Raw.i16(scales + 2 * i));
      case Kernels.SCALE_BF16 -> fromBf16(Raw.i16(scales + 2 * i));
      default -> fromUe8m0(Raw.i8(scales + i));
    };
  }

  static float fromBf16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }

  /** E4M3FN: no infinity, magnitude 0x7f is NaN. */
  static float fromF8(byte b) {
    return F8_VALUES[b & 0xff];
  }

  private static float[] f8Values() {
    float[] values = new float[256];
    for (int i = 0; i < 128; i++) {
      // the f32 with the same fields is the value / 2^120, subnormals included
      float magnitude = i == 0x7f ? Float.NaN : Float.intBitsToFloat(i << 20) * 0x1p120f;
      values[i] = magnitude;
      values[i + 128] = -magnitude;
    }
    return values;
  }

  /** Saturating: beyond 448, infinity included, becomes 448; NaN stays NaN. */
  static byte toF8(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 24 & 0x80;
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return (byte) (sign | 0x7f);
    }
    if (magnitude >= 0x43e00000) {
      return (byte) (sign | 0x7e);
    }
    if (magnitude < 0x3c800000) { // below 2^-6: the addition rounds to multiples of 2^-9
      float rounded = Float.intBitsToFloat(magnitude) + 0x1p14f;
      return (byte) (sign | Float.floatToRawIntBits(rounded) - 0x46800000);
    }
    int rounded = magnitude - 0x3c000000 + 0x7ffff + (magnitude >>> 20 & 1) >>> 20;
    return (byte) (sign | Math.min(rounded, 0x7e));
  }

  /** Two's complement nibble: 0 the low, 1 the high one. */
  static int fromI4(byte pair, int nibble) {
    return nibble == 0 ? pair << 28 >> 28 : pair >> 4;
  }

  /** A power of two, {@code 2^(b-127)}; 255 is NaN. */
  static float fromUe8m0(byte b) {
    int exponent = b & 0xff;
    if (exponent == 255) {
      return Float.NaN;
    }
    return exponent == 0 ? 0x1p-127f : Float.intBitsToFloat(exponent << 23);
  }
}
