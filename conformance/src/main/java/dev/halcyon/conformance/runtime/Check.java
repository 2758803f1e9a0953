package dev.halcyon.conformance.runtime;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.Arrays;
import java.util.function.Supplier;

/** The ways in which a case looks whether a requirement is met. */
final class Check {
  /** A call that is expected to fail. */
  interface Call {
    void run();
  }

  private Check() {}

  /** Throws {@link Unmet} with {@code otherwise} unless {@code condition}. */
  static void that(boolean condition, Supplier<String> otherwise) {
    if (!condition) {
      throw new Unmet(otherwise.get());
    }
  }

  static void equal(Object expected, Object actual, String what) {
    that(expected.equals(actual), () -> what + " is " + actual + ", must be " + expected);
  }

  static void equal(float[] expected, float[] actual, String what) {
    int at = Arrays.mismatch(expected, actual);
    that(
        at < 0,
        () ->
            what
                + ": element "
                + at
                + " is "
                + (at < actual.length ? actual[at] : "missing")
                + ", must be "
                + (at < expected.length ? expected[at] : "absent"));
  }

  static void equal(byte[] expected, byte[] actual, String what) {
    int at = Arrays.mismatch(expected, actual);
    that(at < 0, () -> what + ": byte " + at + " of " + actual.length + " differs");
  }

  /** Every element of {@code actual} is {@code value}. */
  static void all(float value, float[] actual, String what) {
    float[] expected = new float[actual.length];
    Arrays.fill(expected, value);
    equal(expected, actual, what);
  }

  /**
   * Runs {@code call}, which must fail with {@code code}, in one line that names code and
   * identifier.
   */
  static HalException fails(HalErrorCode code, Call call, String what) {
    try {
      call.run();
    } catch (HalException e) {
      requireCode(code, e, what);
      return e;
    }
    throw new Unmet(what + " succeeded, must fail with " + code);
  }

  static void requireCode(HalErrorCode code, HalException e, String what) {
    that(
        e.code() == code,
        () -> what + " failed with " + e.code() + ", must be " + code + ": " + e.getMessage());
    that(
        e.getMessage().endsWith("(" + code.id() + " " + code.name() + ")")
            && !e.getMessage().contains("\n"),
        () -> what + ": not one line that ends in the error's identifier: " + e.getMessage());
  }
}
