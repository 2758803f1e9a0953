package dev.halcyon.cli;

import dev.halcyon.models.config.GenerationDefaults;
import dev.halcyon.models.generate.GenerationRequest.EndOfText;
import dev.halcyon.models.sampling.SamplingOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import picocli.CommandLine.Option;

/** The options of how tokens are chosen and when an answer ends. */
final class SamplingSelection {
  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description = "Most tokens of an answer. Default: 128, in chat 1024.")
  private Optional<Integer> maxTokens = Optional.empty();

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description =
          "0 always takes the most probable token; larger values vary more. Default: 0, in chat"
              + " what the model advises.")
  private Optional<Double> temperature = Optional.empty();

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Choose among the fewest tokens whose probabilities reach P. Default: all.")
  private Optional<Double> topP = Optional.empty();

  @Option(
      names = "--top-k",
      paramLabel = "K",
      description = "Choose among the K most probable tokens. Default: all.")
  private Optional<Integer> topK = Optional.empty();

  @Option(
      names = "--seed",
      paramLabel = "S",
      description = "Makes choices reproducible. Default: another one each time.")
  private Optional<Long> seed = Optional.empty();

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End the answer before this text. May be repeated.")
  private List<String> stop = new ArrayList<>();

  @Option(names = "--ignore-eos", description = "Go on after the model's end-of-text tokens.")
  private boolean ignoreEos;

  EndOfText endOfText() {
    return ignoreEos ? EndOfText.IGNORE : EndOfText.STOP;
  }

  /**
   * The options; what was not given comes from {@code advice} and then from {@link
   * SamplingOptions#greedy}.
   *
   * @throws dev.halcyon.hal.HalException {@code INVALID_OPTION}
   */
  SamplingOptions options(int defaultMaxTokens, GenerationDefaults advice) {
    return new SamplingOptions(
        temperature.orElse(advice.temperature().orElse(0)),
        topK.orElse(advice.topK().orElse(0)),
        topP.orElse(advice.topP().orElse(1)),
        seed.map(OptionalLong::of).orElseGet(OptionalLong::empty),
        maxTokens.orElse(defaultMaxTokens),
        stop,
        Set.of());
  }
}
