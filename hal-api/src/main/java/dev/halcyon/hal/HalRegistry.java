package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the backends on the class path, each in its own try: a broken one is reported and never
 * hides the others. An instance holds no devices; make as many as you like. Thread-safe.
 */
public final class HalRegistry {
  private static final Logger LOG = LoggerFactory.getLogger(HalRegistry.class);

  /** A class path that cannot be read at all would report itself for ever. */
  private static final int MOST_BROKEN = 100;

  /**
   * A backend's verdict.
   *
   * @param backend its name
   * @param probe what it said
   * @param devices its devices, default first; empty unless available
   */
  public record Probed(String backend, BackendProbe probe, List<DeviceInfo> devices) {
    public Probed {
      devices = List.copyOf(devices);
    }
  }

  private final List<BackendProvider> providers;
  private final List<Probed> unloadable;

  private HalRegistry(List<BackendProvider> providers, List<Probed> unloadable) {
    this.providers = List.copyOf(providers);
    this.unloadable = List.copyOf(unloadable);
  }

  /** A registry of the backends on the class path of this class. */
  public static HalRegistry discover() {
    return discover(HalRegistry.class.getClassLoader());
  }

  /** A registry of the backends that {@code loader} sees. */
  public static HalRegistry discover(ClassLoader loader) {
    List<BackendProvider> found = new ArrayList<>();
    List<Probed> broken = new ArrayList<>();
    Iterator<BackendProvider> it = ServiceLoader.load(BackendProvider.class, loader).iterator();
    while (broken.size() < MOST_BROKEN) {
      try {
        if (!it.hasNext()) {
          break;
        }
        admit(it.next(), found, broken);
      } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
        LOG.warn("a backend on the class path cannot be loaded: {}", e.toString());
        broken.add(
            new Probed(
                "unknown",
                new BackendProbe.Broken(
                    e, "remove or rebuild the jar that names it in META-INF/services"),
                List.of()));
      }
    }
    found.sort(
        Comparator.comparingInt((BackendProvider p) -> p.name().equals("cpu") ? 0 : 1)
            .thenComparing(BackendProvider::name));
    return new HalRegistry(found, broken);
  }

  /** A registry of exactly these backends, in this order. */
  public static HalRegistry of(BackendProvider... providers) {
    List<BackendProvider> found = new ArrayList<>();
    List<Probed> broken = new ArrayList<>();
    for (BackendProvider p : providers) {
      admit(p, found, broken);
    }
    return new HalRegistry(found, broken);
  }

  private static void admit(BackendProvider p, List<BackendProvider> found, List<Probed> broken) {
    String name = p.name();
    int version = p.apiVersion();
    if (version == BackendProvider.API_VERSION) {
      found.add(p);
      return;
    }
    String text =
        "compiled for SPI version " + version + ", this API speaks " + BackendProvider.API_VERSION;
    broken.add(
        new Probed(
            name,
            new BackendProbe.Broken(
                new IllegalStateException(text), "use jars of one Halcyon release"),
            List.of()));
  }

  /** Probes every backend; never throws. CPU first, then by name. */
  public List<Probed> probeAll() {
    List<Probed> all = new ArrayList<>();
    for (BackendProvider p : providers) {
      all.add(probe(p));
    }
    all.addAll(unloadable);
    return all;
  }

  private static Probed probe(BackendProvider p) {
    try {
      BackendProbe verdict = p.probe();
      return new Probed(
          p.name(), verdict, verdict instanceof BackendProbe.Available ? p.devices() : List.of());
    } catch (RuntimeException | LinkageError e) {
      return new Probed(
          p.name(), new BackendProbe.Broken(e, "report this: a probe must not throw"), List.of());
    }
  }

  /** Opens a device with default options. */
  public Device open(String uri) {
    return open(DeviceUri.parse(uri), DeviceOptions.DEFAULT);
  }

  /**
   * Opens a device.
   *
   * @throws HalException {@code UNKNOWN_BACKEND}, {@code DEVICE_UNAVAILABLE} with the backend's
   *     reason and remedy, {@code BACKEND_BROKEN}, {@code INVALID_OPTION}
   */
  public Device open(DeviceUri uri, DeviceOptions options) {
    BackendProvider provider = provider(uri);
    switch (probe(provider).probe()) {
      case BackendProbe.Available a -> {
        try {
          return new Device(provider.open(uri, options));
        } catch (LinkageError e) {
          throw broken(
              uri, new BackendProbe.Broken(e, "reinstall the driver, or use another backend"));
        }
      }
      case BackendProbe.Unavailable u ->
          throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, uri + ": " + u.reason())
              .remedy(u.remedy())
              .build();
      case BackendProbe.Broken b -> throw broken(uri, b);
    }
  }

  private BackendProvider provider(DeviceUri uri) {
    for (BackendProvider p : providers) {
      if (p.name().equals(uri.scheme())) {
        return p;
      }
    }
    for (Probed p : unloadable) {
      if (p.backend().equals(uri.scheme()) && p.probe() instanceof BackendProbe.Broken b) {
        throw broken(uri, b);
      }
    }
    throw HalException.of(
            HalErrorCode.UNKNOWN_BACKEND, "no backend '" + uri.scheme() + "' for " + uri)
        .remedy(
            "choose one of "
                + providers.stream().map(BackendProvider::name).toList()
                + ", or add the backend's jar to the class path")
        .build();
  }

  private static HalException broken(DeviceUri uri, BackendProbe.Broken b) {
    return HalException.of(HalErrorCode.BACKEND_BROKEN, uri + ": " + b.cause())
        .remedy(b.remedy())
        .cause(b.cause())
        .build();
  }
}
