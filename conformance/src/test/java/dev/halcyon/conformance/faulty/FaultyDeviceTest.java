package dev.halcyon.conformance.faulty;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The kit finds each bug, by a case that passes on the same device without it. */
class FaultyDeviceTest {
  /** Little memory, so that exhausting it is quick. */
  private static final DeviceOptions OPTIONS =
      DeviceOptions.DEFAULT.with("memory-mib", 160).with("max-allocation-mib", 40);

  @ParameterizedTest
  @EnumSource(Fault.class)
  void everyBugIsFound(Fault fault) {
    List<CaseResult> healthy = run(Optional.empty(), fault);
    assertEquals(1, healthy.size(), "no such case: " + fault.caughtBy());
    assertEquals(Status.PASS, healthy.getFirst().status(), healthy.toString());
    CaseResult found = run(Optional.of(fault), fault).getFirst();
    assertEquals(Status.FAIL, found.status(), () -> found.id() + " " + found.outcome());
  }

  static Subject subject(Optional<Fault> fault) {
    return new Subject(() -> new Device(new FaultyDevice(open(OPTIONS), fault)));
  }

  private static List<CaseResult> run(Optional<Fault> fault, Fault query) {
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject = subject(fault)) {
      new Runner(subject)
          .run(
              Catalogue.standard()
                  .cases(Profile.FULL, CaseQuery.parse(query.caughtBy()))
                  .filter(c -> c.id().toString().equals(query.caughtBy())),
              results::add);
    }
    return results;
  }

  static BackendDevice open(DeviceOptions options) {
    return ServiceLoader.load(BackendProvider.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(p -> p.name().equals("emulated"))
        .findFirst()
        .orElseThrow()
        .open(DeviceUri.parse("emulated://0"), options);
  }
}
