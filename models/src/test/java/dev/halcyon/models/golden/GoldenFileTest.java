package dev.halcyon.models.golden;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class GoldenFileTest {
  static final java.util.List<String> VARIANTS = GoldenResources.VARIANTS;

  @TempDir Path temp;

  @ParameterizedTest
  @FieldSource("VARIANTS")
  void argmaxesFollowFromTheLogits(String variant) {
    try (GoldenFile g = GoldenFile.read(GoldenResources.golden(variant))) {
      assertEquals(variant, g.variant());
      assertTrue(g.prompts().size() >= 5);
      for (GoldenPrompt p : g.prompts()) {
        float[] logits = g.logits(p);
        int vocab = logits.length / p.tokenIds().length;
        int[] best = new int[p.tokenIds().length];
        for (int t = 0; t < best.length; t++) {
          for (int v = 1; v < vocab; v++) {
            if (logits[t * vocab + v] > logits[t * vocab + best[t]]) {
              best[t] = v;
            }
          }
        }
        assertArrayEquals(p.argmaxPerPosition(), best, p.name());
        assertEquals(p.greedyIds()[0], best[best.length - 1], p.name());
        assertTrue(p.minGreedyGap() > 4e-3);
      }
      GoldenBatch batch = g.batch2().orElseThrow();
      assertEquals(2, batch.rows());
      assertEquals(batch.tokenIds()[0].length, batch.tokenIds()[1].length);
      assertEquals(12, g.ragged2().orElseThrow().greedyIds()[1].length);
      assertEquals(variant.contains("fp8"), g.fp8().isPresent());
    }
  }

  @Test
  void tracesAndFp8Vectors() {
    try (GoldenFile g = GoldenFile.read(GoldenResources.golden("dsv3-tiny"))) {
      assertEquals(14 * 4, g.ints("trace.chat.layer1.gate_indices").length);
      assertTrue(g.hasTensor("trace.chat.final_norm"));
      assertFails(
          HalErrorCode.GOLDEN_INVALID,
          () -> g.floats("trace.chat.layer1.gate_indices"),
          "I32",
          "F32");
      assertFails(HalErrorCode.GOLDEN_INVALID, () -> g.tensor("nope"), "nope");
      assertFails(HalErrorCode.GOLDEN_INVALID, () -> g.prompt("nope"), "nope");
      assertEquals("code", g.prompt("code").name());
    }
    try (GoldenFile g = GoldenFile.read(GoldenResources.golden("dsv3-fp8-tiny"))) {
      assertEquals(
          "model.layers.1.self_attn.o_proj.weight",
          g.fp8().orElseThrow().gemmWeight().orElseThrow());
      assertTrue(g.fp8().orElseThrow().scaleFormat().isEmpty());
      assertEquals(14 * 256, g.bytes("actquant.q").length);
    }
  }

  @Test
  void brokenFiles() throws IOException {
    Path json = temp.resolve("golden.json");
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "not found");
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(temp.resolve("x.txt")), ".json");
    Files.writeString(json, "{}");
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "golden.safetensors");
    Path source = GoldenResources.golden("dsv3-tiny");
    Files.copy(source.resolveSibling("golden.safetensors"), temp.resolve("golden.safetensors"));
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "variant");
    String text = Files.readString(source);
    Files.writeString(json, text.replaceFirst("\"name\": \"code\"", "\"name\": \"lost\""));
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "lost.logits");
    Files.writeString(
        json, text.replaceFirst("\"greedy_ids\": \\[\\s*\\d+", "\"greedy_ids\": [-1"));
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "greedy_ids");
    Files.writeString(json, text.substring(0, text.length() / 2));
    assertFails(HalErrorCode.GOLDEN_INVALID, () -> GoldenFile.read(json), "not valid JSON");
  }
}
