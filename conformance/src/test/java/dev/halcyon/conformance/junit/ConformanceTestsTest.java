package dev.halcyon.conformance.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.testing.ScriptedCase;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.junit.platform.testkit.engine.Event;
import org.junit.platform.testkit.engine.Events;

/** What a third-party test class turns into. */
class ConformanceTestsTest {
  private static final String REQUIRE = "halcyon.require";

  private static Events run(Class<?> type) {
    return EngineTestKit.engine("junit-jupiter").selectors(selectClass(type)).execute().allEvents();
  }

  private static String reason(Event e) {
    return e.getRequiredPayload(TestExecutionResult.class)
        .getThrowable()
        .orElseThrow()
        .getMessage();
  }

  @Conformance("acme://0")
  static class Scripted implements ConformanceTests {
    @Override
    public Catalogue catalogue() {
      return ScriptedCase.catalogue(
          ScriptedCase.of("hal:op/A:n=1", ScriptedCase.pass()),
          ScriptedCase.of("hal:op/A:n=2", ScriptedCase.fail("3 elements are wrong")),
          ScriptedCase.of("hal:op/B", new Outcome.NotSupported("no B")),
          ScriptedCase.of("hal:op/C", new Outcome.NotRun("needs two devices")),
          ScriptedCase.of("hal:op/D", new Outcome.Fault(new IllegalStateException("oracle"))));
    }
  }

  @Test
  void outcomesAreTests() {
    Events tests =
        EngineTestKit.engine("junit-jupiter")
            .selectors(selectClass(Scripted.class))
            .execute()
            .testEvents();
    tests.assertStatistics(s -> s.started(5).succeeded(1).failed(2).aborted(2));
    assertEquals(
        List.of("not supported: no B", "not run: needs two devices"),
        tests.aborted().stream()
            .map(ConformanceTestsTest::reason)
            .map(m -> m.replace("Assumption failed: ", ""))
            .toList());
    assertEquals(
        List.of(
            "3 elements are wrong", "the case broke off: java.lang.IllegalStateException: oracle"),
        tests.failed().stream().map(ConformanceTestsTest::reason).toList());
    assertTrue(
        run(Scripted.class).dynamicallyRegistered().stream()
            .anyMatch(e -> e.getTestDescriptor().getDisplayName().equals("hal:op/A")));
  }

  @Conformance("acme://9")
  static class SwitchedOff implements ConformanceTests {}

  @Test
  void unavailableDeviceIsSkippedByNameAndReason() {
    Event e = run(SwitchedOff.class).aborted().stream().findFirst().orElseThrow();
    assertEquals("acme://9", e.getTestDescriptor().getDisplayName());
    assertTrue(reason(e).contains("switched off"), reason(e));
  }

  @Test
  void unavailableDeviceFailsWhereItIsRequired() {
    String before = System.getProperty(REQUIRE, "");
    System.setProperty(REQUIRE, "native, acme");
    try {
      Event e = run(SwitchedOff.class).failed().stream().findFirst().orElseThrow();
      assertTrue(reason(e).contains("switched off"), reason(e));
    } finally {
      System.setProperty(REQUIRE, before);
    }
  }

  @Conformance("nobody://0")
  static class UnknownBackend implements ConformanceTests {}

  @Test
  void unknownBackendFails() {
    Event e = run(UnknownBackend.class).failed().stream().findFirst().orElseThrow();
    assertTrue(reason(e).contains("no backend 'nobody'"), reason(e));
  }

  static class Nameless implements ConformanceTests {}

  @Test
  void missingAnnotationIsNamed() {
    Event e = run(Nameless.class).failed().stream().findFirst().orElseThrow();
    assertTrue(reason(e).contains("@Conformance"), reason(e));
  }
}
