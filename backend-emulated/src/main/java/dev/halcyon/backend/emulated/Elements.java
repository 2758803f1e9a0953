package dev.halcyon.backend.emulated;

import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.Strides;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;

/**
 * The elements of an operand while a kernel runs. Elements are numbered by their distance from the
 * first one in memory: {@code sum(index * stride)}.
 */
final class Elements {
  /** What becomes of subnormal f32 numbers that are loaded or stored as numbers. */
  enum Subnormals {
    KEPT,
    FLUSHED;

    float of(float v) {
      return this == FLUSHED && Math.abs(v) < Float.MIN_NORMAL ? Math.copySign(0f, v) : v;
    }
  }

  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final TensorType type;
  private final DType dtype;
  private final MemorySegment bytes;
  private final Subnormals subnormals;
  private final Optional<Elements> scales;
  private final Elements[] parts;
  private final long partElements;

  Elements(
      TensorType type,
      MemorySegment bytes,
      Subnormals subnormals,
      Optional<Elements> scales,
      Elements[] parts) {
    this.type = type;
    this.dtype = type.dtype();
    this.bytes = bytes;
    this.subnormals = subnormals;
    this.scales = scales;
    this.parts = parts;
    this.partElements = parts.length == 0 ? 0 : parts[0].type.elementCount();
  }

  TensorType type() {
    return type;
  }

  DType dtype() {
    return dtype;
  }

  Shape shape() {
    return type.shape();
  }

  /** The extent of {@code axis} as an int; negative axes count from the end. */
  int dim(int axis) {
    return Math.toIntExact(type.dim(axis));
  }

  long stride(int axis) {
    return type.strides().stride(axis);
  }

  /** The axes {@code [from, to)} alone, of the same memory: the others stand at index 0. */
  Elements axes(int from, int to) {
    TensorType view =
        TensorType.of(
            dtype,
            Shape.of(Arrays.copyOfRange(type.shape().dims(), from, to)),
            Strides.of(Arrays.copyOfRange(type.strides().toArray(), from, to)),
            QuantScheme.NONE);
    return new Elements(view, bytes, subnormals, Optional.empty(), parts);
  }

  Elements scales() {
    return scales.orElseThrow();
  }

  QuantScheme.Blocked scheme() {
    return (QuantScheme.Blocked) type.quant();
  }

  /** A number of a floating dtype, without its scale. */
  float getFloat(long e) {
    if (parts.length > 0) {
      return parts[(int) (e / partElements)].getFloat(e % partElements);
    }
    float v =
        switch (dtype) {
          case F32 -> bytes.get(FLOAT, 4 * e);
          case F16 -> Float.float16ToFloat(bytes.get(SHORT, 2 * e));
          case BF16 -> BFloat16.toFloat(bytes.get(SHORT, 2 * e));
          case F8_E4M3FN -> Float8.toFloat(bytes.get(BYTE, e));
          case I64, I32, I8, U8, I4 -> (float) getLong(e);
        };
    return subnormals.of(v);
  }

  /** A number of an integer dtype, without its scale. */
  long getLong(long e) {
    if (parts.length > 0) {
      return parts[(int) (e / partElements)].getLong(e % partElements);
    }
    return switch (dtype) {
      case I64 -> bytes.get(LONG, 8 * e);
      case I32 -> bytes.get(INT, 4 * e);
      case I8 -> bytes.get(BYTE, e);
      case U8 -> bytes.get(BYTE, e) & 0xff;
      case I4 -> e % 2 == 0 ? bytes.get(BYTE, e / 2) << 28 >> 28 : bytes.get(BYTE, e / 2) >> 4;
      case F32, F16, BF16, F8_E4M3FN ->
          throw new IllegalArgumentException("not an integer: " + dtype);
    };
  }

  int getInt(long e) {
    return (int) getLong(e);
  }

  /** Stores an f32. */
  void setFloat(long e, float v) {
    bytes.set(FLOAT, 4 * e, subnormals.of(v));
  }

  /** Stores an i32. */
  void setInt(long e, int v) {
    bytes.set(INT, 4 * e, v);
  }

  /** The stored bits, in the low bits of the result. */
  long getBits(long e) {
    if (parts.length > 0) {
      return parts[(int) (e / partElements)].getBits(e % partElements);
    }
    return switch (dtype) {
      case F32, I32 -> bytes.get(INT, 4 * e);
      case F16, BF16 -> bytes.get(SHORT, 2 * e);
      case I64 -> bytes.get(LONG, 8 * e);
      case F8_E4M3FN, I8, U8 -> bytes.get(BYTE, e);
      case I4 -> getLong(e);
    };
  }

  /** Stores bits as they are. */
  void setBits(long e, long bits) {
    switch (dtype) {
      case F32, I32 -> bytes.set(INT, 4 * e, (int) bits);
      case F16, BF16 -> bytes.set(SHORT, 2 * e, (short) bits);
      case I64 -> bytes.set(LONG, 8 * e, bits);
      case F8_E4M3FN, I8, U8 -> bytes.set(BYTE, e, (byte) bits);
      case I4 -> {
        int both = bytes.get(BYTE, e / 2);
        long now = e % 2 == 0 ? both & 0xf0 | bits & 0xf : both & 0x0f | bits << 4;
        bytes.set(BYTE, e / 2, (byte) now);
      }
    }
  }

  /** Loads {@code into.length} numbers of a floating dtype that are {@code step} apart. */
  void load(long first, long step, float[] into) {
    if (into.length == 0) {
      return;
    }
    if (dtype == DType.F32 && step == 1 && parts.length == 0 && subnormals == Subnormals.KEPT) {
      MemorySegment.copy(bytes, FLOAT, 4 * first, into, 0, into.length);
      return;
    }
    for (int i = 0; i < into.length; i++) {
      into[i] = getFloat(first + i * step);
    }
  }

  /** Loads a row as what it means, scales applied; {@code row} is its index, last axis excluded. */
  void loadRow(long[] row, float[] into) {
    if (parts.length > 0) {
      parts[(int) row[0]].loadRow(Arrays.copyOfRange(row, 1, row.length), into);
      return;
    }
    load(offset(row), type.rank() == 0 ? 0 : stride(-1), into);
    if (scales.isPresent()) {
      long block = scheme().effectiveBlockColumns(into.length);
      for (int i = 0; i < into.length; i++) {
        into[i] = subnormals.of(into[i] * scale(row, i / block));
      }
    }
  }

  private long offset(long[] row) {
    long e = 0;
    for (int a = 0; a < row.length; a++) {
      e += row[a] * stride(a);
    }
    return e;
  }

  /** The scale of the blocks that {@code row} crosses, by number of the block in the row. */
  float scale(long[] row, long block) {
    float stored = scales().getFloat(scaleAt(row, block));
    return scheme().scaleFormat() == QuantScheme.ScaleFormat.UE8M0
        ? Math.scalb(1f, (int) stored - 127)
        : stored;
  }

  /** Where that scale lies among the scales. */
  long scaleAt(long[] row, long block) {
    long[] at = row.clone();
    if (at.length > 0) {
      at[at.length - 1] /= scheme().blockRows();
    }
    return scales().offset(at) + block * scales().stride(-1);
  }
}
