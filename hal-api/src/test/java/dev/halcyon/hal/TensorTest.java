package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.DeviceBench;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TensorTest {
  private final DeviceBench b = DeviceBench.reference();

  @AfterEach
  void close() {
    b.close();
  }

  private static HalException assertCode(HalErrorCode code, Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    return e;
  }

  private static double[] iota(int n) {
    double[] v = new double[n];
    Arrays.setAll(v, i -> i);
    return v;
  }

  /** Elements (r, c) of rows x columns values, for the given ranges. */
  private static double[] cut(double[] v, int columns, int r0, int rows, int c0, int width) {
    double[] out = new double[rows * width];
    for (int r = 0; r < rows; r++) {
      System.arraycopy(v, (r0 + r) * columns + c0, out, r * width, width);
    }
    return out;
  }

  @Test
  void viewsReadTheElementsTheyName() {
    double[] v = iota(5 * 7);
    Tensor t = b.f32(v, 5, 7);
    assertArrayEquals(cut(v, 7, 1, 3, 2, 4), b.read(t.slice(0, 1, 3).slice(1, 2, 4)));
    assertArrayEquals(cut(v, 7, 4, 1, 0, 7), b.read(t.part(4)));
    double[] transposed = b.read(t.transpose(0, 1));
    for (int r = 0; r < 5; r++) {
      for (int c = 0; c < 7; c++) {
        assertEquals(r * 7 + c, transposed[c * 5 + r]);
      }
    }
    assertArrayEquals(
        new double[] {7, 7, 7, 8, 8, 8},
        b.read(t.slice(0, 1, 1).slice(1, 0, 2).reshape(2, 1).broadcastTo(Shape.of(2, 3))));
    assertArrayEquals(v, b.read(t.reshape(7, 5)));
  }

  @Test
  void quantisedSlicesCutBetweenBlocksOnly() {
    Blocked scheme = (Blocked) QuantScheme.FP8_128X128;
    Tensor q = b.quantized(3, DType.F8_E4M3FN, scheme, 300, 270);
    double[] all = b.read(q);
    assertArrayEquals(cut(all, 270, 128, 128, 0, 270), b.read(q.slice(0, 128, 128)));
    assertArrayEquals(
        cut(all, 270, 256, 44, 128, 142), b.read(q.slice(0, 256, 44).slice(1, 128, 142)));
    assertArrayEquals(
        cut(all, 270, 128, 172, 256, 14), b.read(q.slice(-1, 256, 14).slice(-2, 128, 172)));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> q.slice(0, 64, 64));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> q.slice(0, 0, 200));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> q.slice(1, 128, 100));
    assertCode(HalErrorCode.INVALID_ARGUMENT, () -> q.transpose(0, 1));
    assertCode(HalErrorCode.INVALID_ARGUMENT, () -> q.broadcastTo(Shape.of(2, 300, 270)));
    assertCode(HalErrorCode.INVALID_ARGUMENT, () -> q.reshape(270, 300));
    assertArrayEquals(all, b.read(q.reshape(1, 300, 270)));
  }

  @Test
  void quantisedPartsAndRowsKeepTheirScales() {
    Tensor q = b.quantized(4, DType.I4, (Blocked) QuantScheme.grouped(32), 3, 5, 70);
    double[] all = b.read(q);
    for (int e = 0; e < 3; e++) {
      assertArrayEquals(Arrays.copyOfRange(all, e * 350, (e + 1) * 350), b.read(q.part(e)));
    }
    assertArrayEquals(cut(all, 70, 5, 5, 32, 38), b.read(q.part(1).slice(1, 32, 38)));
    Tensor perRow = b.quantized(5, DType.I8, (Blocked) QuantScheme.perChannel(), 9, 33);
    assertArrayEquals(cut(b.read(perRow), 33, 2, 4, 0, 33), b.read(perRow.slice(0, 2, 4)));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> perRow.slice(1, 0, 16));
  }

  @Test
  void quantisingIsAsDocumented() {
    double[] x = {0, 1, -448, 100, 3, 0.001, 0, 0};
    Tensor in = b.f32(x, 2, 4);
    Tensor f8 =
        b.arena().allocate(TensorType.of(DType.F8_E4M3FN, 2, 4).withQuant(QuantScheme.grouped(2)));
    b.run(new dev.halcyon.hal.op.Quantize(), in, f8);
    double tiny = Float.float16ToFloat(Float.floatToFloat16(1e-4f / 448));
    assertArrayEquals(
        new double[] {
          Float.float16ToFloat(Float.floatToFloat16(1f / 448)),
          1,
          Float.float16ToFloat(Float.floatToFloat16(3f / 448)),
          tiny
        },
        b.read(f8.scales().orElseThrow()));
    Blocked power = new Blocked(1, 4, ScaleFormat.UE8M0);
    Tensor up = b.arena().allocate(TensorType.of(DType.F8_E4M3FN, 2, 4).withQuant(power));
    b.run(new dev.halcyon.hal.op.Quantize(), in, up);
    assertArrayEquals(
        new double[] {127, 127 - 7},
        b.read(up.scales().orElseThrow()),
        "448/448 = 2^0, 3/448 up to 2^-7");
    Tensor i4 =
        b.arena()
            .allocate(TensorType.of(DType.I4, 1, 4).withQuant(new Blocked(1, 4, ScaleFormat.F32)));
    b.run(new dev.halcyon.hal.op.Quantize(), b.f32(new double[] {-4, 16, 3, 0}, 1, 4), i4);
    assertEquals(-2, b.read(i4.scales().orElseThrow())[0]);
    assertArrayEquals(
        new double[] {-4, 16, 4, 0}, b.read(i4), 1e-30, "-4/-2 = 2, 16/-2 = -8, 3/-2 = -1.5 to -2");
  }

  @Test
  void scalesMustFit() {
    Tensor data = b.zeros(DType.F8_E4M3FN, 130, 130);
    Blocked scheme = (Blocked) QuantScheme.FP8_128X128;
    Tensor scales = b.zeros(DType.F32, 2, 2);
    assertTrue(data.withScales(scales, scheme).type().isQuantized());
    assertSame(scales, data.withScales(scales, scheme).scales().orElseThrow());
    assertCode(
        HalErrorCode.SHAPE_MISMATCH, () -> data.withScales(b.zeros(DType.F32, 2, 1), scheme));
    assertCode(
        HalErrorCode.SHAPE_MISMATCH, () -> data.withScales(b.zeros(DType.F16, 2, 2), scheme));
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> data.withScales(scales.transpose(0, 1), scheme));
  }

  @Test
  void packedNibblesAreCutAtBytes() {
    Tensor t = b.zeros(DType.I4, 4, 6);
    assertEquals(t.byteOffset() + 3, t.slice(0, 1, 1).byteOffset());
    assertEquals(t.byteOffset() + 1, t.slice(1, 2, 2).byteOffset());
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(1, 1, 2));
  }

  @Test
  void stacksJoinTensorsThatLieApart() {
    Tensor x = b.f32(iota(6), 2, 3);
    b.zeros(DType.U8, 1000);
    Tensor y = b.f32(new double[] {6, 7, 8, 9, 10, 11}, 2, 3);
    Tensor s = Tensor.stack(List.of(x, y));
    assertEquals(TensorType.of(DType.F32, 2, 2, 3), s.type());
    assertSame(y, s.part(1));
    assertEquals(List.of(x, y), s.parts());
    assertCode(HalErrorCode.INVALID_ARGUMENT, s::buffer);
    assertCode(HalErrorCode.INVALID_ARGUMENT, () -> s.slice(0, 0, 1));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> s.part(2));
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> Tensor.stack(List.of(x, x.reshape(3, 2))));
    assertCode(
        HalErrorCode.SHAPE_MISMATCH,
        () -> Tensor.stack(List.of(x.transpose(0, 1), x.transpose(0, 1))));
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> Tensor.stack(List.of(s, s)));
    assertCode(HalErrorCode.INVALID_ARGUMENT, () -> Tensor.stack(List.of()));
    assertTrue(s.overlaps(y) && y.overlaps(s) && !s.overlaps(b.zeros(DType.F32, 2)));
  }

  @Test
  void stacksNeedTheFeature() {
    try (DeviceBench plain =
        new DeviceBench(
            ReferenceBackend.open(ReferenceOptions.DEFAULT.onlyFeatures()),
            PlacementPolicy.DEFAULT)) {
      Tensor t = plain.zeros(DType.F32, 2);
      assertCode(HalErrorCode.UNSUPPORTED_OPERATOR, () -> Tensor.stack(List.of(t, t)));
    }
  }

  @Test
  void overlapIsByBytes() {
    Tensor t = b.zeros(DType.F32, 4, 6);
    assertTrue(t.overlaps(t.slice(0, 3, 1)));
    assertFalse(t.slice(0, 0, 2).overlaps(t.slice(0, 2, 2)));
    assertTrue(t.slice(1, 0, 2).overlaps(t.slice(1, 3, 2)), "conservative for strided views");
    assertFalse(t.slice(0, 2, 0).overlaps(t), "nothing overlaps nothing");
    assertFalse(t.overlaps(b.zeros(DType.F32, 4, 6)));
    Tensor scales = b.zeros(DType.F32, 4, 1);
    Tensor q = b.zeros(DType.I8, 4, 6).withScales(scales, (Blocked) QuantScheme.perChannel());
    assertTrue(q.overlaps(scales) && scales.overlaps(q));
    assertTrue(t.reshape(4, 6, 1).broadcastTo(Shape.of(4, 6, 2)).repeatsElements());
    assertFalse(t.transpose(0, 1).repeatsElements());
  }

  @Test
  void workspacesAreDivided() {
    Tensor w = b.zeros(DType.U8, 1024);
    Tensor v = w.viewAs(256, TensorType.of(DType.F32, 3, 64));
    assertEquals(w.byteOffset() + 256, v.byteOffset());
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> w.viewAs(257, TensorType.of(DType.F32, 3, 64)));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> w.viewAs(-1, TensorType.of(DType.F32, 1)));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> v.viewAs(0, TensorType.of(DType.U8, 1)));
  }
}
