package dev.halcyon.conformance.faulty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The error codes that no call brings a working device to, planted: a device that is lost, kernels
 * that fail or do not compile, a driver that throws.
 */
class PlantedErrorsTest {
  @ParameterizedTest
  @CsvSource({
    "lose-launch, 1, DEVICE_LOST",
    "fail-launch, 1, KERNEL_FAILED",
    "fail-build, Fill, KERNEL_BUILD_FAILED"
  })
  void optionsOfTheEmulatedDevicePlantThem(String option, String value, HalErrorCode code) {
    Device device = new Device(FaultyDeviceTest.open(DeviceOptions.DEFAULT.with(option, value)));
    assertFails(
        code,
        device,
        (s, t) -> {
          s.enqueue(new Planner(device, PlacementPolicy.DEFAULT).plan(new Fill(1), t.type()), t);
          s.synchronize(Subject.DEADLINE);
        });
  }

  @Test
  void anExceptionOfTheBindingIsNamedAndPoisons() {
    Device device =
        new Device(
            new FaultyDevice(
                FaultyDeviceTest.open(DeviceOptions.DEFAULT),
                Optional.of(Fault.EXCEPTION_ESCAPES)));
    assertFails(
        HalErrorCode.NATIVE_CALL_FAILED,
        device,
        (s, t) -> {
          HalException e =
              assertThrows(
                  HalException.class, () -> s.upload(MemorySegment.ofArray(new float[4]), t));
          assertTrue(e.getCause() instanceof IllegalStateException, e::toString);
          assertEquals(
              HalErrorCode.STREAM_POISONED, assertThrows(HalException.class, s::record).code());
          throw e;
        });
  }

  private interface Use {
    void of(CommandStream stream, Tensor four);
  }

  /** The code, in one line with its identifier and a remedy; everything can be closed after it. */
  private static void assertFails(HalErrorCode code, Device device, Use use) {
    MemoryArena arena = device.newArena(MemoryArena.Kind.PERSISTENT, "test");
    CommandStream stream = device.newStream("test");
    Tensor t = arena.allocate(TensorType.of(DType.F32, 4));
    HalException e = assertThrows(HalException.class, () -> use.of(stream, t));
    assertEquals(code, e.code(), e.getMessage());
    assertTrue(e.getMessage().endsWith("(" + code.id() + " " + code.name() + ")"), e.getMessage());
    assertTrue(!e.remedy().isEmpty(), e.getMessage());
    stream.close();
    arena.close();
    device.close();
  }

  /** The kit says that nothing is known about the device any more. */
  @Test
  void aRunOnALostDeviceBreaksOff() {
    DeviceOptions options = DeviceOptions.DEFAULT.with("lose-launch", 1);
    Subject subject = new Subject(() -> new Device(FaultyDeviceTest.open(options)));
    Runner runner = new Runner(subject);
    ConformanceCase any =
        Catalogue.standard()
            .cases(Profile.RUNTIME, CaseQuery.parse("hal:runtime/stream:check=order"))
            .findFirst()
            .orElseThrow();
    CaseResult result = runner.run(any);
    assertEquals(Status.ERROR, result.status(), result::toString);
    assertTrue(runner.isDeviceLost());
    subject.close();
  }
}
