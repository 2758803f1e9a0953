package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Compares what a device computed with the outputs of a node test, element by element. NaN equals
 * NaN, infinities equal themselves only, zeros are equal whatever their sign.
 */
final class Verdict {
  /** Relative tolerance of ONNX's runner ({@code onnx.backend.test}). */
  static final double RELATIVE = 1e-3;

  /** Its relative tolerance for BFLOAT16, whose neighbours lie 2^-8 to 2^-7 apart. */
  static final double RELATIVE_BFLOAT16 = 0x1p-6;

  /** Absolute tolerance of ONNX's runner. */
  static final double ABSOLUTE = 1e-7;

  private final MappedOperator.Comparison comparison;
  private final List<String> failures = new ArrayList<>();
  private double headroom = Double.NEGATIVE_INFINITY;
  private String worst = "";

  Verdict(MappedOperator.Comparison comparison) {
    this.comparison = comparison;
  }

  /**
   * Judges one output.
   *
   * @param what names it in messages
   * @param expected what the file says
   * @param type the type of the result to ONNX
   * @param shape its shape
   * @param data its bytes in the storage of {@code type}
   */
  void judge(String what, OnnxTensor expected, OnnxType type, Shape shape, byte[] data) {
    if (type != expected.type() || !shape.equals(expected.shape())) {
      failures.add(what + " is " + type + shape + " instead of " + expected);
      return;
    }
    long wrong = 0;
    String first = "";
    for (int i = 0; i < expected.size(); i++) {
      long bits = bits(data, type.storage(), i);
      double used = type.isFloating() ? floating(expected, i, bits) : integer(expected, i, bits);
      String element = describe(what, expected, i, bits);
      if (used > headroom) {
        headroom = used;
        worst = element;
      }
      if (used > 1 && wrong++ == 0) {
        first = element;
      }
    }
    if (wrong > 0) {
      failures.add(wrong + " of " + expected.size() + " elements are wrong; first: " + first);
    }
  }

  /** Records what is wrong besides elements. */
  void reject(String failure) {
    failures.add(failure);
  }

  private static long bits(byte[] data, DType storage, int index) {
    int width = storage.bits() / 8;
    long value = 0;
    for (int b = 0; b < width; b++) {
      value |= (data[index * width + b] & 0xffL) << 8 * b;
    }
    return value;
  }

  /** The share of the tolerance that an element uses. */
  private double floating(OnnxTensor expected, int i, long bits) {
    double value = expected.number(i);
    double actual = StorageFormat.of(expected.type().storage()).decode(bits);
    if (actual == value || Double.isNaN(actual) && Double.isNaN(value)) {
      return 0;
    }
    if (comparison == MappedOperator.Comparison.EXACT
        || !Double.isFinite(actual)
        || !Double.isFinite(value)) {
      return Double.POSITIVE_INFINITY;
    }
    double relative = expected.type() == OnnxType.BFLOAT16 ? RELATIVE_BFLOAT16 : RELATIVE;
    return Math.abs(actual - value) / (ABSOLUTE + relative * Math.abs(value));
  }

  private static double integer(OnnxTensor expected, int i, long bits) {
    return number(expected.type(), bits) == expected.integer(i) ? 0 : Double.POSITIVE_INFINITY;
  }

  /** An integer from its storage; what is held in 32 bits wraps around in 64. */
  private static long number(OnnxType type, long bits) {
    int width = type.storage().bits();
    int unused = 64 - width;
    boolean unsigned = !type.isSigned() && type.bits() == width;
    return unsigned ? bits : bits << unused >> unused;
  }

  private static String describe(String what, OnnxTensor expected, int i, long bits) {
    OnnxType type = expected.type();
    return type.isFloating()
        ? String.format(
            Locale.ROOT,
            "%s[%d] is %s, expected %s",
            what,
            i,
            StorageFormat.of(type.storage()).decode(bits),
            expected.number(i))
        : String.format(
            Locale.ROOT,
            "%s[%d] is %d, expected %d",
            what,
            i,
            number(type, bits),
            expected.integer(i));
  }

  List<String> failures() {
    return failures;
  }

  /** The largest share of the tolerance used, 0 if all was equal. */
  double headroom() {
    return Math.max(0, headroom);
  }

  /** The element that used most of the tolerance; empty without elements. */
  String worst() {
    return worst;
  }
}
