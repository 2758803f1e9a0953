package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How products with weights treat activations: the option {@code compute}. */
enum Compute {
  /** Activations stay f32: the reference. */
  F32,

  /**
   * Activations are rounded for the processor's dot-product instructions: to bf16 for bf16 weights,
   * to int8 in groups of 32 columns for int8 and int4 weights. Sums stay f32, other weights as in
   * {@link #F32}.
   */
  FAST;

  private static final Logger LOG = LoggerFactory.getLogger(Compute.class);
  private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();
  private static final int GROUP = 32;
  private static final long LARGEST_ROW = 65536;

  /**
   * The mode asked for, as far as the tier has it; warns once if that is less.
   *
   * @throws dev.halcyon.hal.HalException {@code INVALID_OPTION}
   */
  static Compute choose(Optional<String> option, KernelTier tier) {
    String wanted = option.orElse("f32");
    return switch (wanted) {
      case "f32" -> F32;
      case "fast" ->
          switch (tier.roundedProducts()) {
            case DOT_INSTRUCTIONS -> FAST;
            case AT_F32_SPEED -> {
              warn(tier, "rounds activations without being faster: no dot-product instructions");
              yield FAST;
            }
            case IGNORED -> {
              warn(tier, "computes in f32: these kernels have no other products");
              yield F32;
            }
          };
      default ->
          throw CpuErrors.invalidOption(
              "no compute mode '" + wanted + "'", "choose one of [f32, fast]");
    };
  }

  private static void warn(KernelTier tier, String what) {
    if (WARNED.add(tier.name())) {
      LOG.warn(
          "cpu: compute=fast on {} {}; remedy: leave compute at f32, or use tier c on a processor"
              + " with AVX512-VNNI and AVX512-BF16",
          tier.name(),
          what);
    }
  }

  /** Whether products with these weights round their activations. */
  boolean rounds(TensorType weight) {
    if (this == F32 || weight.dim(-1) > LARGEST_ROW) {
      return false;
    }
    return switch (weight.dtype()) {
      case BF16 -> !(weight.quant() instanceof QuantScheme.Blocked);
      case I8, I4 ->
          !(weight.quant() instanceof QuantScheme.Blocked q)
              || CpuTypes.blockColumns(q, weight.dim(-1)) >= weight.dim(-1)
              || q.blockColumns() % GROUP == 0;
      case F32, F16, F8_E4M3FN, I32, I64, U8 -> false;
    };
  }

  /** The weights' dtype and scheme and what happens to activations, for reports. */
  String describe(TensorType weight) {
    String stored = Linears.Weights.describe(weight);
    if (!rounds(weight)) {
      return stored;
    }
    return stored + (weight.dtype() == DType.BF16 ? ", bf16" : ", int8") + " activations";
  }
}
