package dev.halcyon.models.checkpoint;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.testing.GoldenResources;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class CheckpointTest {
  static final java.util.List<String> FLOAT_VARIANTS = GoldenResources.FLOAT_VARIANTS;

  @TempDir Path temp;

  @ParameterizedTest
  @FieldSource("FLOAT_VARIANTS")
  void bf16AndFp32HoldTheSameNumbers(String variant) {
    try (Checkpoint half = Checkpoint.open(GoldenResources.directory(variant).resolve("bf16"));
        Checkpoint full = Checkpoint.open(GoldenResources.directory(variant).resolve("fp32"))) {
      assertEquals(
          full.names().stream().sorted().toList(), half.names().stream().sorted().toList());
      int compared = 0;
      for (String name : full.names()) {
        CheckpointTensor f = full.get(name);
        CheckpointTensor h = half.get(name, f.shape());
        assertEquals(DType.F32, f.dtype());
        for (long i = 0; i < f.elementCount(); i++) {
          int bits = f.data().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i);
          int other =
              h.dtype() == DType.F32
                  ? h.data().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i)
                  : h.data().getAtIndex(ValueLayout.JAVA_SHORT_UNALIGNED, i) << 16;
          assertEquals(bits, other, name);
          compared++;
        }
      }
      assertTrue(compared > 100_000);
    }
  }

  @Test
  void shardsAreOneCheckpoint() {
    try (Checkpoint c = Checkpoint.open(GoldenResources.directory("dsv3-tiny").resolve("bf16"))) {
      assertEquals(2, c.files().size());
      assertEquals(1_015_744, c.byteSize());
      CheckpointTensor t = c.get("model.layers.1.mlp.gate.weight", 16, 64);
      assertEquals(2048, t.byteSize());
      assertEquals(2, t.rank());
      assertEquals(64, t.dim(1));
      assertTrue(t.data().isReadOnly());
      assertFalse(c.find("nope").isPresent());
      assertFalse(c.contains("nope"));
    }
  }

  @Test
  void fp8TensorsAndScales() {
    try (Checkpoint c =
        Checkpoint.open(GoldenResources.directory("dsv3-fp8-tiny").resolve("fp8"))) {
      assertEquals(
          DType.F8_E4M3FN, c.get("model.layers.1.self_attn.o_proj.weight", 256, 128).dtype());
      assertEquals(
          DType.F32, c.get("model.layers.1.self_attn.o_proj.weight_scale_inv", 2, 1).dtype());
    }
  }

  @Test
  void missingTensorAndWrongShapeSaySo() {
    try (Checkpoint c = Checkpoint.open(GoldenResources.directory("dsv3-tiny").resolve("fp32"))) {
      assertFails(
          HalErrorCode.TENSOR_MISSING,
          () -> c.get("model.layers.9.x"),
          "model.layers.9.x",
          "fp32",
          "remedy");
      assertFails(
          HalErrorCode.SHAPE_MISMATCH,
          () -> c.get("lm_head.weight", 64, 512),
          "[512, 64]",
          "[64, 512]",
          "remedy");
    }
  }

  @Test
  void missingFiles() throws IOException {
    assertFails(HalErrorCode.MODEL_NOT_FOUND, () -> Checkpoint.open(temp.resolve("none")), "none");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> Checkpoint.open(temp),
        "model.safetensors",
        "remedy");
    Files.write(temp.resolve("pytorch_model.bin"), new byte[3]);
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> Checkpoint.open(temp),
        "pytorch_model.bin",
        "convert");
  }

  @Test
  void missingShardNamesIndexShardAndTensor() throws IOException {
    Path source = GoldenResources.directory("dsv3-tiny").resolve("bf16");
    copy(source, "model.safetensors.index.json");
    copy(source, "model-00001-of-000002.safetensors");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> Checkpoint.open(temp),
        "model.safetensors.index.json",
        "model-00002-of-000002.safetensors",
        "tensor 'model.layers",
        "remedy");
  }

  @Test
  void truncatedShardIsNamed() throws IOException {
    Path source = GoldenResources.directory("dsv3-tiny").resolve("bf16");
    copy(source, "model.safetensors.index.json");
    copy(source, "model-00001-of-000002.safetensors");
    byte[] second = Files.readAllBytes(source.resolve("model-00002-of-000002.safetensors"));
    Files.write(
        temp.resolve("model-00002-of-000002.safetensors"),
        java.util.Arrays.copyOf(second, second.length - 100));
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT,
        () -> Checkpoint.open(temp),
        "model-00002-of-000002",
        "truncated");
  }

  @Test
  void indexMayNotLeaveItsDirectory() throws IOException {
    Path model = Files.createDirectory(temp.resolve("model"));
    new SafetensorsWriter()
        .add("t", DType.U8, new long[] {1}, bytes(1))
        .write(temp.resolve("outside.safetensors"));
    for (String shard :
        new String[] {
          "../outside.safetensors",
          temp.resolve("outside.safetensors").toString(),
          "a/../../outside.safetensors",
          "..",
          "",
          ".",
          "config.json",
          "..\\\\outside.safetensors"
        }) {
      Files.writeString(
          model.resolve("model.safetensors.index.json"),
          "{\"weight_map\": {\"t\": \"" + shard + "\"}}");
      assertFails(
          HalErrorCode.CHECKPOINT_CORRUPT,
          () -> Checkpoint.open(model),
          "tensor 't'",
          "outside its directory");
    }
  }

  @Test
  void indexAndShardMustAgree() throws IOException {
    new SafetensorsWriter()
        .add("a", DType.U8, new long[] {1}, bytes(1))
        .write(temp.resolve("s.safetensors"));
    Path index = temp.resolve("model.safetensors.index.json");
    Files.writeString(index, "{\"weight_map\": {\"b\": \"s.safetensors\"}}");
    assertFails(
        HalErrorCode.CHECKPOINT_CORRUPT, () -> Checkpoint.open(temp), "does not hold tensor 'b'");
    Files.writeString(index, "{\"weight_map\": {\"a\": 3}}");
    assertFails(HalErrorCode.CHECKPOINT_CORRUPT, () -> Checkpoint.open(temp), "file name");
    Files.writeString(index, "{\"weight_map\": []}");
    assertFails(HalErrorCode.CHECKPOINT_CORRUPT, () -> Checkpoint.open(temp), "weight_map");
    Files.writeString(index, "{\"weight_map\": {");
    assertFails(HalErrorCode.CHECKPOINT_CORRUPT, () -> Checkpoint.open(temp), "not valid JSON");
  }

  @Test
  void tensorsLiveAsLongAsTheCheckpoint() {
    Checkpoint c = Checkpoint.open(GoldenResources.directory("dsv3-tiny").resolve("fp32"));
    CheckpointTensor t = c.get("lm_head.weight");
    c.close();
    c.close();
    assertThrows(IllegalStateException.class, () -> t.data().get(ValueLayout.JAVA_BYTE, 0));
    assertFails(HalErrorCode.USE_AFTER_CLOSE, () -> c.get("lm_head.weight"), "lm_head.weight");
  }

  @Test
  void writerRoundTrip() throws IOException {
    Path file = temp.resolve("model.safetensors");
    new SafetensorsWriter()
        .metadata("format", "pt")
        .add("odd", DType.I8, new long[] {3}, bytes(1, 2, 3))
        .add("f", DType.F32, new long[] {2}, MemorySegment.ofArray(new float[] {1.5f, -2}))
        .add("scalar", DType.BF16, new long[] {}, bytes(4, 5))
        .add("empty", DType.F32, new long[] {0, 7}, bytes())
        .write(file);
    try (Checkpoint c = Checkpoint.open(temp)) {
      assertEquals(13, c.byteSize());
      assertEquals(
          java.util.List.of("odd", "f", "scalar", "empty"), java.util.List.copyOf(c.names()));
      CheckpointTensor f = c.get("f", 2);
      assertTrue(f.data().address() % 4 != 0, "an unaligned tensor is what this test is about");
      assertEquals(-2f, f.data().getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, 1));
      assertArrayEquals(new byte[] {1, 2, 3}, c.get("odd").data().toArray(ValueLayout.JAVA_BYTE));
      assertEquals(0, c.get("scalar").rank());
      assertEquals(1, c.get("scalar").elementCount());
      assertEquals(0, c.get("empty", 0, 7).byteSize());
    }
    try (SafetensorsFile f = SafetensorsFile.open(file)) {
      assertEquals("pt", f.metadata().get("format"));
    }
    try (Checkpoint c = Checkpoint.open(file)) {
      assertEquals(4, c.names().size());
    }
  }

  private void copy(Path from, String name) throws IOException {
    Files.copy(from.resolve(name), temp.resolve(name));
  }

  private static MemorySegment bytes(int... values) {
    byte[] b = new byte[values.length];
    for (int i = 0; i < b.length; i++) {
      b[i] = (byte) values[i];
    }
    return MemorySegment.ofArray(b);
  }
}
