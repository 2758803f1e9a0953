package dev.halcyon.models.scoring;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;

/**
 * How a text longer than the context is cut for scoring. Windows begin every {@code stride} tokens
 * and hold at most {@code context} positions, the first of which is the begin-of-text token if the
 * model has one; a token is scored in the first window that predicts it. With equal numbers the
 * windows are disjoint, with a smaller stride each scored token but the first ones sees at least
 * {@code context - stride} tokens before it, at {@code context / stride} times the cost.
 *
 * @param context positions of a window, at least 2
 * @param stride tokens from one window to the next, 1 to {@code context}
 */
public record ScoreWindows(int context, int stride) {
  /** Positions of a window if nothing else is asked for and the model has as many. */
  public static final int DEFAULT_CONTEXT = 512;

  public ScoreWindows {
    if (context < 2) {
      throw invalid("a window of " + context + " positions", "give a context of at least 2");
    }
    if (stride < 1 || stride > context) {
      throw invalid(
          "a stride of " + stride + " for windows of " + context + " positions",
          "give a stride from 1 to the context");
    }
  }

  private static HalException invalid(String what, String remedy) {
    return HalException.of(HalErrorCode.INVALID_OPTION, what)
        .on("--context, --stride")
        .remedy(remedy)
        .build();
  }

  /** Windows of {@code context} positions side by side. */
  public static ScoreWindows disjoint(int context) {
    return new ScoreWindows(context, context);
  }
}
