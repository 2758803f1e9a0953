package dev.halcyon.hal;

import dev.halcyon.hal.tensor.DType;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * What a device can do.
 *
 * @param usages per dtype, how it may be used; an absent dtype cannot even be stored
 * @param features optional abilities
 * @param maxAllocationBytes largest single allocation
 */
public record DeviceCapabilities(
    Map<DType, Set<Usage>> usages, Set<Feature> features, long maxAllocationBytes) {
  /** How a dtype may be used. */
  public enum Usage {
    STORE,
    CAST,
    ELEMENTWISE,
    MATMUL_INPUT,
    ACCUMULATE
  }

  /** Optional abilities. */
  public enum Feature {
    /** Kernels read and write host memory at full speed. */
    UNIFIED_MEMORY,
    /** {@link MemoryArena#importHost} works without a copy. */
    ZERO_COPY_IMPORT,
    /** {@link Tensor#stack} works: grouped weights may lie apart. */
    STACKED_PARTS,
    /** Streams make native graphs. */
    NATIVE_GRAPHS,
    /** Subnormal f32 numbers are kept. */
    SUBNORMALS
  }

  public DeviceCapabilities {
    Map<DType, Set<Usage>> copy = new EnumMap<>(DType.class);
    usages.forEach((dtype, set) -> copy.put(dtype, Set.copyOf(set)));
    usages = java.util.Collections.unmodifiableMap(copy);
    features =
        features.isEmpty()
            ? Set.of()
            : java.util.Collections.unmodifiableSet(EnumSet.copyOf(features));
  }

  public boolean has(Feature feature) {
    return features.contains(feature);
  }
}
