package dev.halcyon.models.generate;

import dev.halcyon.hal.HalException;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.sampling.Sampler;
import dev.halcyon.models.sampling.SamplingOptions;
import dev.halcyon.models.sampling.StopDetector;
import dev.halcyon.models.tokenizer.IncrementalDecoder;
import dev.halcyon.models.tokenizer.SpecialText;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Generates text with one sequence of a model. Tokens of the last prompt and answer stay in the
 * cache: what the next prompt has in common with them from the start is not computed again, as in a
 * conversation. One thread at a time; close it before its model.
 *
 * @implNote The loop allocates nothing per token but what the tokenizer needs to make text of it.
 *     Greedy choices are made on the device; four bytes travel. Other choices download the logits.
 */
public final class Generator implements AutoCloseable {
  private final TextModel model;
  private final Session session;
  private final int[] sequence = new int[1];
  private final int[] current = new int[1];
  private final int[] cached;
  private int cachedCount;

  Generator(TextModel model, SessionOptions options) {
    this.model = model;
    this.session = model.model().newSession(options);
    this.cached = new int[options.contextLength()];
    boolean complete = false;
    try {
      sequence[0] = session.openSequence();
      if (options.decode() == SessionOptions.Decode.GRAPH
          && options.form() != SessionOptions.Form.EXPANDED) {
        session.decodeGraphKind(1);
      }
      complete = true;
    } finally {
      if (!complete) {
        session.close();
      }
    }
  }

  /** The session, for its options and measurements. */
  public Session session() {
    return session;
  }

  /** Forgets the cached tokens. */
  public void clear() {
    keep(0);
  }

  /**
   * Generates after {@code prompt}.
   *
   * @param prompt ids from {@link ModelFolder#encode}, at least one
   * @throws HalException {@code CONTEXT_OVERFLOW} before anything ran, if the prompt leaves no
   *     room; {@code INVALID_ARGUMENT} for a token id outside the vocabulary, or logits that are
   *     not numbers
   */
  public Generation generate(int[] prompt, GenerationRequest request) {
    int context = session.options().contextLength();
    model.folder().requireFits(prompt.length, context);
    boolean complete = false;
    try {
      Generation g =
          new Run(request, Math.min(request.sampling().maxTokens(), context - prompt.length))
              .of(prompt);
      complete = true;
      return g;
    } finally {
      if (!complete) {
        clear();
      }
    }
  }

  /** Runs the prompt but for what is cached, in chunks; false if cancelled. */
  private boolean prefill(int[] prompt, BooleanSupplier cancelled) {
    int chunk = session.options().prefillChunk();
    for (int at = cachedCount; at < prompt.length; at += chunk) {
      if (cancelled.getAsBoolean()) {
        return false;
      }
      int end = Math.min(prompt.length, at + chunk);
      int[] tokens = Arrays.copyOfRange(prompt, at, end);
      session.step(
          List.of(new Session.Chunk(sequence[0], tokens)),
          end == prompt.length ? Session.Logits.LAST : Session.Logits.NONE);
      System.arraycopy(tokens, 0, cached, at, tokens.length);
      cachedCount = end;
    }
    return true;
  }

  private void decode(int token) {
    current[0] = token;
    session.decode(sequence, current);
    cached[cachedCount++] = token;
  }

  private void keep(int tokens) {
    session.truncate(sequence[0], tokens);
    cachedCount = tokens;
  }

  /**
   * Cached tokens that {@code prompt} begins with; its last token is computed in any case, for its
   * logits.
   */
  private int common(int[] prompt) {
    int limit = Math.min(cachedCount, prompt.length - 1);
    int n = Arrays.mismatch(cached, 0, limit, prompt, 0, limit);
    return n < 0 ? limit : n;
  }

  /** Frees the session. Idempotent. */
  @Override
  public void close() {
    session.close();
  }

  /** One generation. */
  private final class Run {
    private final GenerationRequest request;
    private final Sampler sampler;
    private final boolean greedy;
    private final IncrementalDecoder decoder;
    private final StopDetector stops;
    private final StringBuilder text = new StringBuilder();
    private final int[] ids;
    private int count;

    Run(GenerationRequest request, int limit) {
      SamplingOptions sampling = request.sampling();
      this.request = request;
      this.sampler = new Sampler(sampling);
      this.greedy = sampling.temperature() == 0 || sampling.topK() == 1;
      this.decoder = model.folder().tokenizer().incrementalDecoder(SpecialText.SKIP);
      Set<Integer> ends = new HashSet<>(sampling.stopTokenIds());
      if (request.endOfText() == GenerationRequest.EndOfText.STOP) {
        ends.addAll(model.folder().endOfText());
      }
      this.stops = new StopDetector(sampling.stop(), ends);
      this.ids = new int[limit];
    }

    Generation of(int[] prompt) {
      long start = System.nanoTime();
      int reused = common(prompt);
      keep(reused);
      if (!prefill(prompt, request.cancelled())) {
        return new Generation(
            "",
            new int[0],
            prompt.length,
            reused,
            Optional.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            FinishReason.CANCELLED);
      }
      int next = choose();
      long first = System.nanoTime();
      long last = first;
      Optional<FinishReason> end;
      while ((end = take(next)).isEmpty()) {
        decode(next);
        next = choose();
        last = System.nanoTime();
      }
      finishText();
      double prefillSeconds = (first - start) * 1e-9;
      return new Generation(
          text.toString(),
          Arrays.copyOf(ids, count),
          prompt.length,
          reused,
          Optional.of(Duration.ofNanos(first - start)),
          OptionalDouble.of((prompt.length - reused) / prefillSeconds),
          count < 2
              ? OptionalDouble.empty()
              : OptionalDouble.of((count - 1) / ((last - first) * 1e-9)),
          end.orElseThrow());
    }

    private int choose() {
      return greedy ? session.argmax(0) : sampler.sample(session.logits(0));
    }

    /** Takes a chosen token; says why the generation ends with it, if it does. */
    private Optional<FinishReason> take(int token) {
      ids[count++] = token;
      request.listener().onToken(token);
      if (stops.isStopToken(token)) {
        return Optional.of(FinishReason.STOP_TOKEN);
      }
      release(stops.accept(decoder.accept(token)));
      if (stops.stopped()) {
        return Optional.of(FinishReason.STOP_STRING);
      }
      if (count == ids.length) {
        return Optional.of(
            count == request.sampling().maxTokens()
                ? FinishReason.MAX_TOKENS
                : FinishReason.CONTEXT_FULL);
      }
      return request.cancelled().getAsBoolean()
          ? Optional.of(FinishReason.CANCELLED)
          : Optional.empty();
    }

    private void finishText() {
      release(stops.accept(decoder.flush()));
      release(stops.flush());
    }

    private void release(String piece) {
      if (!piece.isEmpty()) {
        text.append(piece);
        request.listener().onText(piece);
      }
    }
  }
}
