package dev.halcyon.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.OptionalDouble;

/** Numbers as people read them; decimal units, English digits. */
final class Units {
  private static final String[] PREFIXES = {"", "k", "M", "G", "T", "P"};

  private Units() {}

  /** 2439064 as {@code 2.4 MB}. */
  static String bytes(double count) {
    double value = count;
    int prefix = 0;
    while (value >= 1000 && prefix < PREFIXES.length - 1) {
      value /= 1000;
      prefix++;
    }
    return prefix == 0
        ? String.format(Locale.ROOT, "%.0f B", value)
        : String.format(Locale.ROOT, "%.1f %sB", value, PREFIXES[prefix]);
  }

  /** {@code 12.3 GB/s}. */
  static String bytesPerSecond(double rate) {
    return bytes(rate) + "/s";
  }

  static String seconds(Duration duration) {
    return String.format(Locale.ROOT, "%.2f s", duration.toNanos() * 1e-9);
  }

  /** A rate with three or more digits; a dash if there is none. */
  static String rate(OptionalDouble perSecond) {
    return perSecond.isPresent() ? rate(perSecond.getAsDouble()) : "-";
  }

  static String rate(double perSecond) {
    return String.format(Locale.ROOT, perSecond < 100 ? "%.2f" : "%.0f", perSecond);
  }
}
