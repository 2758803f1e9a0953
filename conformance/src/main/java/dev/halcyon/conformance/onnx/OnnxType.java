package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.tensor.DType;
import java.util.Arrays;
import java.util.Optional;

/**
 * Element types of ONNX ({@code TensorProto.DataType}) and how a device holds them.
 *
 * <p>A type that the HAL has is held as what it is. An integer type that it lacks is held in I32:
 * the same numbers in wider storage, brought back into the range of the type by operators on the
 * device after each computation, as an ONNX runtime built on the HAL would do it. Floating types
 * that the HAL lacks are not held in another one: rounding is what they are about.
 */
enum OnnxType {
  FLOAT(1, 32, Kind.FLOATING, DType.F32),
  UINT8(2, 8, Kind.UNSIGNED, DType.U8),
  INT8(3, 8, Kind.SIGNED, DType.I8),
  UINT16(4, 16, Kind.UNSIGNED, DType.I32),
  INT16(5, 16, Kind.SIGNED, DType.I32),
  INT32(6, 32, Kind.SIGNED, DType.I32),
  INT64(7, 64, Kind.SIGNED, DType.I64),
  STRING(8, 0, Kind.OTHER),
  /** One byte, 0 or 1. */
  BOOL(9, 8, Kind.UNSIGNED, DType.U8),
  FLOAT16(10, 16, Kind.FLOATING, DType.F16),
  DOUBLE(11, 64, Kind.FLOATING),
  UINT32(12, 32, Kind.UNSIGNED, DType.I32),
  UINT64(13, 64, Kind.UNSIGNED, DType.I32),
  COMPLEX64(14, 64, Kind.OTHER),
  COMPLEX128(15, 128, Kind.OTHER),
  BFLOAT16(16, 16, Kind.FLOATING, DType.BF16),
  FLOAT8E4M3FN(17, 8, Kind.FLOATING, DType.F8_E4M3FN),
  FLOAT8E4M3FNUZ(18, 8, Kind.FLOATING),
  FLOAT8E5M2(19, 8, Kind.FLOATING),
  FLOAT8E5M2FNUZ(20, 8, Kind.FLOATING),
  UINT4(21, 4, Kind.UNSIGNED, DType.I32),
  INT4(22, 4, Kind.SIGNED, DType.I32),
  FLOAT4E2M1(23, 4, Kind.FLOATING),
  FLOAT8E8M0(24, 8, Kind.FLOATING),
  UINT2(25, 2, Kind.UNSIGNED, DType.I32),
  INT2(26, 2, Kind.SIGNED, DType.I32),
  FLOAT6E2M3(27, 6, Kind.FLOATING),
  FLOAT6E3M2(28, 6, Kind.FLOATING);

  /** What kind of numbers a type holds. */
  enum Kind {
    FLOATING,
    SIGNED,
    UNSIGNED,
    /** Not numbers that the HAL knows. */
    OTHER
  }

  private final int code;
  private final int bits;
  private final Kind kind;
  private final Optional<DType> storage;

  OnnxType(int code, int bits, Kind kind) {
    this(code, bits, kind, Optional.empty());
  }

  OnnxType(int code, int bits, Kind kind, DType storage) {
    this(code, bits, kind, Optional.of(storage));
  }

  OnnxType(int code, int bits, Kind kind, Optional<DType> storage) {
    this.code = code;
    this.bits = bits;
    this.kind = kind;
    this.storage = storage;
  }

  /** The type of a {@code TensorProto.DataType}. */
  static Optional<OnnxType> of(long code) {
    return Arrays.stream(values()).filter(t -> t.code == code).findFirst();
  }

  /** Bits of an element in an ONNX file; 0 for strings. */
  int bits() {
    return bits;
  }

  boolean isFloating() {
    return kind == Kind.FLOATING;
  }

  boolean isInteger() {
    return kind == Kind.SIGNED || kind == Kind.UNSIGNED;
  }

  boolean isSigned() {
    return kind == Kind.SIGNED;
  }

  /**
   * The dtype that holds it on a device.
   *
   * @throws NotMapped if the HAL has none
   */
  DType storage() {
    return storage.orElseThrow(() -> new NotMapped("the HAL has no dtype " + name()));
  }

  /** Whether {@link #storage} is the type itself, bit for bit. */
  boolean isNative() {
    return storage.isPresent() && storage.get().bits() == bits;
  }

  /** The smallest number of an integer type. */
  long lowest() {
    return isSigned() ? -1L << bits - 1 : 0;
  }

  /** The largest number of an integer type, at most that of a long. */
  long highest() {
    if (this == BOOL) {
      return 1;
    }
    int magnitude = isSigned() ? bits - 1 : bits;
    return magnitude >= 63 ? Long.MAX_VALUE : (1L << magnitude) - 1;
  }
}
