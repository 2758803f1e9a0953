package dev.halcyon.conformance.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.testing.Requirements;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Runs node tests that were made up here on one device; a subclass per device. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class MappingTest {
  @TempDir Path root;
  private final String uri;
  private final List<String> wrong = new ArrayList<>();
  private Subject subject;
  private int made;

  MappingTest(String uri) {
    this.uri = uri;
  }

  @BeforeAll
  void open() {
    Requirements.requireDevice(uri);
    subject = Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), DeviceOptions.DEFAULT);
  }

  @AfterAll
  void close() {
    if (subject != null) {
      subject.close();
    }
  }

  static Shape shape(long... dims) {
    return Shape.of(dims);
  }

  CaseResult run(NodeFolder test) {
    try {
      return new Runner(subject).run(new OnnxCase(test.write(root, "test_" + made++)));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Runs it and remembers it if it does not pass. */
  void expect(NodeFolder test) {
    CaseResult r = run(test);
    if (r.status() != Status.PASS) {
      wrong.add(test + " " + r.outcome());
    }
  }

  void assertAllPassed() {
    List<String> failed = List.copyOf(wrong);
    wrong.clear();
    assertEquals(List.of(), failed);
  }

  void assertNotSupported(String reason, NodeFolder test) {
    Outcome outcome = run(test).outcome();
    assertEquals(new Outcome.NotSupported(reason), outcome);
  }
}
