package dev.halcyon.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.testing.Requirements;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OperatorProfileTest {
  @ParameterizedTest
  @ValueSource(strings = {"cpu://", "opencl://0", "emulated://0"})
  void devicesMeetTheQuickProfile(String uri) {
    Requirements.requireDevice(uri);
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject =
        Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), DeviceOptions.DEFAULT)) {
      new Runner(subject)
          .run(Catalogue.standard().cases(Profile.QUICK, CaseQuery.ALL), results::add);
    }
    assertTrue(results.size() > 100, () -> "only " + results.size());
    assertEquals(
        List.of(),
        results.stream()
            .filter(r -> !r.status().isMet())
            .map(r -> r.id() + " " + r.outcome())
            .toList());
  }
}
