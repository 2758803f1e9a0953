package dev.halcyon.hal.tensor;

/**
 * FP8 E4M3FN as in the OCP specification: bias 7, no infinities, NaN = 0x7f / 0xff, largest value
 * 448.
 */
public final class Float8 {
  /** Largest finite magnitude. */
  public static final float MAX = 448f;

  private static final float[] TABLE = new float[256];

  static {
    for (int i = 0; i < 256; i++) {
      int exponent = i >> 3 & 15;
      int mantissa = i & 7;
      float magnitude =
          (i & 0x7f) == 0x7f
              ? Float.NaN
              : exponent == 0
                  ? Math.scalb((float) mantissa, -9)
                  : Math.scalb(8f + mantissa, exponent - 10);
      TABLE[i] = i < 128 ? magnitude : -magnitude;
    }
  }

  private Float8() {}

  public static float toFloat(byte bits) {
    return TABLE[bits & 0xff];
  }

  /**
   * Rounds to nearest, ties to even, and saturates at {@link #MAX}; NaN becomes 0x7f with its sign.
   */
  public static byte fromFloat(float value) {
    int sign = Float.floatToRawIntBits(value) >>> 24 & 0x80;
    if (Float.isNaN(value)) {
      return (byte) (sign | 0x7f);
    }
    float a = Math.abs(value);
    if (a >= MAX) {
      return (byte) (sign | 0x7e);
    }
    int exponent = Math.max(Math.getExponent(a), -6);
    // one unit in the last place is 2^(exponent - 3); scaling by a power of two is exact
    int steps = (int) Math.rint((double) Math.scalb(a, 3 - exponent));
    int code = (exponent + 6 << 3) + steps;
    return (byte) (sign | code);
  }
}
