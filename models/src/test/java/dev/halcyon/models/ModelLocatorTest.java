package dev.halcyon.models;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.models.chat.ChatTemplate;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelLocatorTest {
  @TempDir Path temp;

  private ModelLocator locator(Map<String, String> environment) {
    return new ModelLocator(environment, temp.resolve("home"));
  }

  private static Path model(Path dir) throws IOException {
    Files.createDirectories(dir);
    Files.writeString(dir.resolve("config.json"), "{}");
    return dir;
  }

  @Test
  void directories() throws IOException {
    Path dir = model(temp.resolve("some model"));
    assertEquals(dir, locator(Map.of()).locate(dir.toString()));
    Path empty = Files.createDirectory(temp.resolve("empty"));
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND,
        () -> locator(Map.of()).locate(empty.toString()),
        "has no config.json",
        "remedy");
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND,
        () -> locator(Map.of()).locate(empty.resolve("x").toString()),
        "does not exist");
    assertFails(HalErrorCode.MODEL_NOT_FOUND, () -> locator(Map.of()).locate(""), "remedy");
    assertFails(HalErrorCode.MODEL_NOT_FOUND, () -> locator(Map.of()).locate("a\0b"), "not a path");
  }

  @Test
  void huggingFaceCache() throws IOException {
    String name = "deepseek-ai/DeepSeek-V2-Lite";
    Path hub = temp.resolve("home/.cache/huggingface/hub");
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND,
        () -> locator(Map.of()).locate(name),
        hub.resolve("models--deepseek-ai--DeepSeek-V2-Lite").toString(),
        "nothing is downloaded");
    Path repository = hub.resolve("models--deepseek-ai--DeepSeek-V2-Lite");
    Path snapshot = model(repository.resolve("snapshots/abc123"));
    assertEquals(snapshot, locator(Map.of()).locate(name));
    model(repository.resolve("snapshots/def456"));
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND, () -> locator(Map.of()).locate(name), "2 usable snapshots");
    Files.createDirectories(repository.resolve("refs"));
    Files.writeString(repository.resolve("refs/main"), "abc123\n");
    assertEquals(snapshot, locator(Map.of()).locate(name));
    Files.writeString(repository.resolve("refs/main"), "../../../elsewhere");
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND, () -> locator(Map.of()).locate(name), "has no config.json");
  }

  @Test
  void variablesMoveTheCache() throws IOException {
    for (Map.Entry<String, String> e :
        Map.of("HF_HUB_CACHE", "hub-a", "HF_HOME", "hub-b/", "XDG_CACHE_HOME", "hub-c/huggingface/")
            .entrySet()) {
      String root = e.getValue().split("/")[0];
      Path hub = temp.resolve(e.getValue() + (e.getKey().equals("HF_HUB_CACHE") ? "" : "hub"));
      Path snapshot = model(hub.resolve("models--o--n/snapshots/r1"));
      assertEquals(
          snapshot, locator(Map.of(e.getKey(), temp.resolve(root).toString())).locate("o/n"));
    }
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND, () -> locator(Map.of()).locate("o/../../etc"), "no model");
  }

  @Test
  void demoIsACompleteModel() throws IOException {
    Path dir = locator(Map.of()).locate("demo");
    assertTrue(dir.startsWith(temp.resolve("home/.cache/halcyon")), dir.toString());
    assertEquals(
        "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(dir.getParent())));
    DeepSeekConfig config = ConfigReader.read(dir);
    try (Checkpoint weights = Checkpoint.open(dir);
        Tokenizer tokenizer = Tokenizer.open(dir)) {
      weights.get("model.embed_tokens.weight", config.vocab(), config.hidden());
      weights.get("lm_head.weight", config.vocab(), config.hidden());
      assertTrue(weights.byteSize() < 32 << 20);
      assertTrue(tokenizer.vocabSize() <= config.vocab());
    }
    ChatTemplate.read(dir);
    assertEquals(dir, locator(Map.of()).locate("demo"));
  }

  @Test
  void damagedDemoIsExtractedAgain() throws IOException {
    Path dir = locator(Map.of()).locate("demo");
    byte[] original = Files.readAllBytes(dir.resolve("model.safetensors"));
    byte[] damaged = original.clone();
    damaged[damaged.length / 2] ^= 1;
    Files.write(dir.resolve("model.safetensors"), damaged);
    Files.delete(dir.resolve("config.json"));
    assertEquals(dir, locator(Map.of()).locate("demo"));
    assertArrayEquals(original, Files.readAllBytes(dir.resolve("model.safetensors")));
    try (Stream<Path> left = Files.list(dir.getParent())) {
      assertEquals(List.of(dir), left.toList());
    }
  }

  @Test
  void simultaneousExtractionsAgree() throws Exception {
    try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
      List<Callable<Path>> work = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        work.add(() -> locator(Map.of()).locate("demo"));
      }
      for (Future<Path> f : pool.invokeAll(work)) {
        ConfigReader.read(f.get());
      }
    }
  }

  @Test
  void foldersOthersCanWriteToAreRefused() throws IOException {
    Path shared = Files.createDirectory(temp.resolve("shared"));
    Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertFails(
        HalErrorCode.MODEL_NOT_FOUND,
        () -> locator(Map.of("HALCYON_CACHE", shared.toString())).locate("demo"),
        "others may write",
        "HALCYON_CACHE");
  }
}
