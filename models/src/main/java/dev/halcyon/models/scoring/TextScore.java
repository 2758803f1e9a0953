package dev.halcyon.models.scoring;

import java.time.Duration;

/**
 * How well a model predicted a text, by the negative log-likelihood of its tokens in nats.
 *
 * @param textTokens tokens of the text
 * @param textBytes bytes of the text in UTF-8
 * @param scoredTokens tokens that were predicted: all, or all but the first if the model has no
 *     begin-of-text token
 * @param nats sum of the negative log-likelihoods
 * @param squaredNats sum of their squares
 * @param time what it took, without loading
 */
public record TextScore(
    int textTokens,
    long textBytes,
    int scoredTokens,
    double nats,
    double squaredNats,
    Duration time) {

  /** {@code exp} of the mean negative log-likelihood of a token. */
  public double perplexity() {
    return Math.exp(nats / scoredTokens);
  }

  /**
   * The standard error of {@link #perplexity}, as if tokens were independent; the difference of two
   * models on the same text is far more certain than this.
   */
  public double standardError() {
    double mean = nats / scoredTokens;
    double variance = Math.max(0, squaredNats / scoredTokens - mean * mean);
    return perplexity() * Math.sqrt(variance / scoredTokens);
  }

  /** Bits per byte of text: comparable between tokenizers. */
  public double bitsPerByte() {
    return nats / scoredTokens / Math.log(2) * textTokens / textBytes;
  }

  /** Scored tokens per second. */
  public double tokensPerSecond() {
    return scoredTokens / (time.toNanos() * 1e-9);
  }
}
