package dev.halcyon.conformance.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceOptions;
import dev.halcyon.hal.testing.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs a folder of ONNX's node tests, given by {@code -Dhalcyon.onnx.dir=DIR}. */
class OnnxFolderTest {
  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0"})
  void everyMappedNodeTestPasses(String uri) {
    String folder = System.getProperty("halcyon.onnx.dir", "");
    assumeTrue(!folder.isEmpty(), "no folder of ONNX node tests: give -Dhalcyon.onnx.dir=DIR");
    Requirements.requireDevice(uri);
    assertEquals(
        List.of(),
        OnnxResultsPage.run(uri, Path.of(folder)).stream()
            .filter(r -> !r.status().isMet())
            .map(r -> r.id() + " " + r.outcome())
            .toList());
  }

  /** A report without the folder says what it lacks. */
  @Test
  void withoutAFolderOneCaseStandsForAll() {
    List<ConformanceCase> cases = OnnxCases.absent().cases().toList();
    assertEquals(1, cases.size());
    try (Subject subject = new Subject(() -> ReferenceBackend.open(ReferenceOptions.DEFAULT))) {
      Outcome outcome = cases.getFirst().run(subject);
      assertTrue(
          outcome instanceof Outcome.NotRun n && n.reason().contains("--onnx"), outcome::toString);
    }
  }

  @Test
  void documentationListsTheMappedOperators() throws IOException {
    String page = Files.readString(Path.of("../docs/conformance-onnx.md"));
    assertTrue(
        page.endsWith(OnnxResultsPage.operators()),
        () -> "write the table of mapped operators anew:" + OnnxResultsPage.operators());
  }
}
