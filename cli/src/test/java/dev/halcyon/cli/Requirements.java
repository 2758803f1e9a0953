package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.spi.BackendProbe;
import java.util.Arrays;

/**
 * What a test needs and this machine may lack. A lacking facility skips the test with its reason,
 * unless the system property {@code halcyon.require} (comma-separated) names it: then the test
 * fails.
 */
final class Requirements {
  private Requirements() {}

  /** Goes on if the backend has a device; otherwise skips or fails the calling test. */
  static void requireBackend(String name) {
    String reason =
        HalRegistry.discover().probeAll().stream()
            .filter(p -> p.backend().equals(name))
            .findFirst()
            .map(
                p ->
                    switch (p.probe()) {
                      case BackendProbe.Available a -> "";
                      case BackendProbe.Unavailable u -> u.reason();
                      case BackendProbe.Broken b -> "broken: " + b.cause();
                    })
            .orElse("not on the class path");
    if (reason.isEmpty()) {
      return;
    }
    boolean required =
        Arrays.stream(System.getProperty("halcyon.require", "").split(","))
            .map(String::strip)
            .anyMatch(name::equals);
    if (required) {
      fail("'" + name + "' is required here but missing: " + reason);
    }
    abort("'" + name + "' is missing: " + reason);
  }
}
