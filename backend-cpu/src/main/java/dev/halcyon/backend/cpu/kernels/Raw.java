package dev.halcyon.backend.cpu.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Memory by address. Every load and store of this backend in Java goes through this one segment
 * over the whole address space: a call site that sees one segment class only compiles to a plain
 * load.
 *
 * @implNote Needs native access. Nothing is checked: the arguments of kernels have been validated
 *     by the caller.
 */
public final class Raw {
  private Raw() {}

  /** The address space; an offset into it is an address. */
  public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  public static float f32(long address) {
    return ALL.get(ValueLayout.JAVA_FLOAT_UNALIGNED, address);
  }

  public static void f32(long address, float value) {
    ALL.set(ValueLayout.JAVA_FLOAT_UNALIGNED, address, value);
  }

  public static void f64(long address, double value) {
    ALL.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, address, value);
  }

  public static long i64(long address) {
    return ALL.get(ValueLayout.JAVA_LONG_UNALIGNED, address);
  }

  public static void i64(long address, long value) {
    ALL.set(ValueLayout.JAVA_LONG_UNALIGNED, address, value);
  }

  public static int i32(long address) {
    return ALL.get(ValueLayout.JAVA_INT_UNALIGNED, address);
  }

  public static void i32(long address, int value) {
    ALL.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
  }

  public static short i16(long address) {
    return ALL.get(ValueLayout.JAVA_SHORT_UNALIGNED, address);
  }

  public static void i16(long address, short value) {
    ALL.set(ValueLayout.JAVA_SHORT_UNALIGNED, address, value);
  }

  public static byte i8(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address);
  }

  public static void i8(long address, byte value) {
    ALL.set(ValueLayout.JAVA_BYTE, address, value);
  }

  /** Integer or pointer in slot {@code i}. */
  public static long slot(long slots, int i) {
    return i64(slots + 8L * i);
  }

  /** Floating-point argument in slot {@code i}. */
  public static double real(long slots, int i) {
    return Double.longBitsToDouble(i64(slots + 8L * i));
  }

  /** Zeroes {@code n} f32. */
  public static void zero(long address, long n) {
    ALL.asSlice(address, 4 * n).fill((byte) 0);
  }

  /** Copies {@code n} f32. */
  public static void copy(long from, long to, long n) {
    MemorySegment.copy(ALL, from, ALL, to, 4 * n);
  }
}
