package dev.halcyon.hal.testing;

import dev.halcyon.hal.DeviceCapabilities;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How a {@link ReferenceBackend} behaves and which faults it has. Counts begin at 1; 0 means never.
 *
 * @param execution when commands execute
 * @param graphs whether streams make native graphs
 * @param features what the device claims
 * @param unsupported names of operators it refuses
 * @param memoryBytes bytes it can hold at a time
 * @param maxAllocationBytes largest allocation
 * @param failAtEnqueue the command whose enqueueing fails with {@code KERNEL_FAILED}
 * @param failAtExecution the command that fails when it executes, reported by whatever waits for it
 * @param failAtBind the binding that fails with {@code OUT_OF_MEMORY}
 */
public record ReferenceOptions(
    Execution execution,
    Graphs graphs,
    Set<DeviceCapabilities.Feature> features,
    Set<String> unsupported,
    long memoryBytes,
    long maxAllocationBytes,
    long failAtEnqueue,
    long failAtExecution,
    long failAtBind) {
  /** When commands execute. */
  public enum Execution {
    /** Inside enqueue. */
    IMMEDIATE,
    /** When somebody waits for them: memory freed too early is then noticed. */
    DEFERRED
  }

  /** Whether streams make native graphs. */
  public enum Graphs {
    NONE,
    NATIVE
  }

  /** A healthy device that executes at once, with stacked tensors and imports. */
  public static final ReferenceOptions DEFAULT =
      new ReferenceOptions(
          Execution.IMMEDIATE,
          Graphs.NONE,
          EnumSet.of(
              DeviceCapabilities.Feature.STACKED_PARTS,
              DeviceCapabilities.Feature.ZERO_COPY_IMPORT,
              DeviceCapabilities.Feature.SUBNORMALS),
          Set.of(),
          1L << 30,
          1L << 28,
          0,
          0,
          0);

  public ReferenceOptions {
    features = Set.copyOf(features);
    unsupported = Set.copyOf(unsupported);
  }

  public ReferenceOptions deferred() {
    return new ReferenceOptions(
        Execution.DEFERRED,
        graphs,
        features,
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions nativeGraphs() {
    return new ReferenceOptions(
        execution,
        Graphs.NATIVE,
        features,
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions onlyFeatures(DeviceCapabilities.Feature... exactly) {
    return new ReferenceOptions(
        execution,
        graphs,
        Set.of(exactly),
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions without(String... operators) {
    Set<String> names = new HashSet<>(unsupported);
    names.addAll(List.of(operators));
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        names,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions memory(long bytes) {
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        unsupported,
        bytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions maxAllocation(long bytes) {
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        unsupported,
        memoryBytes,
        bytes,
        failAtEnqueue,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions failAtEnqueue(long n) {
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        n,
        failAtExecution,
        failAtBind);
  }

  public ReferenceOptions failAtExecution(long n) {
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        n,
        failAtBind);
  }

  public ReferenceOptions failAtBind(long n) {
    return new ReferenceOptions(
        execution,
        graphs,
        features,
        unsupported,
        memoryBytes,
        maxAllocationBytes,
        failAtEnqueue,
        failAtExecution,
        n);
  }
}
