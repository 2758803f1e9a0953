package dev.halcyon.hal.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class NumberFormatTest {
  /** The value of a code by the formula of the OCP specification. */
  private static double f8(int code) {
    int e = code >> 3 & 15;
    int m = code & 7;
    double v = e == 0 ? m / 8.0 * Math.pow(2, -6) : (1 + m / 8.0) * Math.pow(2, e - 7);
    return (code & 0x80) == 0 ? v : -v;
  }

  @Test
  void float8CodesHaveTheirValuesAndRoundTrip() {
    for (int code = 0; code < 256; code++) {
      float v = Float8.toFloat((byte) code);
      if ((code & 0x7f) == 0x7f) {
        assertTrue(Float.isNaN(v), "code " + code);
      } else {
        assertEquals(f8(code), v, 0.0, "code " + code);
        assertEquals(Math.copySign(1, f8(code)), Math.copySign(1, v), "sign of code " + code);
        assertEquals((byte) code, Float8.fromFloat(v), "code " + code);
      }
    }
  }

  @Test
  void float8RoundsBetweenNeighboursTiesToEven() {
    for (int code = 0; code < 0x7e; code++) {
      double low = f8(code);
      double high = f8(code + 1);
      float tie = (float) ((low + high) / 2);
      assertEquals((low + high) / 2, tie, "the tie is a float");
      int even = code % 2 == 0 ? code : code + 1;
      assertEquals((byte) even, Float8.fromFloat(tie), "tie after code " + code);
      assertEquals(
          (byte) code, Float8.fromFloat(Math.nextDown(tie)), "below the tie after " + code);
      assertEquals(
          (byte) (code + 1), Float8.fromFloat(Math.nextUp(tie)), "above the tie after " + code);
      assertEquals((byte) (even | 0x80), Float8.fromFloat(-tie), "negative tie after " + code);
    }
  }

  @Test
  void float8Saturates() {
    for (float v :
        new float[] {448, 449, 464, 480, 1e9f, Float.MAX_VALUE, Float.POSITIVE_INFINITY}) {
      assertEquals((byte) 0x7e, Float8.fromFloat(v));
      assertEquals((byte) 0xfe, Float8.fromFloat(-v));
    }
    assertEquals((byte) 0, Float8.fromFloat(Float.MIN_VALUE));
    assertEquals((byte) 0x80, Float8.fromFloat(-Float.MIN_VALUE));
    assertEquals((byte) 0x80, Float8.fromFloat(-0f));
    assertEquals((byte) 0x7f, Float8.fromFloat(Float.NaN));
  }

  @Test
  void bfloat16RoundTripsEveryCode() {
    for (int code = 0; code < 1 << 16; code++) {
      float v = BFloat16.toFloat((short) code);
      short back = BFloat16.fromFloat(v);
      if (Float.isNaN(v)) {
        assertTrue(Float.isNaN(BFloat16.toFloat(back)), "code " + code);
      } else {
        assertEquals((short) code, back, "code " + code);
      }
    }
  }

  @Test
  void bfloat16RoundsToNearestTiesToEven() {
    for (int code = 0; code < 0x7f80; code++) {
      int tie = code << 16 | 0x8000;
      assertEquals((short) code, BFloat16.fromFloat(Float.intBitsToFloat(tie - 1)));
      assertEquals((short) (code + (code & 1)), BFloat16.fromFloat(Float.intBitsToFloat(tie)));
      assertEquals((short) (code + 1), BFloat16.fromFloat(Float.intBitsToFloat(tie + 1)));
    }
    assertEquals((short) 0x7f80, BFloat16.fromFloat(Float.MAX_VALUE));
    assertTrue(Float.isNaN(BFloat16.toFloat(BFloat16.fromFloat(Float.intBitsToFloat(0x7f800001)))));
    assertTrue(Float.isNaN(BFloat16.toFloat(BFloat16.fromFloat(Float.intBitsToFloat(0xffffffff)))));
  }

  @Test
  void bfloat16IsNearestForRandomFloats() {
    Random r = new Random(1);
    for (int i = 0; i < 100_000; i++) {
      float v = Float.intBitsToFloat(r.nextInt());
      if (!Float.isFinite(v)) {
        continue;
      }
      int code = BFloat16.fromFloat(v) & 0xffff;
      double error = Math.abs((double) BFloat16.toFloat((short) code) - v);
      for (int other : new int[] {code - 1, code + 1}) {
        double there = BFloat16.toFloat((short) other);
        if ((code & 0x7fff) < 0x7f80 && Double.isFinite(there)) {
          assertTrue(error <= Math.abs(there - v), "nearest to " + v);
        }
      }
    }
  }

  @Test
  void dtypesKnowTheirBytes() {
    assertEquals(0, DType.F32.byteSize(0));
    assertEquals(28, DType.F32.byteSize(7));
    assertEquals(14, DType.BF16.byteSize(7));
    assertEquals(7, DType.F8_E4M3FN.byteSize(7));
    assertEquals(4, DType.I4.byteSize(7), "seven nibbles take four bytes");
    assertEquals(56, DType.I64.byteSize(7));
    assertTrue(DType.F8_E4M3FN.isFloating());
    assertFalse(DType.I4.isFloating());
  }

  @Test
  void quantSchemesShapeTheirScales() {
    QuantScheme.Blocked b = (QuantScheme.Blocked) QuantScheme.FP8_128X128;
    assertEquals(Shape.of(3, 2, 2), b.scaleShape(Shape.of(3, 129, 256)));
    assertEquals(Shape.of(1, 1), b.scaleShape(Shape.of(1, 1)));
    QuantScheme.Blocked g = (QuantScheme.Blocked) QuantScheme.grouped(32);
    assertEquals(Shape.of(5, 3), g.scaleShape(Shape.of(5, 65)));
    assertEquals(DType.F16, g.scaleFormat().dtype());
    QuantScheme.Blocked c = (QuantScheme.Blocked) QuantScheme.perChannel();
    assertEquals(Shape.of(5, 1), c.scaleShape(Shape.of(5, 65)));
    assertEquals(65, c.effectiveBlockColumns(65));
    assertEquals(DType.U8, QuantScheme.ScaleFormat.UE8M0.dtype());
    assertEquals(Shape.of(2), g.scaleShape(Shape.of(33)));
    assertEquals("128x128:f32", QuantScheme.FP8_128X128.toString());
    assertEquals("1xrow:f32", QuantScheme.perChannel().toString());
  }
}
