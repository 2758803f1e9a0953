package dev.halcyon.models.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.util.Arrays;

/**
 * What a test needs and this machine may lack. A lacking facility skips the test with its reason, unless the system
 * property {@code halcyon.require} (comma-separated) names it: then the test fails.
 */
public final class Requirements {
  private Requirements() {}

  /** Goes on if {@code condition}; otherwise skips or fails the calling test. */
  public static void require(String facility, boolean condition, String reason) {
    if (condition) {
      return;
    }
    boolean required =
        Arrays.stream(System.getProperty("halcyon.require", "").split(",")).map(String::strip).anyMatch(facility::equals);
    if (required) {
      fail("'" + facility + "' is required here but missing: " + reason);
    }
    abort("'" + facility + "' is missing: " + reason);
  }
}
