package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;

/** Single elements in every dtype of whole bytes. */
final class Scalars {
  private Scalars() {}

  /** An element of a floating dtype. */
  static float loadFloat(DType dtype, long address) {
    return switch (dtype) {
      case F32 -> Raw.f32(address);
      case F16 -> Float.float16ToFloat(Raw.i16(address));
      case BF16 -> BFloat16.toFloat(Raw.i16(address));
      case F8_E4M3FN -> Float8.toFloat(Raw.i8(address));
      case I64, I32, I8, U8, I4 -> throw new IllegalArgumentException("not floating: " + dtype);
    };
  }

  /** An element of an integer dtype. */
  static long loadLong(DType dtype, long address) {
    return switch (dtype) {
      case I64 -> Raw.i64(address);
      case I32 -> Raw.i32(address);
      case I8 -> Raw.i8(address);
      case U8 -> Raw.i8(address) & 0xff;
      case F32, F16, BF16, F8_E4M3FN, I4 ->
          throw new IllegalArgumentException("not an integer of whole bytes: " + dtype);
    };
  }

  /** Stores a float: integers truncate and saturate, NaN becomes 0. */
  static void store(DType dtype, long address, float value) {
    switch (dtype) {
      case F32 -> Raw.f32(address, value);
      case F16 -> Raw.i16(address, Float.floatToFloat16(value));
      case BF16 -> Raw.i16(address, BFloat16.fromFloat(value));
      case F8_E4M3FN -> Raw.i8(address, Float8.fromFloat(value));
      case I64 -> Raw.i64(address, (long) value);
      case I32 -> Raw.i32(address, (int) value);
      case I8 -> Raw.i8(address, (byte) Math.clamp((long) value, -128, 127));
      case U8 -> Raw.i8(address, (byte) Math.clamp((long) value, 0, 255));
      case I4 -> throw new IllegalArgumentException("packed " + dtype);
    }
  }

  /** Stores an integer: floats round once, narrower integers saturate. */
  static void store(DType dtype, long address, long value) {
    switch (dtype) {
      case F32 -> Raw.f32(address, (float) value);
      case F16, BF16, F8_E4M3FN -> store(dtype, address, toOddFloat(toOddDouble(value)));
      case I64 -> Raw.i64(address, value);
      case I32 -> Raw.i32(address, Math.clamp(value, Integer.MIN_VALUE, Integer.MAX_VALUE));
      case I8 -> Raw.i8(address, (byte) Math.clamp(value, -128, 127));
      case U8 -> Raw.i8(address, (byte) Math.clamp(value, 0, 255));
      case I4 -> throw new IllegalArgumentException("packed " + dtype);
    }
  }

  /** The stored bits of a value; integers round to nearest even and saturate. */
  static long bitsOf(double value, DType dtype) {
    return switch (dtype) {
      case F32 -> Float.floatToRawIntBits((float) value);
      case F16 -> Float.floatToFloat16(toOddFloat(value));
      case BF16 -> BFloat16.fromFloat(toOddFloat(value));
      case F8_E4M3FN -> Float8.fromFloat(toOddFloat(value));
      case I64 -> (long) Math.rint(value);
      case I32 -> (int) Math.rint(value);
      case I8 -> (byte) Math.clamp((long) Math.rint(value), -128, 127);
      case U8 -> (byte) Math.clamp((long) Math.rint(value), 0, 255);
      case I4 -> throw new IllegalArgumentException("packed " + dtype);
    };
  }

  // rounding to odd first makes a second rounding to fewer bits exact

  private static float toOddFloat(double value) {
    float f = (float) value;
    if (f == value || Double.isNaN(value) || (Float.floatToRawIntBits(f) & 1) != 0) {
      return f;
    }
    if (Float.isInfinite(f)) {
      return Double.isInfinite(value) ? f : Math.copySign(Float.MAX_VALUE, f);
    }
    return value > f ? Math.nextUp(f) : Math.nextDown(f);
  }

  private static double toOddDouble(long value) {
    double d = (double) value;
    long back = (long) d;
    if (back == value && d < 0x1p63 || (Double.doubleToRawLongBits(d) & 1) != 0) {
      return d;
    }
    return d >= 0x1p63 || back > value ? Math.nextDown(d) : Math.nextUp(d);
  }

  /** Element {@code index} of packed nibbles. */
  static int loadNibble(long base, long index) {
    byte pair = Raw.i8(base + (index >> 1));
    return (index & 1) == 0 ? pair << 28 >> 28 : pair >> 4;
  }

  /** Stores element {@code index} of packed nibbles; its neighbour in the byte is kept. */
  static void storeNibble(long base, long index, int value) {
    long at = base + (index >> 1);
    int old = Raw.i8(at);
    int now = (index & 1) == 0 ? old & 0xf0 | value & 0xf : old & 0x0f | value << 4;
    Raw.i8(at, (byte) now);
  }
}
