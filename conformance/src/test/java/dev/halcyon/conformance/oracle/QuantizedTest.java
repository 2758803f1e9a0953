package dev.halcyon.conformance.oracle;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.Shape;
import org.junit.jupiter.api.Test;

/** Quantisation of small blocks, worked out by hand. */
class QuantizedTest {
  private static Quantized quantized(DType dtype, ScaleFormat scale, double... row) {
    HostTensor x = HostTensor.of(DType.F32, Shape.of(1, row.length), row);
    return Quantized.of(x, dtype, new Blocked(1, row.length, scale));
  }

  @Test
  void i8ScalesByTheLargestMagnitude() {
    Quantized q = quantized(DType.I8, ScaleFormat.F32, 254, -127, 1, 3, 5);
    assertArrayEquals(new double[] {127, -64, 0, 2, 2}, q.data().value());
    assertArrayEquals(new double[] {2}, q.scales().value());
    // the scale is a power of two: nothing is open, midpoints go to the even number
    assertArrayEquals(new double[5], q.data().bound());
  }

  @Test
  void i4ScalesByTheSignedExtreme() {
    Quantized q = quantized(DType.I4, ScaleFormat.F16, 16, -16, 3, 0);
    assertArrayEquals(new double[] {-2}, q.scales().value());
    assertArrayEquals(new double[] {-8, 7, -2, 0}, q.data().value());
  }

  @Test
  void f8KeepsALeastScaleAndRoundsPowersUp() {
    assertEquals(
        (float) (1e-4f / 448.0),
        quantized(DType.F8_E4M3FN, ScaleFormat.F32, 0).scales().value()[0]);
    Quantized q = quantized(DType.F8_E4M3FN, ScaleFormat.UE8M0, 449, 224);
    assertEquals(128, q.scales().value()[0]);
    assertArrayEquals(new double[] {224, 112}, q.data().value());
  }

  @Test
  void aMidpointIsOpenWhereTheScaleIsRounded() {
    // 1 / 127 is not a power of two, and 0.5 / 127 * 127 may land on either side
    Quantized q = quantized(DType.I8, ScaleFormat.F32, 1, 0.5 / 127, 0.25);
    assertEquals(1, q.data().bound()[1]);
    assertEquals(0, q.data().bound()[2]);
  }
}
