package dev.halcyon.hal.tensor;

/**
 * How an element is stored. What a device can compute in is a capability; every reduction and
 * matrix product accumulates in {@link #F32}.
 */
public enum DType {
  F32(32),
  F16(16),
  BF16(16),
  /**
   * FP8 with 4 exponent and 3 mantissa bits, no infinities, NaN = 0x7f and 0xff, largest finite
   * value 448.
   */
  F8_E4M3FN(8),
  I64(64),
  I32(32),
  I8(8),
  U8(8),
  /** Two's complement nibbles, two to a byte, the element of lower index in the low nibble. */
  I4(4);

  private final int bits;

  DType(int bits) {
    this.bits = bits;
  }

  /** Storage bits of one element. */
  public int bits() {
    return bits;
  }

  /** Bytes that {@code elements} consecutive elements occupy, rounded up to whole bytes. */
  public long byteSize(long elements) {
    return Math.ceilDiv(Math.multiplyExact(elements, bits), 8);
  }

  public boolean isFloating() {
    return switch (this) {
      case F32, F16, BF16, F8_E4M3FN -> true;
      case I64, I32, I8, U8, I4 -> false;
    };
  }
}
