package dev.halcyon.conformance.junit;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.conformance.Supervisor;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The conformance kit as tests of a backend. All it takes is
 *
 * <pre>{@code
 * @Conformance("acme://0")
 * class AcmeConformanceTest implements ConformanceTests {}
 * }</pre>
 *
 * <p>Every case is a dynamic test, in a container per operator. NOT_SUPPORTED and NOT_RUN are
 * skipped with their reason. If the device is unavailable, one test named by its URI is skipped
 * with the reason, unless the system property {@code halcyon.require} (comma-separated) names the
 * backend: then it fails.
 */
public interface ConformanceTests {
  /**
   * Which cases there are.
   *
   * @implSpec Those that ship with Halcyon; override to add golden models or cases of your own.
   */
  default Catalogue catalogue() {
    return Catalogue.standard();
  }

  /** The tests; the device is open while the stream is. */
  @TestFactory
  default Stream<DynamicNode> conformance() {
    Conformance chosen = getClass().getAnnotation(Conformance.class);
    if (chosen == null) {
      throw new IllegalStateException(
          getClass().getName() + " has no @Conformance that names a device");
    }
    DeviceUri uri = DeviceUri.parse(chosen.value());
    Supervisor supervisor;
    try {
      supervisor =
          new Supervisor(
              () ->
                  Subject.open(
                      HalRegistry.discover(getClass().getClassLoader()),
                      uri,
                      DeviceOptions.DEFAULT),
              Duration.ofSeconds(chosen.deadlineSeconds()),
              () -> false);
    } catch (HalException e) {
      return Stream.of(DynamicTest.dynamicTest(uri.toString(), () -> unavailable(uri, e)));
    }
    Map<String, List<ConformanceCase>> groups = new LinkedHashMap<>();
    catalogue()
        .cases(chosen.profile(), CaseQuery.parse(chosen.query()))
        .forEach(c -> groups.computeIfAbsent(c.id().group(), p -> new ArrayList<>()).add(c));
    return groups.entrySet().stream()
        .<DynamicNode>map(
            e ->
                DynamicContainer.dynamicContainer(
                    e.getKey(), e.getValue().stream().map(c -> test(supervisor, c))))
        .onClose(supervisor::close);
  }

  private static DynamicTest test(Supervisor supervisor, ConformanceCase testCase) {
    return DynamicTest.dynamicTest(
        testCase.id().toString(), () -> Verdicts.report(supervisor.run(testCase).outcome()));
  }

  private static void unavailable(DeviceUri uri, HalException e) {
    boolean required =
        Arrays.stream(System.getProperty("halcyon.require", "").split(","))
            .map(String::strip)
            .anyMatch(uri.scheme()::equals);
    if (e.code() != HalErrorCode.DEVICE_UNAVAILABLE || required) {
      throw e;
    }
    Assumptions.abort(uri + " is unavailable: " + e.getMessage());
  }
}
