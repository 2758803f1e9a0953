package dev.halcyon.backend.emulated;

import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What an emulated device is like, and which faults it has. By name in {@link DeviceOptions}; lists
 * are joined by {@code +}, names are of either case, launches count from 1 over all streams in
 * order of execution:
 *
 * <ul>
 *   <li>{@code memory-mib} (1024): device memory
 *   <li>{@code max-allocation-mib} (256): the largest single allocation
 *   <li>{@code dtypes} (all): what it can store, {@code f32+i32+bf16}; without f32 and i32 nothing
 *       works, so they are required
 *   <li>{@code features} (all but UNIFIED_MEMORY): {@code native_graphs+subnormals}, or {@code
 *       none}. Without SUBNORMALS subnormal f32 numbers are flushed to zero where they are computed
 *       with
 *   <li>{@code refuse}: operators it calls unsupported
 *   <li>{@code fail-build}: operators whose plans fail with {@code KERNEL_BUILD_FAILED}
 *   <li>{@code seed}: commands start after random delays that this number seeds, so that a missing
 *       wait between streams shows; absent, they start at once
 *   <li>{@code fail-launch}: the launch that fails with {@code KERNEL_FAILED}
 *   <li>{@code lose-launch}: the launch at which the device is lost
 *   <li>{@code hang-launch}: the launch that takes {@code hang-millis} (2000) longer
 * </ul>
 *
 * @param memoryBytes device memory
 * @param maxAllocationBytes largest allocation
 * @param dtypes storable dtypes
 * @param features claimed features
 * @param refused operators called unsupported
 * @param unbuildable operators whose plans fail
 * @param seed of random delays; empty for none
 * @param failLaunch the launch that fails; 0 for none
 * @param loseLaunch the launch that loses the device; 0 for none
 * @param hangLaunch the launch that hangs; 0 for none
 * @param hang how long it hangs
 */
record EmulatedOptions(
    long memoryBytes,
    long maxAllocationBytes,
    Set<DType> dtypes,
    Set<Feature> features,
    Set<String> refused,
    Set<String> unbuildable,
    OptionalLong seed,
    int failLaunch,
    int loseLaunch,
    int hangLaunch,
    Duration hang) {
  private static final long MIB = 1 << 20;
  private static final Set<String> KNOWN =
      Set.of(
          "memory-mib",
          "max-allocation-mib",
          "dtypes",
          "features",
          "refuse",
          "fail-build",
          "seed",
          "fail-launch",
          "lose-launch",
          "hang-launch",
          "hang-millis");

  /**
   * Reads options.
   *
   * @throws HalException {@code INVALID_OPTION}
   */
  static EmulatedOptions of(DeviceOptions options) {
    options.requireKnown(KNOWN);
    Set<DType> dtypes = enums(options, "dtypes", DType.class, EnumSet.allOf(DType.class));
    if (!dtypes.containsAll(List.of(DType.F32, DType.I32))) {
      throw invalid("dtypes", options.values().get("dtypes"), "include f32 and i32");
    }
    Set<Feature> features =
        enums(
            options,
            "features",
            Feature.class,
            EnumSet.complementOf(EnumSet.of(Feature.UNIFIED_MEMORY)));
    return new EmulatedOptions(
        options.positiveInt("memory-mib", 1024) * MIB,
        options.positiveInt("max-allocation-mib", 256) * MIB,
        dtypes,
        features,
        names(options, "refuse"),
        names(options, "fail-build"),
        options.values().containsKey("seed")
            ? OptionalLong.of(options.positiveInt("seed", 1))
            : OptionalLong.empty(),
        options.positiveInt("fail-launch", 0),
        options.positiveInt("lose-launch", 0),
        options.positiveInt("hang-launch", 0),
        Duration.ofMillis(options.positiveInt("hang-millis", 2000)));
  }

  private static Set<String> names(DeviceOptions options, String name) {
    String text = options.values().getOrDefault(name, "");
    return Arrays.stream(text.split("\\+"))
        .filter(s -> !s.isEmpty())
        .collect(Collectors.toUnmodifiableSet());
  }

  private static <E extends Enum<E>> Set<E> enums(
      DeviceOptions options, String name, Class<E> type, Set<E> fallback) {
    String text = options.values().get(name);
    if (text == null) {
      return fallback;
    }
    Function<String, E> parse =
        s -> {
          try {
            return Enum.valueOf(type, s.toUpperCase(Locale.ROOT));
          } catch (IllegalArgumentException e) {
            throw invalid(
                name, s, "choose from " + Arrays.toString(type.getEnumConstants()) + " or 'none'");
          }
        };
    Set<E> chosen = EnumSet.noneOf(type);
    if (!text.equalsIgnoreCase("none")) {
      Arrays.stream(text.split("\\+")).map(parse).forEach(chosen::add);
    }
    return chosen;
  }

  private static HalException invalid(String name, String value, String remedy) {
    return HalException.of(HalErrorCode.INVALID_OPTION, "option " + name + "=" + value)
        .remedy(remedy)
        .build();
  }
}
