package dev.halcyon.models.tokenizer;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class TokenizerTest {
  static final List<String> VARIANTS = GoldenResources.VARIANTS;

  @TempDir Path temp;

  private static Tokenizer tiny() {
    return Tokenizer.open(GoldenResources.directory("tokenizer-tiny"));
  }

  @ParameterizedTest
  @FieldSource("VARIANTS")
  void goldenPromptsEncode(String variant) {
    try (Tokenizer t = Tokenizer.open(GoldenResources.anyCheckpoint(variant));
        GoldenFile g = GoldenFile.read(GoldenResources.golden(variant))) {
      for (GoldenPrompt p : g.prompts()) {
        // prompts start with the begin-of-text token; some spell it out, for the others the caller
        // adds it
        int[] ids = t.encode(p.text());
        if (ids.length + 1 == p.tokenIds().length) {
          int[] withBos = new int[ids.length + 1];
          withBos[0] = t.bosId().orElseThrow();
          System.arraycopy(ids, 0, withBos, 1, ids.length);
          ids = withBos;
        }
        assertArrayEquals(p.tokenIds(), ids, p.name());
      }
    }
  }

  @Test
  void vocabularyAndSpecialTokens() {
    try (Tokenizer t = tiny()) {
      assertEquals(512, t.vocabSize());
      assertEquals(OptionalInt.of(0), t.bosId());
      assertEquals(List.of(1), t.eosIds());
      assertEquals(OptionalInt.of(495), t.tokenId("<think>"));
      assertEquals(OptionalInt.empty(), t.tokenId("a"));
      assertTrue(t.isSpecial(0));
      assertArrayEquals(new int[] {0, 500}, t.encode("<｜begin▁of▁sentence｜><｜User｜>"));
      assertEquals("<｜User｜>", t.decode(new int[] {0, 500}));
      assertEquals("<｜begin▁of▁sentence｜><｜User｜>", t.decode(new int[] {0, 500}, SpecialText.KEEP));
      assertArrayEquals(new int[0], t.encode(""));
      assertEquals("", t.decode(new int[0]));
      assertEquals("", t.decode(new int[] {100_000}));
      assertFails(
          HalErrorCode.INVALID_ARGUMENT, () -> t.decode(new int[] {3, -1}), "-1", "position 1");
    }
  }

  @Test
  void nothingIsTruncated() {
    try (Tokenizer t = tiny()) {
      String text = "the quick brown fox ".repeat(5000);
      int[] ids = t.encode(text);
      assertTrue(ids.length > 20_000);
      assertEquals(text, t.decode(ids));
    }
  }

  @Test
  void hostileText() {
    try (Tokenizer t = tiny()) {
      assertEquals("a\uFFFDb", t.decode(t.encode("a\uD800b")));
      assertEquals("a\0b", t.decode(t.encode("a\0b")));
      assertEquals("\uD83D\uDE00", t.decode(t.encode("\uD83D\uDE00")));
      assertEquals("\uFFFD\uFFFDx", t.decode(t.encode("\uDE00\uD83Dx")));
    }
  }

  @Test
  void streamedTextEqualsWholeText() {
    try (Tokenizer t = tiny()) {
      List<int[]> streams = new ArrayList<>();
      streams.add(t.encode("Grüße, 世界! \uD83D\uDE00\uD83D\uDC4D\uD83C\uDFFD ok \uFFFD end"));
      Random random = new Random(7);
      for (int n = 0; n < 60; n++) {
        streams.add(random.ints(1 + random.nextInt(300), 0, 512).toArray());
      }
      for (int[] ids : streams) {
        for (SpecialText special : SpecialText.values()) {
          IncrementalDecoder d = t.incrementalDecoder(special);
          StringBuilder all = new StringBuilder();
          for (int id : ids) {
            String piece = d.accept(id);
            assertTrue(
                piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)));
            all.append(piece);
          }
          all.append(d.flush());
          assertEquals(t.decode(ids, special), all.toString());
          assertEquals("", d.flush());
        }
      }
    }
  }

  @Test
  void incompleteSequencesAreHeldBack() {
    try (Tokenizer t = tiny()) {
      int[] ids = t.encode("\uD83D\uDE00");
      assertTrue(ids.length > 1, "the test needs a character of several tokens");
      IncrementalDecoder d = t.incrementalDecoder(SpecialText.SKIP);
      for (int i = 0; i < ids.length - 1; i++) {
        assertEquals("", d.accept(ids[i]));
      }
      assertEquals("\uD83D\uDE00", d.accept(ids[ids.length - 1]));
      assertEquals("", d.accept(ids[0]));
      assertEquals("\uFFFD", d.flush());
    }
  }

  @Test
  void threadsShareATokenizer() throws Exception {
    try (Tokenizer t = tiny();
        ExecutorService pool = Executors.newFixedThreadPool(4)) {
      String text = "one two three 123 世界 ".repeat(50);
      int[] expected = t.encode(text);
      List<Callable<Boolean>> work = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        work.add(
            () -> {
              int[] ids = t.encode(text);
              return java.util.Arrays.equals(expected, ids) && text.equals(t.decode(ids));
            });
      }
      for (Future<Boolean> f : pool.invokeAll(work)) {
        assertTrue(f.get());
      }
    }
  }

  @Test
  void closedTokenizersRefuse() {
    Tokenizer t = tiny();
    t.close();
    t.close();
    assertFails(HalErrorCode.USE_AFTER_CLOSE, () -> t.encode("x"), "closed");
  }

  @Test
  void missingAndInvalidFiles() throws IOException {
    assertFails(
        HalErrorCode.TOKENIZER_MISSING, () -> Tokenizer.open(temp), "tokenizer.json", "remedy");
    Path file = temp.resolve("tokenizer.json");
    for (String broken :
        List.of(
            "",
            "{",
            "[]",
            "{}",
            "{\"added_tokens\": [{\"id\": -1, \"content\": \"x\"}]}",
            "{\"model\": {}}")) {
      Files.writeString(file, broken);
      assertFails(
          HalErrorCode.TOKENIZER_INVALID, () -> Tokenizer.open(temp), "tokenizer.json", "remedy");
    }
    Files.writeString(file, "{\"model\": {\"type\": \"Nonsense\", \"vocab\": {\"a\": 0}}}");
    assertFails(
        HalErrorCode.TOKENIZER_INVALID, () -> Tokenizer.open(temp), "tokenizer.json", "remedy");
  }
}
