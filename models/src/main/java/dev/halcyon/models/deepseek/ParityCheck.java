package dev.halcyon.models.deepseek;

import dev.halcyon.models.golden.GoldenBatch;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Holds a model against the golden vectors of a reference implementation: logits at every prompt
 * position, greedy continuations, batches, and traced activations.
 */
public final class ParityCheck {
  private final DeepSeekModel model;
  private final GoldenFile golden;
  private final ParityOptions options;

  private ParityCheck(DeepSeekModel model, GoldenFile golden, ParityOptions options) {
    this.model = model;
    this.golden = golden;
    this.options = options;
  }

  /** Runs every prompt and batch of {@code golden}; one result each, in the order of the file. */
  public static List<ParityResult> run(
      DeepSeekModel model, GoldenFile golden, ParityOptions options) {
    ParityCheck check = new ParityCheck(model, golden, options);
    List<ParityResult> results = new ArrayList<>();
    for (GoldenPrompt p : golden.prompts()) {
      results.add(check.prompt(p));
    }
    golden.batch2().ifPresent(b -> results.add(check.batch("batch2", b)));
    golden.ragged2().ifPresent(b -> results.add(check.batch("ragged2", b)));
    return results;
  }

  /** The session of the longest prompt of {@code golden}, for {@link LoadOptions#session}. */
  public static SessionOptions largestSession(GoldenFile golden, ParityOptions options) {
    return golden.prompts().stream()
        .map(p -> session(p, options))
        .max(Comparator.comparingInt(SessionOptions::contextLength))
        .orElseThrow();
  }

  private static SessionOptions session(GoldenPrompt p, ParityOptions options) {
    int length = p.tokenIds().length;
    return options.session(1, length + p.greedyIds().length + 1, length);
  }

  private ParityResult prompt(GoldenPrompt p) {
    float[] expected = golden.logits(p);
    int vocab = expected.length / p.tokenIds().length;
    int length = p.tokenIds().length;
    double worst = 0;
    int agreed = 0;
    int[] greedy;
    try (Session session = model.newSession(session(p, options))) {
      int sequence = session.openSequence();
      int next = 0;
      for (int at = 0; at < length; at += options.prefillChunk()) {
        int n = Math.min(options.prefillChunk(), length - at);
        int[] chunk = Arrays.copyOfRange(p.tokenIds(), at, at + n);
        session.step(List.of(new Session.Chunk(sequence, chunk)), Session.Logits.ALL);
        for (int i = 0; i < n; i++) {
          worst = worse(worst, difference(session.logits(i), expected, (at + i) * vocab));
          next = session.argmax(i);
          agreed += next == p.argmaxPerPosition()[at + i] ? 1 : 0;
        }
      }
      greedy = greedy(session, new int[] {sequence}, new int[] {next}, p.greedyIds().length)[0];
    }
    boolean match = Arrays.equals(greedy, p.greedyIds());
    double agreement = (double) agreed / length;
    Optional<String> deviation =
        golden.hasTensor("trace." + p.name() + ".embed")
            ? TraceComparison.firstDeviation(model, golden, p, options)
            : Optional.empty();
    boolean pass = worst < options.tolerance() && agreement == 1 && match && deviation.isEmpty();
    return new ParityResult(
        model.device().uri().toString(), p.name(), worst, agreement, match, pass, deviation);
  }

  private ParityResult batch(String name, GoldenBatch b) {
    int longest = Arrays.stream(b.tokenIds()).mapToInt(r -> r.length).max().orElseThrow();
    int steps = b.greedyIds()[0].length;
    int rows = b.rows();
    double worst = 0;
    int[][] greedy;
    try (Session session = model.newSession(options.session(rows, longest + steps + 1, longest))) {
      int[] sequences = new int[rows];
      int[] next = new int[rows];
      for (int r = 0; r < rows; r++) {
        sequences[r] = session.openSequence();
      }
      for (int at = 0; at < longest; at += options.prefillChunk()) {
        List<Session.Chunk> chunks = new ArrayList<>();
        List<Integer> ending = new ArrayList<>();
        for (int r = 0; r < rows; r++) {
          int length = b.tokenIds()[r].length;
          if (at < length) {
            int end = Math.min(length, at + options.prefillChunk());
            chunks.add(
                new Session.Chunk(sequences[r], Arrays.copyOfRange(b.tokenIds()[r], at, end)));
            ending.add(end == length ? r : -1);
          }
        }
        session.step(chunks, Session.Logits.LAST);
        for (int i = 0; i < ending.size(); i++) {
          int r = ending.get(i);
          if (r >= 0) {
            next[r] = session.argmax(i);
            if (golden.hasTensor(name + ".last_logits")) {
              float[] expected = golden.floats(name + ".last_logits");
              worst =
                  worse(
                      worst, difference(session.logits(i), expected, r * (expected.length / rows)));
            }
          }
        }
      }
      greedy = greedy(session, sequences, next, steps);
    }
    boolean match = Arrays.deepEquals(greedy, b.greedyIds());
    return new ParityResult(
        model.device().uri().toString(),
        name,
        worst,
        match ? 1 : 0,
        match,
        match && worst < options.tolerance(),
        Optional.empty());
  }

  /** Decodes all sequences together; {@code next} holds the first token of each. */
  private static int[][] greedy(Session session, int[] sequences, int[] next, int steps) {
    int[][] out = new int[sequences.length][steps];
    for (int step = 0; step < steps; step++) {
      for (int r = 0; r < next.length; r++) {
        out[r][step] = next[r];
      }
      if (step < steps - 1) {
        session.decode(sequences, next);
        for (int r = 0; r < next.length; r++) {
          next[r] = session.argmax(r);
        }
      }
    }
    return out;
  }

  private static double difference(MemorySegment logits, float[] expected, int offset) {
    double worst = 0;
    long n = logits.byteSize() / Float.BYTES;
    for (int i = 0; i < n; i++) {
      float actual = logits.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      worst = worse(worst, Math.abs((double) actual - expected[offset + i]));
    }
    return worst;
  }

  /** The larger of two differences; NaN is worst of all. */
  static double worse(double a, double b) {
    return Double.isNaN(a) || Double.isNaN(b) ? Double.NaN : Math.max(a, b);
  }
}
