package dev.halcyon.hal.testing;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** The elements of a tensor by index, as doubles. */
final class Elements {
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  final TensorType type;
  final Elements scales;
  private final long[] strides;
  private final MemorySegment bytes;
  private final long offset;
  private final List<Elements> parts;

  private Elements(
      TensorType type, MemorySegment bytes, long offset, Elements scales, List<Elements> parts) {
    this.type = type;
    this.strides = type.strides().toArray();
    this.bytes = bytes;
    this.offset = offset;
    this.scales = scales;
    this.parts = parts;
  }

  static Elements of(Tensor t) {
    if (!t.parts().isEmpty()) {
      return new Elements(t.type(), null, 0, null, t.parts().stream().map(Elements::of).toList());
    }
    MemorySegment m = ((ReferenceDevice.Memory) t.buffer()).bytes;
    return new Elements(
        t.type(), m, t.byteOffset(), t.scales().map(Elements::of).orElse(null), List.of());
  }

  static Elements of(TensorType dense, MemorySegment bytes) {
    return new Elements(dense, bytes, 0, null, List.of());
  }

  DType dtype() {
    return type.dtype();
  }

  private long at(long[] index) {
    long e = 0;
    for (int i = 0; i < strides.length; i++) {
      e += index[i] * strides[i];
    }
    return e;
  }

  /** The stored number, without its scale. */
  double get(long... index) {
    if (!parts.isEmpty()) {
      return parts.get((int) index[0]).get(java.util.Arrays.copyOfRange(index, 1, index.length));
    }
    long e = at(index);
    return switch (type.dtype()) {
      case F32 -> bytes.get(FLOAT, offset + 4 * e);
      case F16 -> Float.float16ToFloat(bytes.get(SHORT, offset + 2 * e));
      case BF16 -> BFloat16.toFloat(bytes.get(SHORT, offset + 2 * e));
      case F8_E4M3FN -> Float8.toFloat(bytes.get(ValueLayout.JAVA_BYTE, offset + e));
      case I64 -> bytes.get(LONG, offset + 8 * e);
      case I32 -> bytes.get(INT, offset + 4 * e);
      case I8 -> bytes.get(ValueLayout.JAVA_BYTE, offset + e);
      case U8 -> bytes.get(ValueLayout.JAVA_BYTE, offset + e) & 0xff;
      case I4 -> {
        int two = bytes.get(ValueLayout.JAVA_BYTE, offset + e / 2);
        yield e % 2 == 0 ? two << 28 >> 28 : two << 24 >> 28;
      }
    };
  }

  int getInt(long... index) {
    return (int) get(index);
  }

  /** What the element means. */
  double value(long... index) {
    return scales == null ? get(index) : get(index) * scale(index);
  }

  double scale(long... index) {
    QuantScheme.Blocked b = (QuantScheme.Blocked) type.quant();
    double s = scales.get(scaleIndex(b, type, index));
    return b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0 ? Math.pow(2, s - 127) : s;
  }

  static long[] scaleIndex(QuantScheme.Blocked b, TensorType type, long[] index) {
    long[] s = index.clone();
    int n = s.length;
    s[n - 1] /= b.effectiveBlockColumns(type.dim(-1));
    if (n > 1) {
      s[n - 2] /= b.blockRows();
    }
    return s;
  }

  /** Stores a number rounded to nearest even; integers saturate, NaN gives 0. */
  void set(double v, long... index) {
    long e = at(index);
    switch (type.dtype()) {
      case F32 -> bytes.set(FLOAT, offset + 4 * e, (float) v);
      case F16 -> bytes.set(SHORT, offset + 2 * e, Float.floatToFloat16((float) v));
      case BF16 -> bytes.set(SHORT, offset + 2 * e, BFloat16.fromFloat((float) v));
      case F8_E4M3FN -> setByte(offset + e, Float8.fromFloat((float) v));
      case I64 -> bytes.set(LONG, offset + 8 * e, (long) Math.rint(v));
      case I32 -> bytes.set(INT, offset + 4 * e, (int) Math.rint(v));
      case I8 -> setByte(offset + e, clamp(v, -128, 127));
      case U8 -> setByte(offset + e, clamp(v, 0, 255));
      case I4 -> {
        int nibble = clamp(v, -8, 7) & 15;
        long at = offset + e / 2;
        int two = bytes.get(ValueLayout.JAVA_BYTE, at);
        setByte(at, e % 2 == 0 ? two & 0xf0 | nibble : two & 0x0f | nibble << 4);
      }
    }
  }

  /** Copies an element of the same dtype without conversion. */
  void setSame(Elements source, long[] to, long[] from) {
    if (type.dtype() == DType.I64) {
      bytes.set(
          LONG, offset + 8 * at(to), source.bytes.get(LONG, source.offset + 8 * source.at(from)));
    } else {
      set(source.get(from), to);
    }
  }

  private void setByte(long at, int value) {
    bytes.set(ValueLayout.JAVA_BYTE, at, (byte) value);
  }

  private static int clamp(double v, int low, int high) {
    return (int) Math.clamp((long) Math.rint(v), low, high);
  }
}
