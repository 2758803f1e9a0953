package dev.halcyon.hal.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TensorTypeTest {
  /**
   * A type together with the storage positions of its elements, row-major, computed independently
   * of its strides.
   */
  private record Model(TensorType type, long offset, long[] positions) {
    static Model dense(long... dims) {
      TensorType t = TensorType.of(DType.F32, dims);
      long[] p = new long[(int) t.elementCount()];
      Arrays.setAll(p, i -> i);
      return new Model(t, 0, p);
    }

    void verify() {
      long[] actual = new long[positions.length];
      long[] dims = type.shape().dims();
      for (int flat = 0; flat < actual.length; flat++) {
        long rest = flat;
        long at = offset;
        for (int a = dims.length - 1; a >= 0; a--) {
          at += rest % dims[a] * type.strides().stride(a);
          rest /= dims[a];
        }
        actual[flat] = at;
      }
      assertArrayEquals(positions, actual, type.toString());
      long last = Arrays.stream(positions).max().orElse(offset - 1);
      assertEquals(positions.length == 0 ? 0 : last - offset + 1, type.spanElements());
      boolean dense = true;
      for (int i = 0; i < positions.length; i++) {
        dense &= positions[i] == offset + i;
      }
      assertEquals(dense, type.isContiguous(), type.toString());
    }

    Model slice(int axis, long start, long length) {
      long[] dims = type.shape().dims();
      List<Long> kept = new ArrayList<>();
      for (int flat = 0; flat < positions.length; flat++) {
        long inner = 1;
        for (int a = dims.length - 1; a > axis; a--) {
          inner *= dims[a];
        }
        long index = flat / inner % dims[axis];
        if (index >= start && index < start + length) {
          kept.add(positions[flat]);
        }
      }
      return new Model(
          type.slice(axis, start, length),
          offset + type.sliceOffset(axis, start),
          kept.stream().mapToLong(Long::longValue).toArray());
    }

    Model transpose(int x, int y) {
      TensorType t = type.transpose(x, y);
      long[] dims = t.shape().dims();
      long[] moved = new long[positions.length];
      for (int flat = 0; flat < moved.length; flat++) {
        long[] index = new long[dims.length];
        long rest = flat;
        for (int a = dims.length - 1; a >= 0; a--) {
          index[a] = rest % dims[a];
          rest /= dims[a];
        }
        long swap = index[x];
        index[x] = index[y];
        index[y] = swap;
        long from = 0;
        for (int a = 0; a < dims.length; a++) {
          from = from * type.dim(a) + index[a];
        }
        moved[flat] = positions[(int) from];
      }
      return new Model(t, offset, moved);
    }

    Model reshape(long... dims) {
      return new Model(type.reshape(dims), offset, positions);
    }
  }

  private static void assertCode(
      HalErrorCode code, org.junit.jupiter.api.function.Executable call) {
    assertEquals(code, assertThrows(HalException.class, call).code());
  }

  @Test
  void randomChainsOfViewsAddressTheRightElements() {
    Random r = new Random(7);
    int strided = 0;
    for (int round = 0; round < 2000; round++) {
      long[] dims = new long[1 + r.nextInt(4)];
      Arrays.setAll(dims, i -> 1 + r.nextInt(5));
      Model m = Model.dense(dims);
      for (int step = 0; step < 4; step++) {
        int rank = m.type.rank();
        int axis = r.nextInt(rank);
        switch (r.nextInt(4)) {
          case 0 -> {
            long extent = m.type.dim(axis);
            long start = r.nextLong(extent);
            m = m.slice(axis, start, 1 + r.nextLong(extent - start));
          }
          case 1 -> m = m.transpose(axis, r.nextInt(rank));
          case 2 -> {
            // splitting an axis never moves elements
            long extent = m.type.dim(axis);
            long[] d = new long[rank + 1];
            System.arraycopy(m.type.shape().dims(), 0, d, 0, axis);
            d[axis] = extent % 2 == 0 ? 2 : 1;
            d[axis + 1] = extent / d[axis];
            System.arraycopy(m.type.shape().dims(), axis + 1, d, axis + 2, rank - axis - 1);
            m = m.reshape(d);
          }
          default -> {
            try {
              m = m.reshape(m.type.elementCount());
            } catch (HalException e) {
              assertEquals(HalErrorCode.SHAPE_MISMATCH, e.code());
              long step1 = m.positions.length > 1 ? m.positions[1] - m.positions[0] : 0;
              boolean even = true;
              for (int i = 1; i < m.positions.length; i++) {
                even &= m.positions[i] - m.positions[i - 1] == step1;
              }
              assertFalse(even, "one stride would have served " + m.type);
            }
          }
        }
        strided += m.type.isContiguous() ? 0 : 1;
        m.verify();
      }
    }
    assertTrue(strided > 1000, "the chains must reach strided types, got " + strided);
  }

  @Test
  void reshapeOfStridedSplitsAndMergesWhereStridesAllow() {
    // rows 2..7 of a [10, 6], columns 0..3
    Model m = Model.dense(10, 6).slice(0, 2, 6).slice(1, 0, 4);
    m.reshape(2, 3, 4).verify();
    m.reshape(3, 2, 2, 2).verify();
    m.reshape(6, 1, 4, 1).verify();
    m.reshape(2, 3, 4).reshape(6, 4).verify();
    Model.dense(4, 6).slice(1, 2, 1).reshape(4).verify();
    Model.dense(4, 6).slice(1, 2, 1).reshape(2, 2).verify();
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> m.reshape(24));
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> m.reshape(4, 6));
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> m.reshape(5, 5));
    Model t = Model.dense(3, 4).transpose(0, 1);
    t.reshape(2, 2, 3).verify();
    t.reshape(4, 3, 1).verify();
    assertCode(HalErrorCode.SHAPE_MISMATCH, () -> t.reshape(12));
  }

  @Test
  void broadcastRepeatsByStrideZero() {
    TensorType t = TensorType.of(DType.F32, 3, 1).broadcastTo(Shape.of(2, 3, 4));
    assertEquals(Strides.of(0, 1, 0), t.strides());
    assertEquals(3, t.spanElements());
    assertFalse(t.isContiguous());
    assertEquals(TensorType.of(DType.F32, 5), TensorType.of(DType.F32, 5).broadcastTo(Shape.of(5)));
    TensorType row = TensorType.of(DType.I32, 4).broadcastTo(Shape.of(2, 3, 4));
    assertEquals(Strides.of(0, 0, 1), row.strides());
    assertEquals(Strides.of(0, 1), row.reshape(6, 4).strides());
    assertCode(
        HalErrorCode.SHAPE_MISMATCH, () -> TensorType.of(DType.F32, 3).broadcastTo(Shape.of(4)));
    assertCode(
        HalErrorCode.SHAPE_MISMATCH, () -> TensorType.of(DType.F32, 2, 3).broadcastTo(Shape.of(3)));
  }

  @Test
  void slicesStayInside() {
    TensorType t = TensorType.of(DType.F32, 3, 5);
    assertEquals(Shape.of(3, 0), t.slice(-1, 5, 0).shape());
    assertEquals(0, t.slice(0, 3, 0).spanElements());
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(1, 3, 3));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(1, -1, 2));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(1, 1, -1));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(1, 1, Long.MAX_VALUE));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.slice(2, 0, 1));
    assertCode(HalErrorCode.OUT_OF_BOUNDS, () -> t.transpose(0, -3));
  }

  @Test
  void shapesAndStridesAreValues() {
    long[] dims = {2, 3};
    Shape s = Shape.of(dims);
    dims[0] = 9;
    s.dims()[1] = 9;
    assertEquals(Shape.of(2, 3), s);
    assertEquals(s.hashCode(), Shape.of(2, 3).hashCode());
    assertNotEquals(Shape.of(3, 2), s);
    assertEquals(6, s.elementCount());
    assertEquals(1, Shape.of().elementCount());
    assertEquals(0, Shape.of(4, 0, 3).elementCount());
    assertEquals(8, Shape.of(4, 2, 3).rows());
    assertEquals(1, Shape.of(7).rows());
    assertEquals(Shape.of(2, 7), s.with(-1, 7));
    assertEquals("[2x3]", s.toString());
    assertTrue(Shape.of(1, 3).broadcastsTo(Shape.of(5, 2, 3)));
    assertFalse(Shape.of(2, 1, 3).broadcastsTo(Shape.of(2, 3)));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(2, -1));
    assertThrows(ArithmeticException.class, () -> Shape.of(1L << 40, 1L << 40));
    assertEquals(Strides.of(12, 4, 1), Strides.contiguous(Shape.of(2, 3, 4)));
    assertThrows(IllegalArgumentException.class, () -> Strides.of(-1));
  }

  @Test
  void typesAreValuesAndSaySo() {
    TensorType a = TensorType.of(DType.BF16, 128, 256).withQuant(QuantScheme.FP8_128X128);
    assertEquals(
        a, TensorType.of(DType.BF16, Shape.of(128, 256)).withQuant(QuantScheme.FP8_128X128));
    assertNotEquals(a, a.dense());
    assertNotEquals(a, a.withDtype(DType.F16));
    assertEquals("bf16[128x256] scales 128x128:f32", a.toString());
    TensorType column = TensorType.of(DType.F32, 4, 6).slice(1, 0, 2);
    assertEquals("f32[4x2] strides [6, 1]", column.toString());
    assertTrue(column.isRowContiguous());
    assertFalse(column.transpose(0, 1).isRowContiguous());
    assertTrue(column.slice(1, 1, 1).transpose(0, 1).slice(1, 2, 1).isContiguous());
    assertThrows(
        IllegalArgumentException.class,
        () -> TensorType.of(DType.F32, Shape.of(2, 3), Strides.of(1), QuantScheme.NONE));
  }

  @Test
  void aWholeRowWithoutColumnsHasNoScale() {
    QuantScheme.Blocked scheme = (QuantScheme.Blocked) QuantScheme.perChannel();
    assertEquals(Shape.of(4, 0), scheme.scaleShape(Shape.of(4, 0)));
    assertEquals(Shape.of(4, 1), scheme.scaleShape(Shape.of(4, 7)));
  }
}
