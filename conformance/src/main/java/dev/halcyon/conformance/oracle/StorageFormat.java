package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.tensor.DType;

/**
 * How numbers are stored, written from the formats' definitions (IEEE 754-2019, OCP 8-bit floating
 * point 1.0) and independent of the conversions that backends use.
 */
public enum StorageFormat {
  F32(DType.F32, 8, 23),
  F16(DType.F16, 5, 10),
  BF16(DType.BF16, 8, 7),
  F8_E4M3FN(DType.F8_E4M3FN, 4, 3),
  I64(DType.I64),
  I32(DType.I32),
  I8(DType.I8),
  U8(DType.U8),
  I4(DType.I4);

  private final DType dtype;
  private final int exponentBits;
  private final int mantissaBits;

  StorageFormat(DType dtype, int exponentBits, int mantissaBits) {
    this.dtype = dtype;
    this.exponentBits = exponentBits;
    this.mantissaBits = mantissaBits;
  }

  StorageFormat(DType dtype) {
    this(dtype, 0, 0);
  }

  public static StorageFormat of(DType dtype) {
    return valueOf(dtype.name());
  }

  public int storageBits() {
    return dtype.bits();
  }

  public boolean isFloating() {
    return exponentBits > 0;
  }

  /** Half the distance of neighbouring numbers at 1: the largest relative error of a rounding. */
  public double unitRoundoff() {
    return Math.scalb(1.0, -mantissaBits - 1);
  }

  /** The smallest positive normal number of a floating format. */
  public double smallestNormal() {
    return Math.scalb(1.0, 1 - bias());
  }

  /** The distance of neighbouring subnormal numbers of a floating format. */
  public double smallestSubnormal() {
    return Math.scalb(1.0, 1 - bias() - mantissaBits);
  }

  /** The largest finite number. */
  public double largest() {
    return switch (this) {
      case F32 -> Float.MAX_VALUE;
      case F16 -> 65504;
      case BF16 -> Math.scalb(2 - Math.scalb(1.0, -7), 127);
      case F8_E4M3FN -> 448;
      case I64 -> Long.MAX_VALUE;
      case I32 -> Integer.MAX_VALUE;
      case I8 -> 127;
      case U8 -> 255;
      case I4 -> 7;
    };
  }

  private double lowest() {
    return switch (this) {
      case I64 -> Long.MIN_VALUE;
      case I32 -> Integer.MIN_VALUE;
      case I8 -> -128;
      case U8 -> 0;
      case I4 -> -8;
      default -> -largest();
    };
  }

  /** Extreme and special numbers: NaN, infinities, zeros, subnormals, the largest. */
  public double[] specials() {
    return switch (this) {
      case F32, F16, BF16, F8_E4M3FN -> {
        double tiny = smallestSubnormal();
        double normal = smallestNormal();
        double[] finite = {
          0, tiny, 3 * tiny, normal - tiny, normal, 0.5, 1, 1.5, 2, 96, largest() / 2, largest()
        };
        boolean infinite = this != F8_E4M3FN;
        double[] all = new double[2 * finite.length + (infinite ? 3 : 1)];
        for (int i = 0; i < finite.length; i++) {
          all[2 * i] = finite[i];
          all[2 * i + 1] = -finite[i];
        }
        all[all.length - 1] = Double.NaN;
        if (infinite) {
          all[all.length - 2] = Double.POSITIVE_INFINITY;
          all[all.length - 3] = Double.NEGATIVE_INFINITY;
        }
        yield all;
      }
      // the largest number of i64 that double holds exactly
      case I64 ->
          new double[] {0, 1, -1, 255, -300, 1e9, -3e9, 0x1p53, -0x1p62, 0x1.fffffffffffffp62};
      case I32 -> new double[] {0, 1, -1, 2, 255, -300, 65535, 16777217, 2147483647, -0x1p31};
      case I8 -> new double[] {0, 1, -1, 2, 127, -128, 64, -65};
      case U8 -> new double[] {0, 1, 2, 127, 128, 255};
      case I4 -> new double[] {0, 1, -1, 7, -8};
    };
  }

  /** Whether a number is subnormal in this format. */
  public boolean isSubnormal(double value) {
    return isFloating() && value != 0 && Math.abs(value) < smallestNormal();
  }

  private int bias() {
    return (1 << exponentBits - 1) - 1;
  }

  /** The number that {@code bits} (the low bits of it) means. */
  public double decode(long bits) {
    if (!isFloating()) {
      int unused = 64 - dtype.bits();
      return this == U8 ? bits & 0xff : bits << unused >> unused;
    }
    long mantissa = bits & (1L << mantissaBits) - 1;
    int exponent = (int) (bits >> mantissaBits) & (1 << exponentBits) - 1;
    double sign = (bits >> mantissaBits + exponentBits & 1) == 0 ? 1 : -1;
    boolean top = exponent == (1 << exponentBits) - 1;
    if (top && this == F8_E4M3FN) {
      if (mantissa == 7) {
        return Double.NaN;
      }
    } else if (top) {
      return mantissa == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    double magnitude =
        exponent == 0
            ? Math.scalb((double) mantissa, 1 - bias() - mantissaBits)
            : Math.scalb(
                (double) (mantissa | 1L << mantissaBits), exponent - bias() - mantissaBits);
    return sign * magnitude;
  }

  /**
   * The nearest number of this format, ties to even. Floating formats overflow to infinity,
   * F8_E4M3FN and integers saturate; NaN stays NaN, or becomes integer 0.
   */
  public double round(double value) {
    if (!isFloating()) {
      // integers have one zero
      return Double.isNaN(value) ? 0 : Math.clamp(Math.rint(value), lowest(), largest()) + 0.0;
    }
    if (value == 0 || Double.isNaN(value) || Double.isInfinite(value)) {
      return Double.isInfinite(value) && this == F8_E4M3FN
          ? Math.copySign(largest(), value)
          : value;
    }
    int exponent = Math.max(Math.getExponent(value), 1 - bias());
    double step = Math.scalb(1.0, exponent - mantissaBits);
    // both scalings are by powers of two within the range of double: exact
    double rounded = Math.rint(value / step) * step;
    if (Math.abs(rounded) > largest()) {
      double limit = this == F8_E4M3FN ? largest() : Double.POSITIVE_INFINITY;
      return Math.copySign(limit, value);
    }
    return rounded == 0 ? Math.copySign(0.0, value) : rounded;
  }

  /** The bits of a number of this format, as {@link #round} returns it. */
  public long encode(double value) {
    if (!isFloating()) {
      return (long) value & (dtype.bits() == 64 ? -1L : (1L << dtype.bits()) - 1);
    }
    long sign = (Double.doubleToRawLongBits(value) >>> 63) << mantissaBits + exponentBits;
    long top = (1L << exponentBits) - 1 << mantissaBits;
    if (Double.isNaN(value)) {
      return sign | top | (this == F8_E4M3FN ? 7 : 1L << mantissaBits - 1);
    }
    if (Double.isInfinite(value)) {
      return sign | top;
    }
    double a = Math.abs(value);
    if (a < smallestNormal()) {
      return sign | (long) (a / smallestSubnormal());
    }
    int exponent = Math.getExponent(a);
    long steps = (long) Math.scalb(a, mantissaBits - exponent);
    return sign | ((long) (exponent + bias() - 1) << mantissaBits) + steps;
  }
}
