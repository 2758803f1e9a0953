package dev.halcyon.models.scoring;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.generate.ModelFolder;
import dev.halcyon.models.generate.TextModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * Scores a text: each token is predicted from the true tokens before it. Log-likelihoods are summed
 * in float64 over the device's f32 logits.
 */
public final class TextScorer {
  private final int[] ids;
  private final long bytes;
  private final OptionalInt begin;
  private final ScoreWindows windows;

  private TextScorer(int[] ids, long bytes, OptionalInt begin, ScoreWindows windows) {
    this.ids = ids;
    this.bytes = bytes;
    this.begin = begin;
    this.windows = windows;
  }

  /**
   * Prepares a text for models of {@code folder}; may be used for several of them.
   *
   * @param limit most tokens to score; what follows is left out
   * @throws HalException {@code INVALID_ARGUMENT} if there is nothing to score
   */
  public static TextScorer of(ModelFolder folder, String text, ScoreWindows windows, int limit) {
    int[] ids = folder.tokenizer().encode(text);
    long bytes = text.getBytes(StandardCharsets.UTF_8).length;
    if (ids.length > limit) {
      ids = Arrays.copyOf(ids, limit);
      bytes = folder.tokenizer().decode(ids).getBytes(StandardCharsets.UTF_8).length;
    }
    OptionalInt begin = folder.bosInFront();
    if (ids.length < (begin.isPresent() ? 1 : 2)) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "a text of " + ids.length + " tokens has none to predict")
          .remedy("give a longer text")
          .build();
    }
    return new TextScorer(ids, bytes, begin, windows);
  }

  /** Tokens of the text. */
  public int tokens() {
    return ids.length;
  }

  /**
   * Scores the text with a session of its own; the options' context and number of sequences are set
   * here.
   *
   * @param beforeWindow runs before each window; what it throws ends the scoring
   * @throws HalException {@code CONTEXT_OVERFLOW} if the model has fewer positions than a window;
   *     {@code INVALID_ARGUMENT} for logits that are not numbers
   */
  public TextScore score(TextModel model, SessionOptions options, Runnable beforeWindow) {
    long start = System.nanoTime();
    SessionOptions sized = options.withMaxSequences(1).withContextLength(windows.context());
    Sum sum = new Sum();
    try (Session session = model.model().newSession(sized)) {
      int sequence = session.openSequence();
      int firstTarget = begin.isPresent() ? 0 : 1;
      int scored = firstTarget;
      for (int at = 0; scored < ids.length; at += windows.stride()) {
        beforeWindow.run();
        session.truncate(sequence, 0);
        int end = Math.min(ids.length, at + firstTarget + windows.context());
        window(session, sequence, inputs(at, end), at + firstTarget, scored, sum);
        scored = end;
      }
    }
    return new TextScore(
        ids.length,
        bytes,
        sum.count,
        sum.nats,
        sum.squares,
        Duration.ofNanos(System.nanoTime() - start));
  }

  /** What the model reads to predict the tokens up to {@code end} of the window at {@code at}. */
  private int[] inputs(int at, int end) {
    if (begin.isEmpty()) {
      return Arrays.copyOfRange(ids, at, end - 1);
    }
    int[] inputs = new int[end - at];
    inputs[0] = begin.getAsInt();
    System.arraycopy(ids, at, inputs, 1, inputs.length - 1);
    return inputs;
  }

  /** Runs a window whose position 0 predicts token {@code target}; counts from {@code from} on. */
  private void window(Session session, int sequence, int[] inputs, int target, int from, Sum sum) {
    int skipped = from - target;
    int chunk = session.options().prefillChunk();
    int length;
    for (int at = 0; at < inputs.length; at += length) {
      boolean counts = at >= skipped;
      length = Math.min(chunk, (counts ? inputs.length : skipped) - at);
      session.step(
          List.of(new Session.Chunk(sequence, Arrays.copyOfRange(inputs, at, at + length))),
          counts ? Session.Logits.ALL : Session.Logits.NONE);
      for (int row = 0; counts && row < length; row++) {
        sum.add(-logLikelihood(session.logits(row), ids[target + at + row]));
      }
    }
  }

  /** {@code log softmax(logits)[token]}. */
  static double logLikelihood(MemorySegment logits, int token) {
    long n = logits.byteSize() / Float.BYTES;
    float max = Float.NEGATIVE_INFINITY;
    for (long i = 0; i < n; i++) {
      max = Math.max(max, logits.getAtIndex(ValueLayout.JAVA_FLOAT, i));
    }
    double sum = 0;
    for (long i = 0; i < n; i++) {
      sum += Math.exp((double) logits.getAtIndex(ValueLayout.JAVA_FLOAT, i) - max);
    }
    double result = logits.getAtIndex(ValueLayout.JAVA_FLOAT, token) - max - Math.log(sum);
    if (Double.isNaN(result)) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "the model's logits are not numbers")
          .remedy(
              "the model's numbers are broken: check the checkpoint, and compare the device with"
                  + " cpu:// by 'halcyon parity'")
          .build();
    }
    return result;
  }

  private static final class Sum {
    private int count;
    private double nats;
    private double squares;

    void add(double value) {
      count++;
      nats += value;
      squares += value * value;
    }
  }
}
