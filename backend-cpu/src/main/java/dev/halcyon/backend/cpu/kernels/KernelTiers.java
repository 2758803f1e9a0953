package dev.halcyon.backend.cpu.kernels;

import java.util.Optional;

/** The Java tiers, as far as this process can have them. */
public final class KernelTiers {
  private static final String MODULE = "jdk.incubator.vector";

  private KernelTiers() {}

  /**
   * A tier or the reason why there is none.
   *
   * @param reason what is missing and what to do about it; empty with a tier
   */
  public record Offer(Optional<KernelTier> tier, String reason) {
    static Offer of(KernelTier tier) {
      return new Offer(Optional.of(tier), "");
    }

    static Offer none(String reason) {
      return new Offer(Optional.empty(), reason);
    }
  }

  /** Plain Java: always there. */
  public static KernelTier scalar() {
    return new ScalarTier();
  }

  /** The Vector API tier: there when its incubator module is. */
  public static Offer vector() {
    if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
      return Offer.none(
          "module " + MODULE + " is not resolved: start Java with --add-modules " + MODULE);
    }
    try {
      return Offer.of(new VectorTier());
    } catch (LinkageError | UnsupportedOperationException e) {
      return Offer.none("the Vector API of this Java is not the one built against: " + e);
    }
  }
}
