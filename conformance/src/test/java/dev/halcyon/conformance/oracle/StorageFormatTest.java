package dev.halcyon.conformance.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.Float8;
import java.util.SplittableRandom;
import java.util.function.DoubleToLongFunction;
import java.util.function.LongToDoubleFunction;
import org.junit.jupiter.api.Test;

/** The formats written from their definitions agree with those of the JDK and of hal-api. */
class StorageFormatTest {
  private static void assertAllCodes(StorageFormat format, LongToDoubleFunction peer) {
    for (long bits = 0; bits < 1L << format.storageBits(); bits++) {
      double value = format.decode(bits);
      assertEquals(peer.applyAsDouble(bits), value, "code " + bits);
      assertEquals(value, format.round(value), "a number of the format rounds to itself");
      if (!Double.isNaN(value)) {
        assertEquals(bits, format.encode(value), "code of " + value);
      }
    }
  }

  @Test
  void everyCodeOfNarrowFormatsIsDecodedAndEncoded() {
    assertAllCodes(StorageFormat.F16, b -> Float.float16ToFloat((short) b));
    assertAllCodes(StorageFormat.BF16, b -> BFloat16.toFloat((short) b));
    assertAllCodes(StorageFormat.F8_E4M3FN, b -> Float8.toFloat((byte) b));
    assertAllCodes(StorageFormat.I8, b -> (byte) b);
    assertAllCodes(StorageFormat.U8, b -> b);
    assertAllCodes(StorageFormat.I4, b -> b < 8 ? b : b - 16);
  }

  /**
   * Neighbours, midpoints and what lies beside them, of every code, against the peer's rounding.
   */
  private static void assertRounding(StorageFormat format, DoubleToLongFunction peer) {
    long positive = 1L << format.storageBits() - 1;
    for (long bits = 0; bits + 1 < positive; bits++) {
      double low = format.decode(bits);
      double high = format.decode(bits + 1);
      if (Double.isNaN(high) || Double.isInfinite(high) || Double.isNaN(low)) {
        continue;
      }
      float middle = (float) ((low + high) / 2);
      for (float v : new float[] {middle, Math.nextUp(middle), Math.nextDown(middle)}) {
        assertEquals(peer.applyAsLong(v), format.encode(format.round(v)), "rounding of " + v);
        assertEquals(peer.applyAsLong(-v), format.encode(format.round(-v)), "rounding of " + -v);
      }
    }
  }

  @Test
  void everyMidpointOfNarrowFormatsGoesToTheEvenNeighbour() {
    assertRounding(StorageFormat.F16, v -> Float.floatToFloat16((float) v) & 0xffff);
    assertRounding(StorageFormat.BF16, v -> BFloat16.fromFloat((float) v) & 0xffff);
    assertRounding(StorageFormat.F8_E4M3FN, v -> Float8.fromFloat((float) v) & 0xff);
  }

  @Test
  void overflowIsInfiniteOrSaturates() {
    assertEquals(Double.POSITIVE_INFINITY, StorageFormat.F16.round(65520));
    assertEquals(65504, StorageFormat.F16.round(65519.99));
    assertEquals(Double.NEGATIVE_INFINITY, StorageFormat.BF16.round(-3.4e38));
    assertEquals(448, StorageFormat.F8_E4M3FN.round(1e9));
    assertEquals(-448, StorageFormat.F8_E4M3FN.round(Double.NEGATIVE_INFINITY));
    assertEquals(-8, StorageFormat.I4.round(-100));
    assertEquals(255, StorageFormat.U8.round(255.6));
    assertEquals(0, StorageFormat.I32.round(Double.NaN));
  }

  @Test
  void f32IsTheFloatOfJava() {
    SplittableRandom random = new SplittableRandom(7);
    for (int i = 0; i < 1_000_000; i++) {
      int bits = random.nextInt();
      float f = Float.intBitsToFloat(bits);
      assertEquals(f, StorageFormat.F32.decode(bits & 0xffffffffL));
      if (!Float.isNaN(f)) {
        assertEquals(bits & 0xffffffffL, StorageFormat.F32.encode(f));
      }
      double d = Double.longBitsToDouble(random.nextLong());
      double near = f * (1 + (random.nextDouble() - 0.5) * 1e-6);
      assertEquals((float) near, StorageFormat.F32.round(near), "rounding of " + near);
      assertEquals((float) d, StorageFormat.F32.round(d), "rounding of " + d);
    }
  }

  @Test
  void specialNumbersAreNumbersOfTheirFormat() {
    for (StorageFormat format : StorageFormat.values()) {
      for (double v : format.specials()) {
        assertEquals(v, format.round(v), format + " " + v);
        assertEquals(v, format.decode(format.encode(v)), format + " " + v);
      }
      assertTrue(format.specials().length >= 5);
    }
  }
}
