package dev.halcyon.hal.plan;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.OperatorSpec;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * What a planner may do. By default: native where possible, decompositions on the device otherwise,
 * never the host.
 *
 * <p>{@code -Dhalcyon.plan.disable=opencl:MoeGating,cpu:*} turns native operators off on top of any
 * policy, by backend and operator name; {@code *} means every composite.
 *
 * @param disabledNative operator names never planned natively; {@code *} for every composite
 * @param hostOperators operator names that may run on {@code host}
 * @param host the device that executes them
 */
public record PlacementPolicy(
    Set<String> disabledNative, Set<String> hostOperators, Optional<Device> host) {
  /** Native or decomposed, never on the host. */
  public static final PlacementPolicy DEFAULT =
      new PlacementPolicy(Set.of(), Set.of(), Optional.empty());

  /** Every composite by its decomposition: only primitives reach the device. */
  public static final PlacementPolicy DECOMPOSED =
      new PlacementPolicy(Set.of("*"), Set.of(), Optional.empty());

  public PlacementPolicy {
    disabledNative = Set.copyOf(disabledNative);
    hostOperators = Set.copyOf(hostOperators);
  }

  /** This policy without the native versions of {@code operators}. */
  public PlacementPolicy withoutNative(String... operators) {
    return new PlacementPolicy(union(disabledNative, operators), hostOperators, host);
  }

  /**
   * This policy with {@code operators} allowed on {@code hostDevice} when the device has neither
   * native nor decomposition.
   */
  public PlacementPolicy withHost(Device hostDevice, String... operators) {
    return new PlacementPolicy(
        disabledNative, union(hostOperators, operators), Optional.of(hostDevice));
  }

  private static Set<String> union(Set<String> names, String... more) {
    Set<String> all = new HashSet<>(names);
    all.addAll(Arrays.asList(more));
    return all;
  }

  boolean allowsNative(String backend, OperatorSpec spec) {
    boolean composite = spec instanceof CompositeSpec;
    if (disabledNative.contains(spec.name()) || composite && disabledNative.contains("*")) {
      return false;
    }
    String property = System.getProperty("halcyon.plan.disable", "");
    return property.isEmpty()
        || Arrays.stream(property.split(","))
            .map(String::trim)
            .noneMatch(
                s ->
                    s.equals(backend + ":" + spec.name()) || composite && s.equals(backend + ":*"));
  }
}
