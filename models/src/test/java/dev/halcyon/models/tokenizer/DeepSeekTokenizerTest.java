package dev.halcyon.models.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.hal.testing.Requirements;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The tokenizer of DeepSeek-V3 against ids made by the Hugging Face library. Its file is too large
 * for the repository: {@code tools/fetch-tokenizer.sh} fetches it.
 */
class DeepSeekTokenizerTest {
  private static Tokenizer tokenizer;

  @BeforeAll
  static void open() {
    Path dir = Path.of(System.getProperty("halcyon.tokenizer.dir", "target/tokenizer-deepseek-v3"));
    Requirements.require(
        "tokenizer",
        Files.isRegularFile(dir.resolve("tokenizer.json")),
        "no tokenizer.json in "
            + dir
            + "; run tools/fetch-tokenizer.sh or set -Dhalcyon.tokenizer.dir");
    tokenizer = Tokenizer.open(dir);
  }

  @AfterAll
  static void close() {
    if (tokenizer != null) {
      tokenizer.close();
    }
  }

  private static JsonNode cases(String file) throws IOException {
    Path path = GoldenResources.directory("tokenizer-deepseek-v3").resolve(file);
    return JsonMapper.shared().readTree(Files.readAllBytes(path)).path("cases");
  }

  private static int[] ids(JsonNode c) {
    return c.path("ids").valueStream().mapToInt(JsonNode::intValue).toArray();
  }

  @Test
  void encodesAndDecodes() throws IOException {
    int n = 0;
    for (JsonNode c : cases("encode.json")) {
      String text = c.path("text").stringValue();
      int[] ids = ids(c);
      assertArrayEquals(ids, tokenizer.encode(text), text);
      assertEquals(
          c.path("decoded_keep_special").stringValue(), tokenizer.decode(ids, SpecialText.KEEP));
      assertEquals(
          c.path("decoded_skip_special").stringValue(), tokenizer.decode(ids, SpecialText.SKIP));
      IncrementalDecoder stream = tokenizer.incrementalDecoder(SpecialText.KEEP);
      StringBuilder streamed = new StringBuilder();
      for (int id : ids) {
        streamed.append(stream.accept(id));
      }
      assertEquals(
          c.path("decoded_keep_special").stringValue(), streamed.append(stream.flush()).toString());
      n++;
    }
    assertEquals(184, n);
  }

  @Test
  void encodesChats() throws IOException {
    int n = 0;
    for (JsonNode c : cases("chat.json")) {
      assertArrayEquals(ids(c), tokenizer.encode(c.path("text").stringValue()));
      n++;
    }
    assertEquals(84, n);
  }

  @Test
  void namedTokens() {
    assertEquals(0, tokenizer.bosId().orElseThrow());
    assertEquals(java.util.List.of(1), tokenizer.eosIds());
    assertEquals(128803, tokenizer.tokenId("<｜User｜>").orElseThrow());
    assertEquals(128815, tokenizer.vocabSize());
    assertEquals(java.util.OptionalInt.empty(), tokenizer.tokenId("<think>"));
  }
}
