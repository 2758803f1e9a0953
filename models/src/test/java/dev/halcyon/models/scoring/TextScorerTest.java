package dev.halcyon.models.scoring;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.generate.TextModel;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The scoring rule, against the same sums made token by token. */
final class TextScorerTest {
  private static final String TEXT =
      "It is a truth universally acknowledged, that a single man in possession of a good fortune,"
          + " must be in want of a wife. However little known the feelings or views of such a man"
          + " may be, überhaupt 17 * 23 = 391.";
  private static final SessionOptions EXACT = SessionOptions.of(1).withCacheDtype(DType.F32);

  @TempDir Path temp;
  private Device device;
  private TextModel model;

  @BeforeEach
  void open() {
    device = HalRegistry.discover().open("cpu://");
    model =
        TextModel.open(GoldenResources.directory("dsv3-tiny/bf16"), device, LoadOptions.DEFAULT);
  }

  @AfterEach
  void close() {
    model.close();
    device.close();
  }

  private static TextScore score(TextModel model, ScoreWindows windows, int chunk) {
    return TextScorer.of(model.folder(), TEXT, windows, Integer.MAX_VALUE)
        .score(model, EXACT.withPrefillChunk(chunk), () -> {});
  }

  /** The sum over windows, decoding one true token after the other. */
  private static double stepByStep(TextModel model, ScoreWindows windows) {
    int[] ids = model.folder().tokenizer().encode(TEXT);
    int begin = model.folder().bosInFront().orElseThrow();
    double nats = 0;
    int scored = 0;
    for (int at = 0; scored < ids.length; at += windows.stride()) {
      try (Session s = model.model().newSession(EXACT.withContextLength(windows.context()))) {
        int sequence = s.openSequence();
        int input = begin;
        for (int i = at; i < Math.min(ids.length, at + windows.context()); i++) {
          s.decode(new int[] {sequence}, new int[] {input});
          if (i >= scored) {
            nats -= TextScorer.logLikelihood(s.logits(0), ids[i]);
            scored++;
          }
          input = ids[i];
        }
      }
    }
    assertEquals(ids.length, scored);
    return nats;
  }

  @Test
  void everyTokenCountsOnceWhateverTheWindows() {
    int tokens = model.folder().tokenizer().encode(TEXT).length;
    assertTrue(tokens > 70, "the text is longer than some windows: " + tokens);
    for (ScoreWindows windows :
        new ScoreWindows[] {
          ScoreWindows.disjoint(20),
          new ScoreWindows(30, 11),
          new ScoreWindows(24, 1),
          ScoreWindows.disjoint(tokens),
          ScoreWindows.disjoint(500)
        }) {
      double expected = stepByStep(model, windows);
      for (int chunk : new int[] {7, 256}) {
        TextScore s = score(model, windows, chunk);
        assertEquals(tokens, s.scoredTokens(), windows.toString());
        assertEquals(tokens, s.textTokens());
        assertEquals(expected, s.nats(), 1e-3 * tokens, windows.toString());
        assertEquals(Math.exp(expected / tokens), s.perplexity(), 1e-3 * s.perplexity());
      }
    }
  }

  @Test
  void withoutBeginOfTextTheFirstTokenIsNotScored() throws IOException {
    try (Stream<Path> files = Files.list(GoldenResources.directory("dsv3-tiny/fp32"))) {
      for (Path f : files.toList()) {
        Files.copy(f, temp.resolve(f.getFileName().toString()));
      }
    }
    Files.writeString(temp.resolve("tokenizer_config.json"), "{\"add_bos_token\": false}");
    try (TextModel plain = TextModel.open(temp, device, LoadOptions.DEFAULT)) {
      for (ScoreWindows windows :
          new ScoreWindows[] {ScoreWindows.disjoint(16), new ScoreWindows(16, 5)}) {
        TextScore s = score(plain, windows, 256);
        assertEquals(s.textTokens() - 1, s.scoredTokens(), windows.toString());
      }
      // one window: the same as a prompt's logits
      int[] ids = plain.folder().tokenizer().encode(TEXT);
      double nats = 0;
      try (Session session = plain.model().newSession(EXACT.withContextLength(ids.length))) {
        int sequence = session.openSequence();
        for (int i = 0; i + 1 < ids.length; i++) {
          session.decode(new int[] {sequence}, new int[] {ids[i]});
          nats -= TextScorer.logLikelihood(session.logits(0), ids[i + 1]);
        }
      }
      assertEquals(nats, score(plain, ScoreWindows.disjoint(500), 256).nats(), 1e-3 * ids.length);
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> TextScorer.of(plain.folder(), "a", ScoreWindows.disjoint(16), 100),
          "none to predict");
    }
  }

  @Test
  void limitCutsTheText() {
    TextScore s =
        TextScorer.of(model.folder(), TEXT, ScoreWindows.disjoint(16), 10)
            .score(model, EXACT, () -> {});
    assertEquals(10, s.scoredTokens());
    String kept =
        model
            .folder()
            .tokenizer()
            .decode(java.util.Arrays.copyOf(model.folder().tokenizer().encode(TEXT), 10));
    assertEquals(kept.getBytes(StandardCharsets.UTF_8).length, s.textBytes());
    assertFails(
        HalErrorCode.INVALID_ARGUMENT,
        () -> TextScorer.of(model.folder(), "", ScoreWindows.disjoint(16), 10),
        "0 tokens");
  }

  @Test
  void eachWindowMayEndTheScoring() {
    AtomicInteger windows = new AtomicInteger();
    TextScorer scorer = TextScorer.of(model.folder(), TEXT, ScoreWindows.disjoint(16), 40);
    assertThrows(
        IllegalStateException.class,
        () ->
            scorer.score(
                model,
                EXACT,
                () -> {
                  if (windows.incrementAndGet() == 2) {
                    throw new IllegalStateException("cancelled");
                  }
                }));
    assertEquals(2, windows.get());
    scorer.score(model, EXACT, windows::incrementAndGet);
    assertEquals(5, windows.get());
  }

  @Test
  void logLikelihoodIsThatOfASoftmax() {
    float[] logits = {1000, 1001, 999, 1001};
    double sum = Math.exp(-1) + 1 + Math.exp(-2) + 1;
    assertEquals(
        -1 - Math.log(sum), TextScorer.logLikelihood(MemorySegment.ofArray(logits), 0), 1e-12);
    assertEquals(-Math.log(sum), TextScorer.logLikelihood(MemorySegment.ofArray(logits), 3), 1e-12);
    for (float broken : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> TextScorer.logLikelihood(MemorySegment.ofArray(new float[] {0, broken}), 0),
          "not numbers");
    }
  }

  @Test
  void numbersOfAScore() {
    // four tokens of two bits each, and one of none, over ten bytes
    double two = 2 * Math.log(2);
    TextScore s = new TextScore(5, 10, 5, 4 * two, 4 * two * two, Duration.ofMillis(500));
    assertEquals(Math.pow(2, 8.0 / 5), s.perplexity(), 1e-12);
    assertEquals(0.8, s.bitsPerByte(), 1e-12);
    assertEquals(10, s.tokensPerSecond(), 1e-12);
    double variance = 4 * two * two / 5 - (4 * two / 5) * (4 * two / 5);
    assertEquals(s.perplexity() * Math.sqrt(variance / 5), s.standardError(), 1e-12);
  }

  @Test
  void windowsThatCannotBe() {
    assertFails(HalErrorCode.INVALID_OPTION, () -> new ScoreWindows(1, 1), "at least 2");
    assertFails(HalErrorCode.INVALID_OPTION, () -> new ScoreWindows(8, 0), "stride");
    assertFails(HalErrorCode.INVALID_OPTION, () -> new ScoreWindows(8, 9), "stride");
    assertFails(
        HalErrorCode.CONTEXT_OVERFLOW,
        () -> score(model, ScoreWindows.disjoint(1 << 20), 256),
        "the model has");
  }
}
