package dev.halcyon.models.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import org.junit.jupiter.api.function.Executable;

/** Checks of the error contract: code, words in the message, and a remedy. */
public final class HalAssertions {
  private HalAssertions() {}

  /**
   * Runs {@code call}, which must fail with {@code code} and a message that contains every word.
   */
  public static HalException assertFails(HalErrorCode code, Executable call, String... words) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), "'" + word + "' not in: " + e.getMessage());
    }
    assertFalse(e.getMessage().contains("\n"), "one line: " + e.getMessage());
    return e;
  }
}
