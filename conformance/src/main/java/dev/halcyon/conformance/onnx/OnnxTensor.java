package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.tensor.Shape;

/**
 * The content of a {@code TensorProto}.
 *
 * @param name the name in the file; may be empty
 * @param type element type
 * @param shape extents
 * @param data elements row-major, little endian, those under 8 bits packed from the low bits of
 *     each byte; not copied: treat it as immutable
 */
record OnnxTensor(String name, OnnxType type, Shape shape, byte[] data) {
  OnnxTensor {
    long needed = byteSize(type, shape);
    if (data.length != needed) {
      throw new IllegalArgumentException(
          data.length + " bytes for " + type + shape + ", which takes " + needed);
    }
  }

  /** Bytes of a tensor in an ONNX file. */
  static long byteSize(OnnxType type, Shape shape) {
    return Math.ceilDiv(Math.multiplyExact(shape.elementCount(), type.bits()), 8);
  }

  int size() {
    return Math.toIntExact(shape.elementCount());
  }

  /** The bits of an element, in the low bits. */
  long bits(int index) {
    int width = type.bits();
    if (width < 8) {
      long bit = (long) index * width;
      return data[(int) (bit / 8)] >> bit % 8 & (1 << width) - 1;
    }
    long value = 0;
    for (int b = 0; b < width / 8; b++) {
      value |= (data[index * (width / 8) + b] & 0xffL) << 8 * b;
    }
    return value;
  }

  /** An element of an integer type; UINT64 beyond the range of long wraps. */
  long integer(int index) {
    int unused = 64 - type.bits();
    return type.isSigned() ? bits(index) << unused >> unused : bits(index);
  }

  /** All elements of an integer type. */
  long[] integers() {
    if (!type.isInteger()) {
      throw new NotMapped("integers were expected instead of " + type);
    }
    long[] all = new long[size()];
    for (int i = 0; i < all.length; i++) {
      all[i] = integer(i);
    }
    return all;
  }

  /** An element of a floating type that the HAL has, or of an integer type. */
  double number(int index) {
    return type.isFloating()
        ? StorageFormat.of(type.storage()).decode(bits(index))
        : integer(index);
  }

  @Override
  public String toString() {
    return type + shape.toString();
  }
}
