package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.CTier;
import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.backend.cpu.kernels.KernelTiers;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Chooses the kernels: C, else the Vector API, else scalar Java; each step down warns once. */
final class Tiers {
  private Tiers() {}

  private static final Logger LOG = LoggerFactory.getLogger(Tiers.class);
  private static final String PROPERTY = "halcyon.cpu.tier";

  /** A tier, or why there is none. */
  private sealed interface Verdict {
    record Works(KernelTier tier) implements Verdict {}

    record Missing(String reason, String remedy) implements Verdict {
      String why() {
        return remedy.isEmpty() ? reason : reason + "; remedy: " + remedy;
      }
    }
  }

  private static final Map<String, Verdict> VERDICTS = new ConcurrentHashMap<>();
  private static final Map<String, Boolean> WARNED = new ConcurrentHashMap<>();

  /** The names, best first. */
  static final List<String> NAMES = List.of("c", "vector", "scalar");

  /**
   * The tier to use.
   *
   * @param forced by an option; else the system property {@code halcyon.cpu.tier} may force one
   */
  static KernelTier choose(Optional<String> forced) {
    Optional<String> wanted =
        forced.or(
            () -> Optional.ofNullable(System.getProperty(PROPERTY)).filter(s -> !s.isEmpty()));
    if (wanted.isPresent()) {
      return force(wanted.get());
    }
    for (String name : NAMES) {
      switch (verdict(name)) {
        case Verdict.Works w -> {
          return w.tier();
        }
        case Verdict.Missing m -> {
          if (WARNED.putIfAbsent(name, true) == null) {
            LOG.warn("cpu: no {} kernels, slower ones are used: {}", name, m.why());
          }
        }
      }
    }
    throw CpuErrors.unavailable("no kernels", "report this: scalar kernels always work");
  }

  private static KernelTier force(String name) {
    if (!NAMES.contains(name)) {
      throw CpuErrors.invalidOption("no kernel tier '" + name + "'", "choose one of " + NAMES);
    }
    return switch (verdict(name)) {
      case Verdict.Works w -> w.tier();
      case Verdict.Missing m ->
          throw CpuErrors.unavailable("kernel tier " + name + ": " + m.reason(), m.remedy());
    };
  }

  private static Verdict verdict(String name) {
    return VERDICTS.computeIfAbsent(
        name,
        n ->
            switch (n) {
              case "c" -> c();
              case "vector" -> vector();
              default -> new Verdict.Works(KernelTiers.scalar());
            });
  }

  private static Verdict c() {
    try {
      return new Verdict.Works(CTier.load());
    } catch (CTier.UnavailableException e) {
      return new Verdict.Missing(e.getMessage(), e.remedy());
    } catch (RuntimeException | LinkageError e) {
      return new Verdict.Missing(
          "the library does not load: " + root(e),
          "allow native access, or rebuild with a C compiler");
    }
  }

  /** A failed static initialiser hides what happened in its cause. */
  private static Throwable root(Throwable e) {
    return e.getCause() == null ? e : root(e.getCause());
  }

  private static Verdict vector() {
    KernelTiers.Offer offer = KernelTiers.vector();
    return offer.tier().isPresent()
        ? new Verdict.Works(offer.tier().get())
        : new Verdict.Missing(offer.reason(), "");
  }
}
