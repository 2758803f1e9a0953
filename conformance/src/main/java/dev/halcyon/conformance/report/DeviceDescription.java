package dev.halcyon.conformance.report;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceInfo;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A device and what it says it can do.
 *
 * @param uri its canonical name
 * @param name the vendor's product name
 * @param kind cpu, gpu, npu, other or simulated
 * @param driver driver name and version
 * @param memoryBytes its memory
 * @param computeUnits cores, compute units or multiprocessors
 * @param usages per dtype, how it may be used; both in alphabetical order
 * @param features optional abilities, in alphabetical order
 * @param maxAllocationBytes largest single allocation
 */
public record DeviceDescription(
    String uri,
    String name,
    String kind,
    String driver,
    long memoryBytes,
    int computeUnits,
    Map<String, List<String>> usages,
    List<String> features,
    long maxAllocationBytes) {
  /** Describes an open device. */
  public static DeviceDescription of(Device device) {
    DeviceInfo info = device.info();
    Map<String, List<String>> usages = new TreeMap<>();
    new EnumMap<>(device.capabilities().usages())
        .forEach(
            (dtype, set) ->
                usages.put(
                    lower(dtype), set.stream().map(DeviceDescription::lower).sorted().toList()));
    return new DeviceDescription(
        info.uri().toString(),
        info.name(),
        lower(info.kind()),
        info.driver(),
        info.memoryBytes(),
        info.computeUnits(),
        usages,
        List.copyOf(
            new TreeSet<>(
                device.capabilities().features().stream().map(DeviceDescription::lower).toList())),
        device.capabilities().maxAllocationBytes());
  }

  private static String lower(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }
}
