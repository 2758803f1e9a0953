package dev.halcyon.cli;

import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.LoadProgress;
import dev.halcyon.models.deepseek.WeightFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Option;

/** The options of how weights are held and operators placed. */
final class WeightSelection {
  @Option(
      names = "--dtype",
      paramLabel = "D",
      defaultValue = "native",
      description =
          "How the device holds linear weights: native (as the checkpoint stores them), f32, bf16,"
              + " fp8 (blocks of 128x128), int8 or int4 (groups of 32). Default: native.")
  private String dtype = "native";

  @Option(
      names = "--no-native",
      description =
          "Run every composite operator by its decomposition into primitives, to find a faulty"
              + " native one.")
  private boolean noNative;

  @Option(
      names = "--without-native",
      paramLabel = "OPERATOR",
      split = ",",
      description =
          "Run these operators by their decomposition, for example MoeGating,MlaAttention.")
  private List<String> withoutNative = new ArrayList<>();

  /**
   * @throws dev.halcyon.hal.HalException {@code INVALID_OPTION}
   */
  WeightFormat format() {
    return WeightFormat.parse(dtype);
  }

  /** The format as it is written on the command line. */
  String formatName() {
    return name(format());
  }

  /** A format as it is written on the command line. */
  static String name(WeightFormat format) {
    return format.name().toLowerCase(Locale.ROOT);
  }

  LoadOptions loadOptions(LoadProgress progress) {
    return loadOptions(format(), progress);
  }

  /** The same options for weights of another format than the given one. */
  LoadOptions loadOptions(WeightFormat format, LoadProgress progress) {
    PlacementPolicy policy = noNative ? PlacementPolicy.DECOMPOSED : PlacementPolicy.DEFAULT;
    if (!withoutNative.isEmpty() && !noNative) {
      policy = policy.withoutNative(withoutNative.toArray(String[]::new));
    }
    return LoadOptions.DEFAULT.withFormat(format).withPolicy(policy).withProgress(progress);
  }
}
