package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceCapabilities.Usage;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** The host's cores and memory. */
final class CpuDevice implements BackendDevice, BandwidthProbe, RandomFill {
  private final DeviceInfo info;
  private final KernelTier tier;
  private final Compute compute;
  private final CpuWorkers workers;
  private final SlotPool pool = new SlotPool();
  private final OperatorLibrary operators;
  private final Set<CpuStream> streams = ConcurrentHashMap.newKeySet();

  CpuDevice(DeviceUri uri, KernelTier tier, Compute compute, int threads) {
    this.info = info(uri, tier.name(), threads);
    this.tier = tier;
    this.compute = compute;
    this.workers = new CpuWorkers(threads, "halcyon-cpu");
    this.operators = new CpuOperators(this);
  }

  static DeviceInfo info(DeviceUri uri, String tier, int threads) {
    return new DeviceInfo(
        uri, CpuHost.cpuName(), DeviceInfo.Kind.CPU, tier, CpuHost.totalMemory(), threads);
  }

  KernelTier tier() {
    return tier;
  }

  Compute compute() {
    return compute;
  }

  CpuWorkers workers() {
    return workers;
  }

  SlotPool pool() {
    return pool;
  }

  @Override
  public DeviceInfo info() {
    return info;
  }

  @Override
  public DeviceCapabilities capabilities() {
    Map<DType, Set<Usage>> usages = new EnumMap<>(DType.class);
    usages.put(DType.F32, Set.of(Usage.values()));
    for (DType t : new DType[] {DType.F16, DType.BF16, DType.F8_E4M3FN}) {
      usages.put(t, Set.of(Usage.STORE, Usage.CAST, Usage.MATMUL_INPUT));
    }
    usages.put(DType.I32, Set.of(Usage.STORE, Usage.CAST, Usage.ELEMENTWISE));
    usages.put(DType.I64, Set.of(Usage.STORE, Usage.CAST));
    usages.put(DType.U8, Set.of(Usage.STORE, Usage.CAST));
    usages.put(DType.I8, Set.of(Usage.STORE, Usage.CAST, Usage.MATMUL_INPUT));
    usages.put(DType.I4, Set.of(Usage.STORE, Usage.MATMUL_INPUT));
    return new DeviceCapabilities(
        usages,
        Set.of(
            Feature.UNIFIED_MEMORY,
            Feature.ZERO_COPY_IMPORT,
            Feature.STACKED_PARTS,
            Feature.SUBNORMALS),
        info.memoryBytes());
  }

  @Override
  public BackendBuffer allocate(long byteSize) {
    return CpuMemory.allocate(byteSize);
  }

  @Override
  public BackendBuffer importHost(MemorySegment memory) {
    return CpuMemory.of(memory);
  }

  @Override
  public BackendStream newStream(String label) {
    return newCpuStream(label);
  }

  CpuStream newCpuStream(String label) {
    CpuStream stream = new CpuStream(this, label);
    streams.add(stream);
    return stream;
  }

  void forget(CpuStream stream) {
    streams.remove(stream);
  }

  @Override
  public OperatorLibrary operators() {
    return operators;
  }

  @Override
  public void awaitIdle(Duration deadline) {
    long start = System.nanoTime();
    for (CpuStream s : streams) {
      Duration left = deadline.minusNanos(System.nanoTime() - start);
      s.synchronize(left.isNegative() ? Duration.ZERO : left);
    }
  }

  @Override
  public double readBytesPerSecond(Duration budget) {
    return Benchmarks.readBytesPerSecond(this, budget);
  }

  @Override
  public void fillRandom(Tensor target, long seed, double amplitude) {
    Benchmarks.fillRandom(this, target, seed, amplitude);
  }

  @Override
  public void close() {
    workers.close();
    pool.close();
  }
}
