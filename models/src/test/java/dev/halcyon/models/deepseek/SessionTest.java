package dev.halcyon.models.deepseek;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.testing.GoldenResources;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Sessions: context limits, block reuse, batches, close order and weight formats, on the CPU. */
final class SessionTest {
  private final Path directory = GoldenResources.directory("dsv3-tiny/bf16");
  private final DeepSeekConfig config = ConfigReader.read(directory);
  private Device device;
  private DeepSeekModel model;

  @BeforeEach
  void open() {
    device = HalRegistry.discover().open("cpu://");
    model = load(LoadOptions.DEFAULT);
  }

  private DeepSeekModel load(LoadOptions options) {
    return DeepSeekModel.load(device, config, Checkpoint.open(directory), options);
  }

  @AfterEach
  void close() {
    model.close();
    device.close();
  }

  private static SessionOptions exact(int context) {
    return SessionOptions.of(context).withCacheDtype(DType.F32).withBlockSize(4);
  }

  private static int[] prompt(int length) {
    int[] ids = new int[length];
    for (int i = 0; i < length; i++) {
      ids[i] = (i * 37 + 11) % 480 + 3;
    }
    return ids;
  }

  private static List<Integer> generate(Session s, int sequence, int[] prompt, int steps) {
    s.prefill(sequence, prompt);
    List<Integer> out = new ArrayList<>(List.of(s.argmax(0)));
    while (out.size() < steps) {
      s.decode(new int[] {sequence}, new int[] {out.getLast()});
      out.add(s.argmax(0));
    }
    return out;
  }

  @Test
  void fullContextIsRefusedBeforeAnythingRuns() {
    try (Session s = model.newSession(exact(10))) {
      int sequence = s.openSequence();
      HalException tooLong =
          assertThrows(HalException.class, () -> s.prefill(sequence, prompt(11)));
      assertEquals(HalErrorCode.CONTEXT_OVERFLOW, tooLong.code());
      assertEquals(0, s.length(sequence));
      s.prefill(sequence, prompt(9));
      s.decode(new int[] {sequence}, new int[] {5});
      HalException full =
          assertThrows(HalException.class, () -> s.decode(new int[] {sequence}, new int[] {5}));
      assertEquals(HalErrorCode.CONTEXT_OVERFLOW, full.code());
      assertEquals(10, s.length(sequence));
    }
  }

  @Test
  void contextBeyondTheModelIsRefused() {
    int beyond = config.maxPositionEmbeddings() + 1;
    HalException e = assertThrows(HalException.class, () -> model.newSession(exact(beyond)));
    assertEquals(HalErrorCode.CONTEXT_OVERFLOW, e.code());
    assertTrue(e.getMessage().contains("max_position_embeddings"), e.getMessage());
  }

  @Test
  void tokensOutsideTheVocabularyAreRefused() {
    try (Session s = model.newSession(exact(10))) {
      int sequence = s.openSequence();
      for (int bad : new int[] {-1, config.vocab()}) {
        HalException e =
            assertThrows(HalException.class, () -> s.prefill(sequence, new int[] {1, bad}));
        assertEquals(HalErrorCode.INVALID_ARGUMENT, e.code());
        assertEquals(0, s.length(sequence));
      }
    }
  }

  @Test
  void releasedBlocksServeNewSequencesWithoutTraces() {
    List<Integer> expected;
    try (Session fresh = model.newSession(exact(40))) {
      expected = generate(fresh, fresh.openSequence(), prompt(13), 12);
    }
    try (Session s = model.newSession(exact(40).withMaxSequences(2))) {
      int first = s.openSequence();
      int second = s.openSequence();
      s.prefill(first, prompt(30));
      s.prefill(second, prompt(21));
      s.releaseSequence(first);
      assertEquals(expected, generate(s, s.openSequence(), prompt(13), 12));
      s.truncate(second, 0);
      assertEquals(expected, generate(s, second, prompt(13), 12));
      assertThrows(HalException.class, s::openSequence);
    }
  }

  @Test
  void truncatedSequenceContinuesAsIfNeverLonger() {
    try (Session s = model.newSession(exact(60))) {
      int sequence = s.openSequence();
      List<Integer> whole = generate(s, sequence, prompt(20), 8);
      s.truncate(sequence, 15);
      assertEquals(15, s.length(sequence));
      assertEquals(whole, generate(s, sequence, Arrays.copyOfRange(prompt(20), 15, 20), 8));
    }
  }

  @Test
  void graphAndEagerDecodeGiveTheSameBits() {
    float[][] last = new float[2][];
    for (SessionOptions.Decode d : SessionOptions.Decode.values()) {
      try (Session s =
          model.newSession(
              exact(60).withDecode(d).withForm(SessionOptions.Form.ABSORBED).withMaxSequences(3))) {
        int[] sequences = {s.openSequence(), s.openSequence(), s.openSequence()};
        for (int i = 0; i < 3; i++) {
          s.prefill(sequences[i], prompt(5 + 9 * i));
        }
        int[] next = {7, 8, 9};
        for (int step = 0; step < 10; step++) {
          s.decode(sequences, next);
          for (int i = 0; i < 3; i++) {
            next[i] = s.argmax(i);
          }
        }
        last[d.ordinal()] = s.logits(2).toArray(ValueLayout.JAVA_FLOAT);
      }
    }
    assertArrayEquals(last[0], last[1]);
  }

  @Test
  void modelClosedBeforeItsSessionNamesTheOrder() {
    try (Session s = model.newSession(exact(8))) {
      HalException e = assertThrows(HalException.class, model::close);
      assertEquals(HalErrorCode.CLOSE_ORDER, e.code());
      HalException d = assertThrows(HalException.class, device::close);
      assertEquals(HalErrorCode.CLOSE_ORDER, d.code());
      assertTrue(d.getMessage().contains("KV cache"), d.getMessage());
      assertEquals(0, s.rows());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = WeightFormat.class,
      names = {"F32", "BF16"})
  void exactFormatsGiveTheSameTokens(WeightFormat format) {
    List<Integer> expected;
    try (Session s = model.newSession(exact(40))) {
      expected = generate(s, s.openSequence(), prompt(13), 12);
    }
    try (DeepSeekModel other = load(LoadOptions.DEFAULT.withFormat(format));
        Session s = other.newSession(exact(40))) {
      assertEquals(expected, generate(s, s.openSequence(), prompt(13), 12));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = WeightFormat.class,
      names = {"FP8", "INT8", "INT4"})
  void quantisedKernelsMatchTheirDecomposition(WeightFormat format) {
    float[] fast = lastLogits(LoadOptions.DEFAULT.withFormat(format));
    LoadOptions plain = LoadOptions.DEFAULT.withPolicy(PlacementPolicy.DECOMPOSED);
    float[] reference = lastLogits(plain.withFormat(format));
    assertArrayEquals(reference, fast, 5e-4f);
    float[] unquantised = lastLogits(LoadOptions.DEFAULT);
    double largest = 0;
    for (int i = 0; i < fast.length; i++) {
      largest = Math.max(largest, Math.abs(fast[i] - unquantised[i]));
    }
    assertTrue(largest > 1e-3, "the weights were not quantised: largest difference " + largest);
  }

  private float[] lastLogits(LoadOptions options) {
    try (DeepSeekModel loaded = load(options);
        Session s = loaded.newSession(exact(16))) {
      int sequence = s.openSequence();
      s.prefill(sequence, prompt(9));
      s.decode(new int[] {sequence}, new int[] {17});
      return s.logits(0).toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  @Test
  void quantisedWeightsAreSmaller() {
    try (DeepSeekModel int8 = load(LoadOptions.DEFAULT.withFormat(WeightFormat.INT8));
        DeepSeekModel int4 = load(LoadOptions.DEFAULT.withFormat(WeightFormat.INT4))) {
      assertTrue(int8.activeBytesPerToken() < 0.75 * model.activeBytesPerToken());
      assertTrue(int4.activeBytesPerToken() < 0.75 * int8.activeBytesPerToken());
    }
  }

  /** An FP8 checkpoint asked for as FP8 is used as it is: 128x128 blocks of its own scales. */
  @Test
  void storedFp8IsNotConverted() {
    Path fp8 = GoldenResources.directory("dsv3-fp8-tiny/fp8");
    DeepSeekConfig stored = ConfigReader.read(fp8);
    try (DeepSeekModel asStored =
            DeepSeekModel.load(device, stored, Checkpoint.open(fp8), LoadOptions.DEFAULT);
        DeepSeekModel asked =
            DeepSeekModel.load(
                device,
                stored,
                Checkpoint.open(fp8),
                LoadOptions.DEFAULT.withFormat(WeightFormat.FP8))) {
      assertEquals(asStored.importedBytes(), asked.importedBytes());
      assertEquals(asStored.weightBytes(), asked.weightBytes());
      try (Session a = asStored.newSession(exact(40));
          Session b = asked.newSession(exact(40))) {
        assertEquals(
            generate(a, a.openSequence(), prompt(13), 12),
            generate(b, b.openSequence(), prompt(13), 12));
      }
    }
  }

  /** As in DeepSeek's own files, the head stays as it is. */
  @Test
  void fp8HalvesTheWeightsButNotTheHead() {
    try (DeepSeekModel half = load(LoadOptions.DEFAULT.withFormat(WeightFormat.FP8))) {
      assertTrue(half.activeBytesPerToken() < 0.75 * model.activeBytesPerToken());
      assertEquals(DType.F8_E4M3FN, half.weights().layers().getFirst().attention().kvA().dtype());
      assertEquals(model.weights().head().type(), half.weights().head().type());
    }
  }
}
