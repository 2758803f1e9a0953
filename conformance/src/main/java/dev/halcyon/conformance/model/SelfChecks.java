package dev.halcyon.conformance.model;

import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A model against itself, executed in another manner; needs no reference. */
final class SelfChecks {
  private static final int PROMPT = 80;
  private static final int STEPS = 12;
  private static final int LONG_CONTEXT = 1024;
  private static final int LONG_CHUNK = 256;
  private static final int LAST_POSITIONS = 4;
  private static final int REPEATS = 3;
  private static final int[] BATCH = {5, 33, 17, 1};

  private final LoadedModel loaded;

  SelfChecks(LoadedModel loaded) {
    this.loaded = loaded;
  }

  Outcome prefillDecode() {
    int[] tokens = loaded.tokens(PROMPT / 2);
    LogitComparison comparison = new LogitComparison();
    SessionOptions options = loaded.options(tokens.length);
    comparison.add("decode", loaded.decode(options, tokens), loaded.prefill(options, tokens));
    return comparison.outcome();
  }

  Outcome chunks(int chunk) {
    int[] tokens = loaded.tokens(PROMPT);
    LogitComparison comparison = new LogitComparison();
    SessionOptions whole = loaded.options(tokens.length);
    comparison.add(
        "chunked",
        loaded.prefill(whole.withPrefillChunk(chunk), tokens),
        loaded.prefill(whole, tokens));
    return comparison.outcome();
  }

  Outcome batch() {
    int[][] prompts = Arrays.stream(BATCH).mapToObj(loaded::tokens).toArray(int[][]::new);
    int[] next = loaded.tokens(STEPS);
    SessionOptions options = loaded.options(PROMPT + STEPS);
    List<List<float[]>> together = new ArrayList<>();
    try (Session session = loaded.model().newSession(options.withMaxSequences(BATCH.length))) {
      List<Session.Chunk> chunks = new ArrayList<>();
      int[] sequences = new int[BATCH.length];
      for (int i = 0; i < BATCH.length; i++) {
        sequences[i] = session.openSequence();
        chunks.add(new Session.Chunk(sequences[i], prompts[i]));
        together.add(new ArrayList<>());
      }
      session.step(chunks, Session.Logits.LAST);
      for (int step = 0; step <= STEPS; step++) {
        for (int i = 0; i < BATCH.length; i++) {
          together.get(i).add(LoadedModel.logits(session, i));
        }
        if (step < STEPS) {
          int[] same = new int[BATCH.length];
          Arrays.fill(same, next[step]);
          session.decode(sequences, same);
        }
      }
    }
    LogitComparison comparison = new LogitComparison();
    for (int i = 0; i < BATCH.length; i++) {
      try (Session session = loaded.model().newSession(options)) {
        int sequence = session.openSequence();
        float[][] prefilled = LoadedModel.prefill(session, sequence, prompts[i]);
        List<float[]> alone = new ArrayList<>(List.of(prefilled[prefilled.length - 1]));
        alone.addAll(List.of(LoadedModel.decode(session, sequence, next)));
        comparison.add(
            "sequence " + i,
            together.get(i).toArray(float[][]::new),
            alone.toArray(float[][]::new));
      }
    }
    comparison.fact("equalBits", comparison.equalBits());
    return comparison.outcome();
  }

  Outcome longContext() {
    int[] tokens = loaded.tokens(LONG_CONTEXT);
    SessionOptions options = loaded.options(tokens.length).withPrefillChunk(LONG_CHUNK);
    LogitComparison comparison = new LogitComparison();
    comparison.add(
        "last positions",
        last(options.withForm(SessionOptions.Form.EXPANDED), tokens),
        last(options.withForm(SessionOptions.Form.ABSORBED), tokens));
    comparison.fact("positions", tokens.length);
    return comparison.outcome();
  }

  private float[][] last(SessionOptions options, int[] tokens) {
    try (Session session = loaded.model().newSession(options)) {
      int sequence = session.openSequence();
      int most = Math.max(1, tokens.length - LAST_POSITIONS);
      session.prefill(sequence, Arrays.copyOf(tokens, most));
      return LoadedModel.decode(session, sequence, Arrays.copyOfRange(tokens, most, tokens.length));
    }
  }

  Outcome repeat() {
    int[] tokens = loaded.tokens(PROMPT);
    int[] next = loaded.tokens(STEPS);
    SessionOptions options = loaded.options(PROMPT + STEPS);
    LogitComparison comparison = new LogitComparison();
    float[][] first = prefillThenDecode(options, tokens, next);
    for (int i = 1; i < REPEATS; i++) {
      comparison.add("repeat " + i, prefillThenDecode(options, tokens, next), first);
    }
    Outcome outcome = comparison.outcome();
    return outcome instanceof Outcome.Fail || comparison.equalBits()
        ? outcome
        : new Outcome.Warn("repeating gives other bits", comparison.evidence());
  }

  private float[][] prefillThenDecode(SessionOptions options, int[] tokens, int[] next) {
    try (Session session = loaded.model().newSession(options)) {
      int sequence = session.openSequence();
      List<float[]> all = new ArrayList<>();
      all.addAll(List.of(LoadedModel.prefill(session, sequence, tokens)));
      all.addAll(List.of(LoadedModel.decode(session, sequence, next)));
      return all.toArray(float[][]::new);
    }
  }

  Outcome graph() {
    int[] tokens = loaded.tokens(PROMPT / 4);
    int[] next = loaded.tokens(STEPS);
    SessionOptions options = loaded.options(PROMPT).withForm(SessionOptions.Form.ABSORBED);
    LogitComparison comparison = new LogitComparison();
    comparison.add(
        "replayed",
        prefillThenDecode(options.withDecode(SessionOptions.Decode.GRAPH), tokens, next),
        prefillThenDecode(options.withDecode(SessionOptions.Decode.EAGER), tokens, next));
    Evidence evidence = comparison.evidence();
    return comparison.equalBits()
        ? new Outcome.Pass(evidence)
        : new Outcome.Fail(
            "replay gives other bits than eager steps; " + evidence.worst().orElse(""), evidence);
  }
}
