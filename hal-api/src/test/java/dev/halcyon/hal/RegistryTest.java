package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import dev.halcyon.hal.testing.ReferenceBackend;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RegistryTest {
  /** A backend whose probe and version are given. */
  private record Fake(String name, int apiVersion, Supplier<BackendProbe> verdict)
      implements BackendProvider {
    @Override
    public BackendProbe probe() {
      return verdict.get();
    }

    @Override
    public List<DeviceInfo> devices() {
      throw new AssertionError("not available");
    }

    @Override
    public BackendDevice open(DeviceUri uri, DeviceOptions options) {
      throw new NoClassDefFoundError("vendor/Driver");
    }
  }

  /** Loaded by name: its constructor fails. */
  public static final class Exploding extends Stub {
    public Exploding() {
      throw new IllegalStateException("constructor failed");
    }
  }

  /** Loaded by name: speaks another version. */
  public static class Stub implements BackendProvider {
    @Override
    public String name() {
      return "future";
    }

    @Override
    public int apiVersion() {
      return API_VERSION + 1;
    }

    @Override
    public BackendProbe probe() {
      throw new AssertionError("must not be probed");
    }

    @Override
    public List<DeviceInfo> devices() {
      return List.of();
    }

    @Override
    public BackendDevice open(DeviceUri uri, DeviceOptions options) {
      throw new AssertionError("must not be opened");
    }
  }

  private static Fake fake(String name, Supplier<BackendProbe> verdict) {
    return new Fake(name, BackendProvider.API_VERSION, verdict);
  }

  private static HalException refused(HalRegistry r, String uri) {
    return assertThrows(HalException.class, () -> r.open(uri));
  }

  @Test
  void discoveryReportsBrokenProvidersAndKeepsTheOthers(@TempDir Path dir) throws IOException {
    Path services = Files.createDirectories(dir.resolve("META-INF/services"));
    Files.writeString(
        services.resolve(BackendProvider.class.getName()),
        String.join(
            "\n",
            "no.such.Provider",
            Exploding.class.getName(),
            Device.class.getName(),
            ReferenceBackend.class.getName(),
            Stub.class.getName()));
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {dir.toUri().toURL()}, getClass().getClassLoader())) {
      HalRegistry registry = HalRegistry.discover(loader);
      List<HalRegistry.Probed> all = registry.probeAll();
      assertEquals(
          List.of("reference", "unknown", "unknown", "unknown", "future"),
          all.stream().map(HalRegistry.Probed::backend).toList());
      assertInstanceOf(BackendProbe.Available.class, all.getFirst().probe());
      assertEquals(2, all.getFirst().devices().size());
      for (HalRegistry.Probed p : all.subList(1, 5)) {
        assertInstanceOf(BackendProbe.Broken.class, p.probe());
        assertTrue(p.devices().isEmpty());
      }
      try (Device d = registry.open("reference")) {
        assertEquals("reference://0", d.uri().toString());
      }
      HalException future = refused(registry, "future://0");
      assertEquals(HalErrorCode.BACKEND_BROKEN, future.code());
      assertTrue(future.getMessage().contains("SPI version 2"), future.getMessage());
    }
  }

  @Test
  void unknownBackendsAndDevicesAreNamed() {
    HalRegistry r =
        HalRegistry.of(
            new ReferenceBackend(),
            fake("acme", () -> new BackendProbe.Unavailable("no driver", "install acme-icd")));
    HalException unknown = refused(r, "nope://0");
    assertEquals(HalErrorCode.UNKNOWN_BACKEND, unknown.code());
    assertTrue(unknown.remedy().contains("[reference, acme]"), unknown.remedy());
    assertEquals(HalErrorCode.DEVICE_UNAVAILABLE, refused(r, "reference://9").code());
    HalException option =
        assertThrows(
            HalException.class,
            () -> r.open(DeviceUri.parse("reference"), DeviceOptions.DEFAULT.with("x", 1)));
    assertEquals(HalErrorCode.INVALID_OPTION, option.code());
  }

  @Test
  void unavailableBackendsGiveReasonAndRemedy() {
    HalRegistry r =
        HalRegistry.of(
            fake("acme", () -> new BackendProbe.Unavailable("no driver", "install acme-icd")));
    HalException e = refused(r, "acme://0");
    assertEquals(HalErrorCode.DEVICE_UNAVAILABLE, e.code());
    assertTrue(e.what().contains("no driver"));
    assertEquals("install acme-icd", e.remedy());
    assertTrue(r.probeAll().getFirst().devices().isEmpty());
  }

  @Test
  void probesThatThrowAreBroken() {
    for (Supplier<BackendProbe> bad :
        List.<Supplier<BackendProbe>>of(
            () -> {
              throw new UnsatisfiedLinkError("libacme");
            },
            () -> {
              throw new IllegalStateException("bug");
            },
            () -> new BackendProbe.Broken(new IOException("version"), "update the driver"))) {
      HalRegistry r = HalRegistry.of(fake("acme", bad), new ReferenceBackend());
      assertInstanceOf(BackendProbe.Broken.class, r.probeAll().getFirst().probe());
      assertInstanceOf(BackendProbe.Available.class, r.probeAll().get(1).probe());
      HalException e = refused(r, "acme://0");
      assertEquals(HalErrorCode.BACKEND_BROKEN, e.code());
      assertTrue(e.getCause() != null && !e.remedy().isEmpty());
    }
  }

  @Test
  void linkageErrorsWhenOpeningAreBroken() {
    BackendProvider p =
        new BackendProvider() {
          private final Fake fake = fake("acme", () -> new BackendProbe.Available("1"));

          @Override
          public String name() {
            return fake.name();
          }

          @Override
          public int apiVersion() {
            return fake.apiVersion();
          }

          @Override
          public BackendProbe probe() {
            return fake.probe();
          }

          @Override
          public List<DeviceInfo> devices() {
            return List.of();
          }

          @Override
          public BackendDevice open(DeviceUri uri, DeviceOptions options) {
            return fake.open(uri, options);
          }
        };
    assertEquals(HalErrorCode.BACKEND_BROKEN, refused(HalRegistry.of(p), "acme://0").code());
  }

  @Test
  void otherVersionsAreNotProbed() {
    HalRegistry r = HalRegistry.of(new Stub(), new ReferenceBackend());
    assertEquals(
        List.of("reference", "future"),
        r.probeAll().stream().map(HalRegistry.Probed::backend).toList());
    assertEquals(HalErrorCode.BACKEND_BROKEN, refused(r, "future").code());
  }
}
