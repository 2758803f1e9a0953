package dev.halcyon.cli;

import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Measures one model on one device. Every repetition measures bandwidth, prefill and decode one
 * after the other, so that a machine that changes its speed changes all of them.
 */
final class Benchmark {
  private static final Duration BANDWIDTH_BUDGET = Duration.ofMillis(300);
  private static final long SEED = 20260101;

  /**
   * What to measure.
   *
   * @param promptTokens tokens of the prefill; 0 for none
   * @param decodeTokens decode steps; 0 for none
   * @param depth tokens in the cache before the first decode step
   * @param repetitions measurements after one that only warms up
   */
  record Plan(int promptTokens, int decodeTokens, int depth, int repetitions) {
    /** Positions the longest sequence takes. */
    int contextLength() {
      return Math.max(promptTokens, Math.max(1, depth) + decodeTokens);
    }

    /** {@code options} for the two sequences measured, and no larger steps than they take. */
    SessionOptions fit(SessionOptions options) {
      int longest = Math.max(promptTokens, Math.max(1, depth));
      return options
          .withMaxSequences(2)
          .withPrefillChunk(Math.min(options.prefillChunk(), longest));
    }
  }

  private final DeepSeekModel model;
  private final Plan plan;
  private final Cancellation cancellation;
  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
  private final Optional<BandwidthProbe> probe;

  /** Prompt tokens per second. */
  final Spread prefill = new Spread();

  /** Decoded tokens per second. */
  final Spread decode = new Spread();

  /** Bytes read per second; without samples if the device cannot measure it. */
  final Spread bandwidth = new Spread();

  Benchmark(DeepSeekModel model, Plan plan, Cancellation cancellation) {
    this.model = model;
    this.plan = plan;
    this.cancellation = cancellation;
    this.probe =
        model.device().backend() instanceof BandwidthProbe b ? Optional.of(b) : Optional.empty();
  }

  /**
   * Warms up, then measures.
   *
   * @param options from {@link Plan#fit}
   */
  void run(SessionOptions options) {
    try (Session session = model.newSession(options)) {
      int prompts = session.openSequence();
      int answers = session.openSequence();
      session.prefill(answers, tokens(Math.max(1, plan.depth())));
      session.argmax(0);
      prefillOnce(session, prompts);
      decodeOnce(session, answers);
      for (int i = 0; i < plan.repetitions(); i++) {
        probe.ifPresent(p -> bandwidth.add(p.readBytesPerSecond(BANDWIDTH_BUDGET)));
        if (plan.promptTokens() > 0) {
          prefill.add(prefillOnce(session, prompts));
        }
        if (plan.decodeTokens() > 0) {
          decode.add(decodeOnce(session, answers));
        }
      }
    }
  }

  private double prefillOnce(Session session, int sequence) {
    cancellation.check();
    if (plan.promptTokens() == 0) {
      return 0;
    }
    int[] prompt = tokens(plan.promptTokens());
    long start = System.nanoTime();
    session.prefill(sequence, prompt);
    session.argmax(0);
    double seconds = (System.nanoTime() - start) * 1e-9;
    session.truncate(sequence, 0);
    return prompt.length / seconds;
  }

  /**
   * Each step waits for its argmax, as generation does, but goes on with a random token: equal ones
   * would be unfair.
   */
  private double decodeOnce(Session session, int sequence) {
    int[] inputs = tokens(plan.decodeTokens());
    int[] sequences = {sequence};
    int[] current = new int[1];
    long start = System.nanoTime();
    for (int token : inputs) {
      cancellation.check();
      current[0] = token;
      session.decode(sequences, current);
      session.argmax(0);
    }
    double seconds = (System.nanoTime() - start) * 1e-9;
    session.truncate(sequence, Math.max(1, plan.depth()));
    return inputs.length / seconds;
  }

  private int[] tokens(int count) {
    int[] ids = new int[count];
    Arrays.setAll(ids, i -> random.nextInt(model.config().vocab()));
    return ids;
  }
}
