package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The embedded default backend: the host's cores, {@code cpu://}. Options: {@code threads}
 * (default: the available processors), {@code tier} ({@code c}, {@code vector} or {@code scalar};
 * default: the first that works, or {@code -Dhalcyon.cpu.tier}), {@code compute} ({@code f32}, the
 * default, or {@code fast}, which rounds the activations of products for dot-product instructions).
 */
public final class CpuBackendProvider implements BackendProvider {
  private static final Set<String> OPTIONS = Set.of("threads", "tier", "compute");

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public int apiVersion() {
    return API_VERSION;
  }

  @Override
  public BackendProbe probe() {
    try {
      return new BackendProbe.Available(Tiers.choose(Optional.empty()).name());
    } catch (HalException e) {
      return new BackendProbe.Unavailable(e.what(), e.remedy());
    } catch (RuntimeException | LinkageError e) {
      return new BackendProbe.Broken(e, "set -Dhalcyon.cpu.tier=scalar");
    }
  }

  @Override
  public List<DeviceInfo> devices() {
    KernelTier tier = Tiers.choose(Optional.empty());
    return List.of(CpuDevice.info(new DeviceUri("cpu", ""), tier.name(), processors()));
  }

  @Override
  public BackendDevice open(DeviceUri uri, DeviceOptions options) {
    options.requireKnown(OPTIONS);
    if (!uri.path().isEmpty() && !uri.path().equals("0")) {
      throw CpuErrors.unavailable(
          "there is no device '" + uri + "'", "open cpu://, the only device of this backend");
    }
    int threads = options.positiveInt("threads", processors());
    KernelTier tier = Tiers.choose(Optional.ofNullable(options.values().get("tier")));
    Compute compute = Compute.choose(Optional.ofNullable(options.values().get("compute")), tier);
    return new CpuDevice(new DeviceUri("cpu", ""), tier, compute, threads);
  }

  private static int processors() {
    return Runtime.getRuntime().availableProcessors();
  }
}
