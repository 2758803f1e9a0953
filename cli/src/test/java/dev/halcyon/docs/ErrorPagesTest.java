package dev.halcyon.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every identifier that ends an error message resolves in docs/errors.md, and nothing else is
 * there.
 */
class ErrorPagesTest {
  private static final List<String> PARTS =
      List.of("**Meaning.** ", "**Typical cause.** ", "**What to do.** ");

  @Test
  void everyCodeHasExactlyOneSectionInOrder() throws IOException {
    assertEquals(
        Arrays.stream(HalErrorCode.values()).map(code -> code.id() + " " + code.name()).toList(),
        sections().stream().map(Section::heading).toList());
  }

  @TestFactory
  Stream<DynamicTest> everySectionSaysMeaningCauseAndRemedy() throws IOException {
    return sections().stream()
        .map(
            section ->
                DynamicTest.dynamicTest(
                    section.heading(),
                    () -> {
                      int from = 0;
                      for (String part : PARTS) {
                        int at = section.body().indexOf(part);
                        assertTrue(at >= from, () -> "no '" + part.strip() + "', or out of order");
                        from = at + part.length();
                      }
                    }));
  }

  private record Section(String heading, String body) {}

  private static List<Section> sections() throws IOException {
    Path page =
        Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../docs/errors.md");
    List<Section> found = new ArrayList<>();
    String[] parts = Files.readString(page).split("(?m)^## ");
    for (String part : Arrays.asList(parts).subList(1, parts.length)) {
      int end = part.indexOf('\n');
      found.add(new Section(part.substring(0, end).strip(), part.substring(end)));
    }
    return found;
  }
}
