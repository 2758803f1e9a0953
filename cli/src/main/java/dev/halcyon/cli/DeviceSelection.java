package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine.Option;

/** The options that choose devices. */
final class DeviceSelection {
  private static final String ALL = "all";
  private static final String THREADS = "threads";
  private static final String COMPUTE = "compute";

  @Option(
      names = "--device",
      paramLabel = "URI",
      description = {
        "Device to run on: cpu://, opencl://0, ... as listed by 'halcyon devices'; 'all' for every"
            + " available one that is not simulated. May be repeated. Default: cpu://"
      })
  private List<String> uris = new ArrayList<>();

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads of devices that have them, such as cpu://. Default: one per core.")
  private Optional<Integer> threads = Optional.empty();

  @Option(
      names = "--compute",
      paramLabel = "MODE",
      description = {
        "Precision of activations in products, for devices that offer a choice, such as cpu://:"
            + " f32, or fast, which rounds them (to bf16 for bf16 weights, to int8 in groups of 32"
            + " for int8 and int4 weights). Default: f32."
      })
  private Optional<String> compute = Optional.empty();

  /**
   * A device by name, and how to open it; each opening is another one.
   *
   * @param uri its name
   * @param opener throws {@link HalException} as {@link #open(Host)}
   */
  record Chosen(DeviceUri uri, Supplier<Device> opener) {}

  /** The number of threads asked for. */
  Optional<Integer> threads() {
    return threads;
  }

  /** The precision of activations asked for. */
  Optional<String> compute() {
    return compute;
  }

  /**
   * Opens every chosen device, before anything is loaded.
   *
   * @throws HalException {@code INVALID_URI}, {@code UNKNOWN_BACKEND}, {@code DEVICE_UNAVAILABLE},
   *     {@code BACKEND_BROKEN}, each with reason and remedy
   */
  OpenDevices open(Host host) {
    List<Chosen> chosen = choose(host);
    OpenDevices devices = new OpenDevices();
    boolean complete = false;
    try {
      for (Chosen c : chosen) {
        devices.add(c.opener().get());
      }
      complete = true;
      return devices;
    } finally {
      if (!complete) {
        devices.close();
      }
    }
  }

  /**
   * Every chosen device, not opened.
   *
   * @throws HalException {@code INVALID_URI}, or {@code DEVICE_UNAVAILABLE} if all means none
   */
  List<Chosen> choose(Host host) {
    HalRegistry registry = host.backends().get();
    return chosen(registry).stream()
        .map(uri -> new Chosen(uri, () -> open(host, registry, uri)))
        .toList();
  }

  private List<DeviceUri> chosen(HalRegistry registry) {
    if (uris.isEmpty()) {
      return List.of(DeviceUri.parse("cpu://"));
    }
    List<DeviceUri> chosen = new ArrayList<>();
    for (String text : uris) {
      if (text.equals(ALL)) {
        registry.probeAll().stream()
            .flatMap(p -> p.devices().stream())
            .filter(d -> d.kind() != DeviceInfo.Kind.SIMULATED)
            .map(DeviceInfo::uri)
            .forEach(chosen::add);
      } else {
        chosen.add(DeviceUri.parse(text));
      }
    }
    if (chosen.isEmpty()) {
      throw HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, "no device is available")
          .on("--device all")
          .remedy("see 'halcyon devices' for the reasons; simulated devices run when named")
          .build();
    }
    return chosen.stream().distinct().toList();
  }

  private Device open(Host host, HalRegistry registry, DeviceUri uri) {
    Map<String, String> wanted = new LinkedHashMap<>();
    threads.ifPresent(n -> wanted.put(THREADS, String.valueOf(n)));
    compute.ifPresent(mode -> wanted.put(COMPUTE, mode));
    while (true) {
      try {
        return registry.open(uri, new DeviceOptions(wanted));
      } catch (HalException e) {
        String refused = refused(e, wanted.keySet());
        wanted.remove(refused);
        host.console()
            .say(
                "halcyon: "
                    + uri
                    + " has no "
                    + refused
                    + " to set; --"
                    + refused
                    + " is ignored for it");
      }
    }
  }

  /** The option a device does not know; whatever else went wrong is thrown. */
  private static String refused(HalException e, Set<String> wanted) {
    if (e.code() == HalErrorCode.INVALID_OPTION) {
      for (String name : wanted) {
        if (e.what().equals("unknown device option '" + name + "'")) {
          return name;
        }
      }
    }
    throw e;
  }
}
