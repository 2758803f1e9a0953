package dev.halcyon.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** Repeated measurements of one quantity. */
final class Spread {
  private final List<Double> samples = new ArrayList<>();

  void add(double sample) {
    samples.add(sample);
  }

  /** In the order they were taken. */
  List<Double> samples() {
    return List.copyOf(samples);
  }

  /** The middle, or the mean of the two in the middle; empty without samples. */
  OptionalDouble median() {
    if (samples.isEmpty()) {
      return OptionalDouble.empty();
    }
    List<Double> sorted = samples.stream().sorted().toList();
    int n = sorted.size();
    return OptionalDouble.of((sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2);
  }

  /** Median and range in multiples of {@code unit}: {@code 12.3 (11.9 .. 12.8) GB/s}. */
  String text(double unit, String unitName) {
    if (samples.isEmpty()) {
      return "not measured";
    }
    double min = samples.stream().mapToDouble(Double::doubleValue).min().orElseThrow();
    double max = samples.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
    return String.format(
        Locale.ROOT,
        "%.2f (%.2f .. %.2f) %s",
        median().orElseThrow() / unit,
        min / unit,
        max / unit,
        unitName);
  }
}
