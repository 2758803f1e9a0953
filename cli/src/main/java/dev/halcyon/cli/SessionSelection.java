package dev.halcyon.cli;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.deepseek.WeightFormat;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The options of the cache and of how steps are executed. */
final class SessionSelection {
  @Option(
      names = "--kv-dtype",
      paramLabel = "D",
      description = "Dtype of the cache: f32, f16 or bf16. Default: f16, with --dtype f32: f32.")
  private Optional<String> cacheDtype = Optional.empty();

  @Option(
      names = "--chunk",
      paramLabel = "N",
      description = "Prompt tokens computed at once. Default: 256.")
  private Optional<Integer> chunk = Optional.empty();

  @ArgGroup private DecodeManner decode = new DecodeManner();

  /** At most one of the two. */
  static final class DecodeManner {
    @Option(
        names = "--graph",
        description = "Capture the decode step once and replay it (default).")
    private boolean graph;

    @Option(names = "--eager", description = "Enqueue decode steps operator by operator.")
    private boolean eager;
  }

  SessionOptions.Decode decode() {
    return decode.eager ? SessionOptions.Decode.EAGER : SessionOptions.Decode.GRAPH;
  }

  /** Tokens of a prefill step, if given. */
  Optional<Integer> chunk() {
    return chunk;
  }

  /**
   * The options of a session.
   *
   * @throws HalException {@code INVALID_OPTION}
   */
  SessionOptions options(int contextLength, WeightFormat format) {
    SessionOptions options =
        SessionOptions.of(contextLength).withCacheDtype(cacheDtype(format)).withDecode(decode());
    return chunk.map(options::withPrefillChunk).orElse(options);
  }

  /** The dtype of the cache, if one was given. */
  Optional<DType> givenCacheDtype() {
    return cacheDtype.map(SessionSelection::parseCacheDtype);
  }

  private DType cacheDtype(WeightFormat format) {
    return givenCacheDtype().orElse(format == WeightFormat.F32 ? DType.F32 : DType.F16);
  }

  private static DType parseCacheDtype(String name) {
    return switch (name) {
      case "f32" -> DType.F32;
      case "f16" -> DType.F16;
      case "bf16" -> DType.BF16;
      default ->
          throw HalException.of(HalErrorCode.INVALID_OPTION, "unknown cache dtype '" + name + "'")
              .on("--kv-dtype")
              .remedy("choose f32, f16 or bf16")
              .build();
    };
  }
}
