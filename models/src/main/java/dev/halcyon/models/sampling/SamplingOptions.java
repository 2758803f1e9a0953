package dev.halcyon.models.sampling;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * How tokens are chosen and when a generation ends. Validated: an instance can be used as is.
 *
 * @param temperature 0 for greedy; larger flattens the distribution
 * @param topK choose among this many best tokens; 0 for all
 * @param topP choose among the fewest best tokens whose probability reaches this; 1 for all
 * @param seed makes the choice reproducible; empty for a fresh one
 * @param maxTokens upper bound of generated tokens
 * @param stop strings that end the generation and are not part of the answer
 * @param stopTokenIds ids that end the generation, in addition to the model's own
 */
public record SamplingOptions(
    double temperature,
    int topK,
    double topP,
    OptionalLong seed,
    int maxTokens,
    List<String> stop,
    Set<Integer> stopTokenIds) {
  private static final int MAX_STOPS = 64;

  public SamplingOptions {
    if (!(temperature >= 0 && temperature <= 100)) {
      throw invalid("temperature", temperature, "a number from 0 (greedy) to 100");
    }
    if (topK < 0) {
      throw invalid("top-k", topK, "0 (all tokens) or more");
    }
    if (!(topP > 0 && topP <= 1)) {
      throw invalid("top-p", topP, "a number above 0 and at most 1");
    }
    if (maxTokens < 1) {
      throw invalid("max-tokens", maxTokens, "1 or more");
    }
    stop = List.copyOf(stop);
    stopTokenIds = Set.copyOf(stopTokenIds);
    if (stop.size() > MAX_STOPS || stop.stream().anyMatch(String::isEmpty)) {
      throw invalid("stop", stop, "at most " + MAX_STOPS + " non-empty strings");
    }
    if (stopTokenIds.stream().anyMatch(id -> id < 0)) {
      throw invalid("stop-token-ids", stopTokenIds, "non-negative ids");
    }
  }

  /** The most probable token each time, at most {@code maxTokens}. */
  public static SamplingOptions greedy(int maxTokens) {
    return new SamplingOptions(0, 0, 1, OptionalLong.empty(), maxTokens, List.of(), Set.of());
  }

  public SamplingOptions withTemperature(double value) {
    return new SamplingOptions(value, topK, topP, seed, maxTokens, stop, stopTokenIds);
  }

  public SamplingOptions withTopK(int value) {
    return new SamplingOptions(temperature, value, topP, seed, maxTokens, stop, stopTokenIds);
  }

  public SamplingOptions withTopP(double value) {
    return new SamplingOptions(temperature, topK, value, seed, maxTokens, stop, stopTokenIds);
  }

  public SamplingOptions withSeed(long value) {
    return new SamplingOptions(
        temperature, topK, topP, OptionalLong.of(value), maxTokens, stop, stopTokenIds);
  }

  public SamplingOptions withMaxTokens(int value) {
    return new SamplingOptions(temperature, topK, topP, seed, value, stop, stopTokenIds);
  }

  public SamplingOptions withStop(List<String> value) {
    return new SamplingOptions(temperature, topK, topP, seed, maxTokens, value, stopTokenIds);
  }

  public SamplingOptions withStopTokenIds(Set<Integer> value) {
    return new SamplingOptions(temperature, topK, topP, seed, maxTokens, stop, value);
  }

  private static HalException invalid(String option, Object value, String expected) {
    return HalException.of(
            HalErrorCode.INVALID_OPTION,
            "option '" + option + "' is " + value + ", expected " + expected)
        .on(option)
        .remedy("correct the option")
        .build();
  }
}
