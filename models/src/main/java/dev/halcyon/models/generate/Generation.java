package dev.halcyon.models.generate;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What was generated, and how fast. The array is the record's own: do not change it.
 *
 * @param text the answer, without special tokens and without the stop string
 * @param tokenIds every generated token, the one that ended it included
 * @param promptTokens tokens of the prompt
 * @param reusedTokens how many of them were still in the cache
 * @param timeToFirstToken from the call to the choice of the first token; empty if cancelled before
 * @param prefillTokensPerSecond prompt tokens that were computed, per second until the first
 *     choice; empty if cancelled before
 * @param decodeTokensPerSecond tokens after the first, per second; empty if there are none
 * @param finishReason why it ended
 */
public record Generation(
    String text,
    int[] tokenIds,
    int promptTokens,
    int reusedTokens,
    Optional<Duration> timeToFirstToken,
    OptionalDouble prefillTokensPerSecond,
    OptionalDouble decodeTokensPerSecond,
    FinishReason finishReason) {
  public Generation {
    Objects.requireNonNull(text);
    Objects.requireNonNull(tokenIds);
    Objects.requireNonNull(timeToFirstToken);
    Objects.requireNonNull(prefillTokensPerSecond);
    Objects.requireNonNull(decodeTokensPerSecond);
    Objects.requireNonNull(finishReason);
  }
}
