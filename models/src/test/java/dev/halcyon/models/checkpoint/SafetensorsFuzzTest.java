package dev.halcyon.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Damaged files either still open or fail with CHECKPOINT_CORRUPT; nothing else, and quickly. */
class SafetensorsFuzzTest {
  private static Path file;
  private static byte[] valid;

  @BeforeContainer
  static void makeValidFile() throws IOException {
    file = Files.createTempFile("fuzz", ".safetensors");
    new SafetensorsWriter()
        .metadata("format", "pt")
        .add(
            "model.embed_tokens.weight",
            DType.BF16,
            new long[] {4, 3},
            MemorySegment.ofArray(new byte[24]))
        .add("b", DType.F32, new long[] {2}, MemorySegment.ofArray(new byte[8]))
        .add("c", DType.U8, new long[] {}, MemorySegment.ofArray(new byte[1]))
        .write(file);
    valid = Files.readAllBytes(file);
  }

  @AfterContainer
  static void removeFile() throws IOException {
    Files.delete(file);
  }

  @Property(tries = 1000, shrinking = ShrinkingMode.OFF)
  void mutatedFiles(@ForAll long seed, @ForAll @IntRange(min = 1, max = 8) int mutations)
      throws IOException {
    Random random = new Random(seed);
    byte[] bytes = valid.clone();
    for (int i = 0; i < mutations; i++) {
      bytes = mutate(bytes, random);
    }
    open(bytes);
  }

  @Property(tries = 300, shrinking = ShrinkingMode.OFF)
  void randomBytes(@ForAll byte[] bytes) throws IOException {
    open(bytes);
  }

  private static byte[] mutate(byte[] in, Random random) {
    byte[] out = in.clone();
    if (out.length == 0) {
      return out;
    }
    int at = random.nextInt(out.length);
    switch (random.nextInt(6)) {
      case 0 -> out[at] = (byte) random.nextInt();
      case 1 -> out[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> out = java.util.Arrays.copyOf(out, at);
      case 3 -> out[at] = (byte) "0123456789-.eE\"{}[],:".charAt(random.nextInt(21));
      case 4 -> {
        int n = Math.min(random.nextInt(16), out.length - at);
        System.arraycopy(in, random.nextInt(in.length - n + 1), out, at, n);
      }
      default -> {
        out = new byte[in.length + 1];
        System.arraycopy(in, 0, out, 0, at);
        out[at] = (byte) (random.nextBoolean() ? '9' : random.nextInt());
        System.arraycopy(in, at, out, at + 1, in.length - at);
      }
    }
    return out;
  }

  private static void open(byte[] bytes) throws IOException {
    Files.write(file, bytes);
    long start = System.nanoTime();
    try (SafetensorsFile f = SafetensorsFile.open(file)) {
      for (String name : f.names()) {
        try {
          CheckpointTensor t = f.get(name);
          assertTrue(t.byteSize() == t.dtype().byteSize(t.elementCount()));
        } catch (HalException e) {
          assertTrue(e.code() == HalErrorCode.DTYPE_MISMATCH, e.getMessage());
        }
      }
    } catch (HalException e) {
      assertTrue(e.code() == HalErrorCode.CHECKPOINT_CORRUPT, e.getMessage());
      assertTrue(e.getMessage().length() < 1000, e.getMessage());
    }
    assertTrue(System.nanoTime() - start < 5_000_000_000L, "took too long");
  }
}
