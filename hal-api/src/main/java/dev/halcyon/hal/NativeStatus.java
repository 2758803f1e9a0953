package dev.halcyon.hal;

import java.util.Objects;

/**
 * What a vendor's native call reported, fetched on the thread that made the call.
 *
 * @param vendor the API, for example {@code OpenCL}
 * @param code the numeric status
 * @param symbol the function that failed, for example {@code clCreateBuffer}
 * @param text the vendor's own words, empty if it gave none
 */
public record NativeStatus(String vendor, long code, String symbol, String text) {
  public NativeStatus {
    Objects.requireNonNull(vendor);
    Objects.requireNonNull(symbol);
    Objects.requireNonNull(text);
  }

  @Override
  public String toString() {
    return vendor + " " + symbol + " = " + code + (text.isEmpty() ? "" : " (" + text + ")");
  }
}
