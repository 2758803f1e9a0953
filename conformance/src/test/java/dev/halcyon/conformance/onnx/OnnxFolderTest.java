package dev.halcyon.conformance.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs a folder of ONNX's node tests, given by {@code -Dhalcyon.onnx.dir=DIR}. */
class OnnxFolderTest {
  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0"})
  void everyMappedNodeTestPasses(String uri) {
    String folder = System.getProperty("halcyon.onnx.dir", "");
    assumeTrue(!folder.isEmpty(), "no ONNX node tests: give -Dhalcyon.onnx.dir=DIR");
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject =
        Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), DeviceOptions.DEFAULT)) {
      new Runner(subject).run(new OnnxCases(Path.of(folder)).cases(), results::add);
    }
    assertEquals(
        List.of(),
        results.stream()
            .filter(r -> !r.status().isMet())
            .map(r -> r.id() + " " + r.outcome())
            .toList());
  }
}
