package dev.halcyon.backend.cpu;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Assertions;

/** Tensors as plain arrays of doubles in logical order, read and written element by element. */
final class Values {
  private Values() {}

  private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  /** All elements, times their scales. */
  static double[] read(Tensor t) {
    if (!t.parts().isEmpty()) {
      return t.parts().stream().flatMapToDouble(p -> Arrays.stream(read(p))).toArray();
    }
    double[] out = stored(t);
    if (t.type().quant() instanceof QuantScheme.Blocked b) {
      double[] scales = scales(t.scales().orElseThrow(), b);
      long columns = t.dim(-1);
      long rows = t.type().rank() < 2 ? 1 : t.dim(-2);
      long perBlock =
          b.blockColumns() == QuantScheme.Blocked.WHOLE_ROW ? columns : b.blockColumns();
      long scaleColumns = Math.ceilDiv(columns, perBlock);
      long scaleRows = Math.ceilDiv(rows, b.blockRows());
      for (int i = 0; i < out.length; i++) {
        long matrix = i / (rows * columns);
        long r = i / columns % rows;
        long c = i % columns;
        out[i] *=
            scales[(int) ((matrix * scaleRows + r / b.blockRows()) * scaleColumns + c / perBlock)];
      }
    }
    return out;
  }

  private static double[] scales(Tensor s, QuantScheme.Blocked b) {
    double[] v = stored(s);
    if (b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0) {
      Arrays.setAll(v, i -> Math.scalb(1.0, (int) v[i] - 127));
    }
    return v;
  }

  /** All elements as stored. */
  static double[] stored(Tensor t) {
    int n = Math.toIntExact(t.type().elementCount());
    double[] out = new double[n];
    long base = CpuTypes.address(t);
    for (int i = 0; i < n; i++) {
      out[i] = load(t.dtype(), base, offset(t.type(), i));
    }
    return out;
  }

  static int[] ints(Tensor t) {
    return Arrays.stream(read(t)).mapToInt(d -> (int) d).toArray();
  }

  /** Element number in storage of element {@code index} in logical order. */
  static long offset(TensorType type, long index) {
    long at = 0;
    long left = index;
    for (int axis = type.rank() - 1; axis >= 0; axis--) {
      at += left % type.dim(axis) * type.strides().stride(axis);
      left /= type.dim(axis);
    }
    return at;
  }

  private static double load(DType dtype, long base, long i) {
    return switch (dtype) {
      case F32 -> ALL.get(ValueLayout.JAVA_FLOAT_UNALIGNED, base + 4 * i);
      case F16 -> Float.float16ToFloat(ALL.get(ValueLayout.JAVA_SHORT_UNALIGNED, base + 2 * i));
      case BF16 -> BFloat16.toFloat(ALL.get(ValueLayout.JAVA_SHORT_UNALIGNED, base + 2 * i));
      case F8_E4M3FN -> Float8.toFloat(ALL.get(ValueLayout.JAVA_BYTE, base + i));
      case I64 -> ALL.get(ValueLayout.JAVA_LONG_UNALIGNED, base + 8 * i);
      case I32 -> ALL.get(ValueLayout.JAVA_INT_UNALIGNED, base + 4 * i);
      case I8 -> ALL.get(ValueLayout.JAVA_BYTE, base + i);
      case U8 -> ALL.get(ValueLayout.JAVA_BYTE, base + i) & 0xff;
      case I4 -> {
        int pair = ALL.get(ValueLayout.JAVA_BYTE, base + i / 2);
        int nibble = i % 2 == 0 ? pair & 15 : pair >> 4 & 15;
        yield nibble > 7 ? nibble - 16 : nibble;
      }
    };
  }

  /** Stores values, rounded to the dtype; not for quantised tensors. */
  static void write(Tensor t, double[] values) {
    long base = CpuTypes.address(t);
    for (int i = 0; i < values.length; i++) {
      store(t.dtype(), base, offset(t.type(), i), values[i]);
    }
  }

  private static void store(DType dtype, long base, long i, double v) {
    switch (dtype) {
      case F32 -> ALL.set(ValueLayout.JAVA_FLOAT_UNALIGNED, base + 4 * i, (float) v);
      case F16 ->
          ALL.set(ValueLayout.JAVA_SHORT_UNALIGNED, base + 2 * i, Float.floatToFloat16((float) v));
      case BF16 ->
          ALL.set(ValueLayout.JAVA_SHORT_UNALIGNED, base + 2 * i, BFloat16.fromFloat((float) v));
      case F8_E4M3FN -> ALL.set(ValueLayout.JAVA_BYTE, base + i, Float8.fromFloat((float) v));
      case I64 -> ALL.set(ValueLayout.JAVA_LONG_UNALIGNED, base + 8 * i, (long) v);
      case I32 -> ALL.set(ValueLayout.JAVA_INT_UNALIGNED, base + 4 * i, (int) v);
      case I8, U8 -> ALL.set(ValueLayout.JAVA_BYTE, base + i, (byte) (long) v);
      case I4 -> {
        int old = ALL.get(ValueLayout.JAVA_BYTE, base + i / 2);
        int nibble = (int) v & 15;
        int now = i % 2 == 0 ? old & 0xf0 | nibble : old & 15 | nibble << 4;
        ALL.set(ValueLayout.JAVA_BYTE, base + i / 2, (byte) now);
      }
    }
  }

  /** A quantised tensor of random stored numbers and random scales around {@code 1 / range}. */
  static Tensor randomQuantized(
      CpuFixture f, DType dtype, QuantScheme.Blocked scheme, long... dims) {
    Tensor t = f.arena.allocate(TensorType.of(dtype, dims).withQuant(scheme));
    double[] v = f.uniform(t.type().elementCount());
    double range =
        switch (dtype) {
          case I4 -> 8;
          case I8 -> 127;
          default -> 100;
        };
    for (int i = 0; i < v.length; i++) {
      v[i] =
          dtype.isFloating()
              ? v[i] * range
              : Math.clamp(Math.round(v[i] * range), -range, range - 1);
    }
    write(t, v);
    Tensor s = t.scales().orElseThrow();
    double[] sv = f.uniform(s.type().elementCount());
    for (int i = 0; i < sv.length; i++) {
      sv[i] =
          scheme.scaleFormat() == QuantScheme.ScaleFormat.UE8M0
              ? 120 + Math.round(sv[i] * 2)
              : (1.5 + sv[i]) / range;
    }
    write(s, sv);
    return t;
  }

  /** Compares with an absolute tolerance; NaN equals NaN. */
  static void assertNear(double[] expected, double[] actual, double tolerance, String what) {
    Assertions.assertEquals(expected.length, actual.length, what);
    for (int i = 0; i < expected.length; i++) {
      double e = expected[i];
      double a = actual[i];
      boolean same = e == a || Double.isNaN(e) && Double.isNaN(a);
      if (!same && !(Math.abs(e - a) <= tolerance * Math.max(1, Math.abs(e)))) {
        Assertions.fail(what + ": element " + i + " is " + a + ", expected " + e);
      }
    }
  }
}
