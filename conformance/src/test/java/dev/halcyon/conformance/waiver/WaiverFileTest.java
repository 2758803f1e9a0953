package dev.halcyon.conformance.waiver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WaiverFileTest {
  private static final String GOOD =
      """
      [
        // a driver of 2024
        {
          "device": "opencl://*",
          "driver": "*PoCL*",
          "query": ["hal:op/MatMul:a=f16", "hal:op/Linear:*"],
          "issue": "https://example.org/1",
          "expect": "elements are wrong",
          "expires": "2027-03-31",
        },
        {"device": "*", "query": "hal:op/TopK", "issue": "2", "expect": "x", "expires": "2026-12-31"}
      ]
      """;

  @TempDir Path temp;

  private Path write(String text) throws IOException {
    return Files.writeString(temp.resolve("waivers.json"), text);
  }

  @Test
  void fileWithCommentsIsReadWithItsLines() throws IOException {
    List<Waiver> all = WaiverFile.read(write(GOOD));
    assertEquals(2, all.size());
    Waiver first = all.getFirst();
    assertEquals(3, first.line());
    assertEquals("opencl://*", first.device());
    assertEquals("*PoCL*", first.driver());
    assertEquals(LocalDate.of(2027, 3, 31), first.expires());
    assertTrue(first.covers(CaseId.parse("hal:op/Linear:w=i8")));
    assertEquals(11, all.getLast().line());
    assertEquals("*", all.getLast().driver());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"expires\": \"2027-03-31\" | \"expires\": \"soon\" | 'expires' must be a date | :3",
        "\"issue\": \"https://example.org/1\", | `` | 'issue' must be a text | :3",
        "\"driver\" | \"diver\" | unknown field 'diver' | :3",
        "\"hal:op/Linear:*\" | \"hal:op/Linear:nonsense\" | expected name=value | :3",
        "\"device\": \"*\" | \"device\": 3 | 'device' must be a text | :11",
        "[ | { | must be an array | :1",
      })
  void mistakesAreNamedWithTheirLine(String from, String to, String message, String line)
      throws IOException {
    String text = GOOD.replaceFirst(java.util.regex.Pattern.quote(from), to);
    HalException e = assertThrows(HalException.class, () -> WaiverFile.read(write(text)));
    assertEquals(HalErrorCode.INVALID_OPTION, e.code());
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertTrue(e.context().endsWith("waivers.json" + line), e.context());
  }

  @Test
  void missingFileAndNoJsonAreNamed() throws IOException {
    HalException missing =
        assertThrows(HalException.class, () -> WaiverFile.read(temp.resolve("none.json")));
    assertTrue(missing.getMessage().contains("does not exist"), missing.getMessage());
    Path broken = write("[\n{\"device\": ");
    HalException e = assertThrows(HalException.class, () -> WaiverFile.read(broken));
    assertTrue(e.getMessage().contains("is not JSON"), e.getMessage());
  }
}
