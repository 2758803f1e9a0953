package dev.halcyon.conformance.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.testing.Requirements;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The runtime profile on the devices of this project, and its pairing with the specification. */
class RuntimeProfileTest {
  /** Little memory, so that exhausting it is quick. */
  private static final DeviceOptions EMULATED =
      DeviceOptions.DEFAULT.with("memory-mib", 160).with("max-allocation-mib", 40);

  private static List<CaseResult> run(String uri, DeviceOptions options) {
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject = Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), options)) {
      new Runner(subject)
          .run(
              Catalogue.standard().cases(Profile.RUNTIME, CaseQuery.parse("hal:runtime/*")),
              results::add);
    }
    assertTrue(results.size() > 100, () -> "only " + results.size());
    return results;
  }

  private static void assertMet(List<CaseResult> results) {
    assertEquals(
        List.of(),
        results.stream()
            .filter(r -> !r.status().isMet())
            .map(r -> r.id() + " " + r.outcome())
            .toList());
  }

  private static Set<String> ids(List<CaseResult> results, Status status) {
    return results.stream()
        .filter(r -> r.status() == status)
        .map(r -> r.id().toString())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0"})
  void realDevicesMeetIt(String uri) {
    Requirements.requireDevice(uri);
    assertMet(run(uri, DeviceOptions.DEFAULT));
  }

  /** Nothing is unsupported on a device that has every feature and memory of its own. */
  @Test
  void emulatedDeviceMeetsAllOfIt() {
    List<CaseResult> results = run("emulated://0", EMULATED);
    assertMet(results);
    assertEquals(Set.of(), ids(results, Status.NOT_SUPPORTED));
    assertEquals(
        Arrays.stream(HalErrorCode.values())
            .filter(c -> ErrorCases.elsewhere(c).isPresent())
            .map(c -> CaseId.of("hal:runtime/error").with("code", c.name()).toString())
            .collect(Collectors.toCollection(TreeSet::new)),
        ids(results, Status.NOT_RUN));
  }

  @ParameterizedTest
  @ValueSource(ints = {11, 12})
  void randomDelaysChangeNothing(int seed) {
    assertMet(run("emulated://1", EMULATED.with("seed", seed)));
  }

  @Test
  void emulatedDeviceWithoutFeaturesMeetsIt() {
    List<CaseResult> results = run("emulated://0", EMULATED.with("features", "none"));
    assertMet(results);
    assertTrue(
        ids(results, Status.NOT_SUPPORTED).stream().allMatch(i -> i.contains("runtime/import")));
  }

  @Test
  void everyErrorCodeHasACase() {
    assertEquals(
        Arrays.stream(HalErrorCode.values()).map(Enum::name).collect(Collectors.toSet()),
        new ErrorCases().cases().map(c -> c.id().parameter("code")).collect(Collectors.toSet()));
  }

  @Test
  void requirementsAndCasesPair() throws IOException {
    Set<String> written = new TreeSet<>();
    try (InputStream in =
        Catalogue.class.getResourceAsStream("/dev/halcyon/conformance/spec/runtime.md")) {
      Matcher m =
          Pattern.compile("\\*\\*(RT-[A-Z]+-[0-9]+)\\*\\*")
              .matcher(new String(in.readAllBytes(), StandardCharsets.UTF_8));
      while (m.find()) {
        assertTrue(written.add(m.group(1)), m.group(1));
      }
    }
    Set<String> checked = new TreeSet<>();
    new RuntimeCases().cases().forEach(c -> checked.addAll(c.requirements()));
    assertEquals(written, checked);
  }
}
