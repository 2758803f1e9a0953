package dev.halcyon.hal.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import java.util.Arrays;

/**
 * What a test needs and this machine may lack. A lacking facility skips the test with its reason,
 * unless the system property {@code halcyon.require} (comma-separated) names it: then the test
 * fails.
 */
public final class Requirements {
  private Requirements() {}

  /** Goes on if the backend of {@code uri} has a device; its scheme is the facility. */
  public static void requireDevice(String uri) {
    requireBackend(DeviceUri.parse(uri).scheme());
  }

  /** Goes on if the backend, one of the class path, has a device; its name is the facility. */
  public static void requireBackend(String name) {
    HalRegistry.Probed probed =
        HalRegistry.discover().probeAll().stream()
            .filter(p -> p.backend().equals(name))
            .findFirst()
            .orElseThrow(() -> new AssertionError("no backend " + name + " on the class path"));
    require(name, !probed.devices().isEmpty(), probed.probe().toString());
  }

  /** Goes on if {@code condition}; otherwise skips or fails the calling test. */
  public static void require(String facility, boolean condition, String reason) {
    if (condition) {
      return;
    }
    boolean required =
        Arrays.stream(System.getProperty("halcyon.require", "").split(","))
            .map(String::strip)
            .anyMatch(facility::equals);
    if (required) {
      fail("'" + facility + "' is required here but missing: " + reason);
    }
    abort("'" + facility + "' is missing: " + reason);
  }
}
