package dev.halcyon.models.generate;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.chat.ChatMessage;
import dev.halcyon.models.chat.ChatOptions;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.generate.GenerationRequest.EndOfText;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import dev.halcyon.models.sampling.SamplingOptions;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The way from text to text, on the CPU, against the golden continuations. */
final class GeneratorTest {
  private static Device device;
  private static TextModel model;
  private static GoldenFile golden;

  @BeforeAll
  static void open() {
    device = HalRegistry.discover().open("cpu://");
    model =
        TextModel.open(GoldenResources.directory("dsv3-tiny/bf16"), device, LoadOptions.DEFAULT);
    golden = GoldenFile.read(GoldenResources.golden("dsv3-tiny"));
  }

  @AfterAll
  static void close() {
    golden.close();
    model.close();
    device.close();
  }

  private static Generator generator(int context) {
    return model.newGenerator(
        SessionOptions.of(context).withCacheDtype(DType.F32).withPrefillChunk(5));
  }

  private static GenerationRequest greedy(int tokens) {
    return GenerationRequest.of(SamplingOptions.greedy(tokens)).withEndOfText(EndOfText.IGNORE);
  }

  @Test
  void promptsOfTheGoldenFileEncodeWithOneBeginOfText() {
    for (GoldenPrompt p : golden.prompts()) {
      assertArrayEquals(p.tokenIds(), model.folder().encode(p.text()), p.name());
      String bos = "<｜begin▁of▁sentence｜>";
      assertTrue(p.text().startsWith(bos), p.text());
      assertArrayEquals(
          p.tokenIds(), model.folder().encode(p.text().substring(bos.length())), p.name());
    }
    int[] chat = model.folder().encode(List.of(ChatMessage.user("Hi")), ChatOptions.GENERATE);
    assertEquals(model.folder().tokenizer().bosId().getAsInt(), chat[0]);
    assertFalse(Arrays.stream(chat).skip(1).anyMatch(id -> id == chat[0]), "only one");
  }

  @Test
  void greedyContinuationsAreTheReferences() {
    try (Generator g = generator(128)) {
      for (GoldenPrompt p : golden.prompts()) {
        List<Integer> heard = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        Generation result =
            g.generate(
                p.tokenIds(),
                greedy(p.greedyIds().length)
                    .withListener(
                        new GenerationListener() {
                          @Override
                          public void onToken(int id) {
                            heard.add(id);
                          }

                          @Override
                          public void onText(String piece) {
                            assertFalse(piece.isEmpty());
                            text.append(piece);
                          }
                        }));
        assertArrayEquals(p.greedyIds(), result.tokenIds(), p.name());
        assertArrayEquals(p.greedyIds(), heard.stream().mapToInt(Integer::intValue).toArray());
        assertEquals(result.text(), text.toString());
        assertEquals(model.folder().tokenizer().decode(p.greedyIds()), result.text());
        assertEquals(p.tokenIds().length, result.promptTokens());
        assertEquals(FinishReason.MAX_TOKENS, result.finishReason());
        assertTrue(result.timeToFirstToken().orElseThrow().isPositive());
        assertTrue(result.decodeTokensPerSecond().getAsDouble() > 0);
      }
    }
  }

  @Test
  void cachedPrefixGivesTheSameTokens() {
    int[] prompt = golden.prompt("chat").tokenIds();
    try (Generator g = generator(128)) {
      Generation first = g.generate(prompt, greedy(10));
      assertEquals(0, first.reusedTokens());
      Generation again = g.generate(prompt, greedy(10));
      assertEquals(prompt.length - 1, again.reusedTokens());
      assertArrayEquals(first.tokenIds(), again.tokenIds());
      int[] longer = Arrays.copyOf(prompt, prompt.length + 10);
      System.arraycopy(first.tokenIds(), 0, longer, prompt.length, 10);
      Generation next = g.generate(longer, greedy(6));
      assertEquals(prompt.length + 9, next.reusedTokens());
      g.clear();
      Generation fresh = g.generate(longer, greedy(6));
      assertEquals(0, fresh.reusedTokens());
      assertArrayEquals(fresh.tokenIds(), next.tokenIds());
      int[] other = golden.prompt("plain").tokenIds();
      assertArrayEquals(
          Arrays.copyOf(golden.prompt("plain").greedyIds(), 8),
          g.generate(other, greedy(8)).tokenIds());
    }
  }

  @Test
  void endsAtStopTokensAndStopStrings() {
    GoldenPrompt p = golden.prompt("plain");
    int stop = p.greedyIds()[5];
    int first = 0;
    while (p.greedyIds()[first] != stop) {
      first++;
    }
    try (Generator g = generator(128)) {
      SamplingOptions byToken = SamplingOptions.greedy(20).withStopTokenIds(Set.of(stop));
      Generation ended = g.generate(p.tokenIds(), GenerationRequest.of(byToken));
      assertEquals(FinishReason.STOP_TOKEN, ended.finishReason());
      assertArrayEquals(Arrays.copyOf(p.greedyIds(), first + 1), ended.tokenIds());
      assertEquals(
          model.folder().tokenizer().decode(Arrays.copyOf(p.greedyIds(), first)), ended.text());

      String all = g.generate(p.tokenIds(), greedy(20)).text();
      String word = all.substring(all.length() / 2, all.length() / 2 + 3);
      SamplingOptions byText = SamplingOptions.greedy(20).withStop(List.of(word));
      Generation cut =
          g.generate(p.tokenIds(), GenerationRequest.of(byText).withEndOfText(EndOfText.IGNORE));
      assertEquals(FinishReason.STOP_STRING, cut.finishReason());
      assertEquals(all.substring(0, all.indexOf(word)), cut.text());
    }
  }

  @Test
  void modelsOwnEndOfTextIsKnown() {
    assertEquals(Set.of(1), model.folder().endOfText());
  }

  @Test
  void sampledTokensDependOnTheSeedAlone() {
    int[] prompt = golden.prompt("code").tokenIds();
    SamplingOptions sampling =
        SamplingOptions.greedy(16).withTemperature(1).withTopK(50).withTopP(0.95).withSeed(3);
    GenerationRequest request = GenerationRequest.of(sampling).withEndOfText(EndOfText.IGNORE);
    try (Generator g = generator(128)) {
      int[] ids = g.generate(prompt, request).tokenIds();
      assertArrayEquals(ids, g.generate(prompt, request).tokenIds());
      GenerationRequest other =
          GenerationRequest.of(sampling.withSeed(4)).withEndOfText(EndOfText.IGNORE);
      assertFalse(Arrays.equals(ids, g.generate(prompt, other).tokenIds()));
    }
  }

  @Test
  void promptsThatDoNotFitAreRefusedBeforeAnythingRuns() {
    int[] prompt = golden.prompt("chat").tokenIds();
    try (Generator g = generator(prompt.length)) {
      assertFails(
          HalErrorCode.CONTEXT_OVERFLOW,
          () -> g.generate(prompt, greedy(1)),
          prompt.length + " tokens",
          "context of " + prompt.length,
          "--context");
    }
    try (Generator g = generator(prompt.length + 3)) {
      Generation result = g.generate(prompt, greedy(10));
      assertEquals(FinishReason.CONTEXT_FULL, result.finishReason());
      assertEquals(3, result.tokenIds().length);
    }
    int limit = model.folder().config().maxPositionEmbeddings();
    assertEquals(30, model.folder().contextFor(10, 20));
    assertEquals(limit, model.folder().contextFor(10, Integer.MAX_VALUE));
    assertFails(
        HalErrorCode.CONTEXT_OVERFLOW,
        () -> model.folder().contextFor(limit, 1),
        "shorten the prompt");
  }

  @Test
  void badTokensLeaveTheGeneratorUsable() {
    int[] prompt = golden.prompt("plain").tokenIds();
    try (Generator g = generator(128)) {
      int[] broken = prompt.clone();
      broken[broken.length - 1] = 100_000;
      assertFails(HalErrorCode.INVALID_ARGUMENT, () -> g.generate(broken, greedy(4)), "100000");
      assertArrayEquals(
          Arrays.copyOf(golden.prompt("plain").greedyIds(), 4),
          g.generate(prompt, greedy(4)).tokenIds());
    }
  }

  @Test
  void listenerThatFailsEndsTheGeneration() {
    int[] prompt = golden.prompt("plain").tokenIds();
    GenerationListener failing =
        new GenerationListener() {
          @Override
          public void onToken(int id) {
            throw new IllegalStateException("enough");
          }
        };
    try (Generator g = generator(128)) {
      assertThrows(
          IllegalStateException.class, () -> g.generate(prompt, greedy(4).withListener(failing)));
      assertEquals(4, g.generate(prompt, greedy(4)).tokenIds().length);
    }
  }

  @Test
  void cancellationKeepsWhatThereIs() {
    int[] prompt = golden.prompt("plain").tokenIds();
    AtomicInteger asked = new AtomicInteger();
    try (Generator g = generator(128)) {
      Generation before = g.generate(prompt, greedy(50).withCancelled(() -> true));
      assertEquals(FinishReason.CANCELLED, before.finishReason());
      assertEquals(0, before.tokenIds().length);
      Generation during =
          g.generate(prompt, greedy(50).withCancelled(() -> asked.incrementAndGet() > 8));
      assertEquals(FinishReason.CANCELLED, during.finishReason());
      assertTrue(during.tokenIds().length > 0 && during.tokenIds().length < 9);
      assertArrayEquals(
          Arrays.copyOf(golden.prompt("plain").greedyIds(), during.tokenIds().length),
          during.tokenIds());
    }
  }

  @Test
  void folderWithoutTokenizerIsNamed(@TempDir Path copy) throws IOException {
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(GoldenResources.directory("dsv2-tiny/bf16").resolve(name), copy.resolve(name));
    }
    assertFails(
        HalErrorCode.TOKENIZER_MISSING,
        () -> TextModel.open(copy, device, LoadOptions.DEFAULT),
        "tokenizer.json",
        copy.toString());
  }

  @Test
  void decodeStepLeavesNextToNothingOnTheHeap() {
    try (Session session = model.model().newSession(SessionOptions.of(600))) {
      int[] sequence = {session.openSequence()};
      int[] token = {17};
      session.prefill(sequence[0], new int[] {0, 5, 9});
      long perStep = 0;
      for (int round = 0; round < 3; round++) {
        long before = allocated();
        for (int i = 0; i < 100; i++) {
          session.decode(sequence, token);
          token[0] = session.argmax(0);
        }
        perStep = (allocated() - before) / 100;
      }
      assertTrue(perStep < 600, perStep + " bytes a step");
    }
  }

  private static long allocated() {
    return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean())
        .getCurrentThreadAllocatedBytes();
  }
}
