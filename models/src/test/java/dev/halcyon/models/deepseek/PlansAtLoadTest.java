package dev.halcyon.models.deepseek;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import dev.halcyon.hal.testing.Requirements;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.testing.GoldenResources;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Everything is planned before the first token, and what is missing is all named before that. */
final class PlansAtLoadTest {
  private static final int CHUNK = 8;
  private static final SessionOptions SESSION =
      SessionOptions.of(40).withPrefillChunk(CHUNK).withBlockSize(4);

  private static DeepSeekModel load(Device device, String variant, LoadOptions options) {
    Path dir = GoldenResources.directory(variant);
    return DeepSeekModel.load(device, ConfigReader.read(dir), Checkpoint.open(dir), options);
  }

  static Stream<Arguments> everyArchitecture() {
    List<String> models =
        List.of(
            "dsv2-tiny/bf16",
            "dsv2lite-tiny/bf16",
            "dsv3-tiny/bf16",
            "dsv3-tiny-long/bf16",
            "dsv3-negbias-tiny/bf16",
            "moonlight-tiny/bf16",
            "dsv3-fp8-tiny/fp8",
            "odd-v3-tiny/bf16",
            "odd-v2lite-tiny/bf16",
            "odd-v2-tiny/bf16");
    return Stream.of("cpu://", "opencl://0")
        .flatMap(d -> models.stream().map(m -> Arguments.of(d, m)));
  }

  /** Whole chunks and decode steps up to the last position of the context. */
  private static void useFullContext(Session s, int sequences) {
    int[] all = new int[sequences];
    for (int i = 0; i < sequences; i++) {
      all[i] = s.openSequence();
      s.prefill(all[i], new int[3 * CHUNK]);
      s.argmax(0);
    }
    while (s.length(all[0]) < s.options().contextLength()) {
      s.decode(all, new int[sequences]);
      s.argmax(sequences - 1);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("everyArchitecture")
  void stepsMakeNoPlan(String uri, String variant) {
    Requirements.requireDevice(uri);
    // the steps do not depend on the device: one that compiles slowly need not run them twice
    List<PlacementPolicy> policies =
        uri.equals("cpu://")
            ? List.of(PlacementPolicy.DEFAULT, PlacementPolicy.DECOMPOSED)
            : List.of(PlacementPolicy.DEFAULT);
    for (PlacementPolicy policy : policies) {
      LoadOptions options = LoadOptions.DEFAULT.withPolicy(policy).withSession(SESSION);
      try (Device device = HalRegistry.discover().open(uri);
          DeepSeekModel model = load(device, variant, options)) {
        int planned = model.planCount();
        assertTrue(planned > 10, "planned " + planned);
        PlacementReport report = model.placement();
        try (Session s = model.newSession(SESSION)) {
          useFullContext(s, 1);
        }
        assertEquals(planned, model.planCount());
        assertEquals(report, model.placement());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(SessionOptions.Form.class)
  void otherSessionsArePlannedWhenTheyBegin(SessionOptions.Form form) {
    try (Device device = HalRegistry.discover().open("cpu://");
        DeepSeekModel model = load(device, "dsv3-tiny/bf16", LoadOptions.DEFAULT)) {
      for (SessionOptions.Decode decode : SessionOptions.Decode.values()) {
        SessionOptions other =
            SESSION
                .withForm(form)
                .withDecode(decode)
                .withMaxSequences(3)
                .withCacheDtype(DType.BF16);
        int before = model.planCount();
        try (Session s = model.newSession(other)) {
          int planned = model.planCount();
          assertTrue(decode == SessionOptions.Decode.EAGER || planned > before);
          useFullContext(s, 3);
          assertEquals(planned, model.planCount());
          s.truncate(0, 0);
          s.prefill(0, new int[CHUNK - 1 - decode.ordinal()]);
          assertTrue(model.planCount() > planned, "an odd length is planned when it comes");
        }
      }
    }
  }

  @Test
  void theSmallestSessionCanBePlanned() {
    try (Device device = HalRegistry.discover().open("cpu://");
        DeepSeekModel model = load(device, "dsv3-tiny/bf16", LoadOptions.DEFAULT);
        Session s = model.newSession(SessionOptions.of(1))) {
      int planned = model.planCount();
      s.prefill(s.openSequence(), new int[1]);
      assertEquals(planned, model.planCount());
    }
  }

  @ParameterizedTest
  @EnumSource(WeightFormat.class)
  void conversionsOfWeightsArePlannedToo(WeightFormat format) {
    AtomicLong first = new AtomicLong(-1);
    try (Device device = HalRegistry.discover().open("cpu://")) {
      DeepSeekModel[] model = new DeepSeekModel[1];
      LoadOptions options =
          LoadOptions.DEFAULT
              .withFormat(format)
              .withSession(SESSION)
              .withProgress(bytes -> first.compareAndSet(-1, bytes));
      model[0] = load(device, "dsv3-fp8-tiny/fp8", options);
      try (DeepSeekModel m = model[0]) {
        assertTrue(first.get() > 0);
        List<String> operators =
            m.placement().decisions().stream().map(PlacementReport.Decision::operator).toList();
        boolean asStored = format == WeightFormat.NATIVE || format == WeightFormat.FP8;
        assertEquals(!asStored, operators.contains("Dequantize"));
        assertEquals(
            format == WeightFormat.INT8 || format == WeightFormat.INT4,
            operators.contains("Quantize"));
      }
    }
  }

  @Test
  void deviceThatLacksOperatorsIsRefusedBeforeWeightsAreRead() {
    Device device =
        ReferenceBackend.open(ReferenceOptions.DEFAULT.without("TopK", "Reduce", "Quantize"));
    AtomicLong read = new AtomicLong();
    LoadOptions options =
        LoadOptions.DEFAULT
            .withFormat(WeightFormat.INT8)
            .withSession(SESSION)
            .withProgress(read::addAndGet);
    HalException e =
        assertThrows(HalException.class, () -> load(device, "dsv3-tiny/bf16", options).close());
    assertEquals(HalErrorCode.UNSUPPORTED_OPERATOR, e.code());
    for (String part :
        List.of(
            "TopK is turned off",
            "Reduce is turned off",
            "needed by KvCacheAppend",
            "MoeGating (operator: no composites here)",
            "RmsNorm",
            "Quantize is turned off",
            "reference://0")) {
      assertTrue(e.getMessage().contains(part), part + " not in " + e.getMessage());
    }
    assertEquals(0, read.get());
    assertEquals(0, ((ReferenceDevice) device.backend()).allocatedBytes());
    assertTrue(device.liveChildren().isEmpty());
    device.close();
  }

  @Test
  void sessionThatCannotBePlannedIsRefusedEachTime() {
    Device device = ReferenceBackend.open(ReferenceOptions.DEFAULT);
    try (DeepSeekModel model =
        load(device, "dsv3-tiny/bf16", LoadOptions.DEFAULT.withSession(SESSION))) {
      SessionOptions longer = SESSION.withPrefillChunk(CHUNK + 1);
      System.setProperty("halcyon.plan.disable", "reference:TopK");
      try {
        for (int i = 0; i < 2; i++) {
          HalException e = assertThrows(HalException.class, () -> model.newSession(longer).close());
          assertEquals(HalErrorCode.UNSUPPORTED_OPERATOR, e.code());
          assertTrue(e.getMessage().contains("TopK"), e.getMessage());
        }
        model.newSession(SESSION).close();
      } finally {
        System.clearProperty("halcyon.plan.disable");
      }
      model.newSession(longer).close();
    }
    device.close();
  }

  @Test
  void planTellsWhatLoadingTellsWithoutTheWeights() {
    for (String variant : List.of("dsv3-tiny/bf16", "dsv3-fp8-tiny/fp8", "dsv2lite-tiny/bf16")) {
      Path dir = GoldenResources.directory(variant);
      DeepSeekConfig config = ConfigReader.read(dir);
      for (WeightFormat format : WeightFormat.values()) {
        LoadOptions options = LoadOptions.DEFAULT.withFormat(format).withSession(SESSION);
        try (Device device = HalRegistry.discover().open("cpu://")) {
          ModelPlan plan;
          try (Checkpoint checkpoint = Checkpoint.open(dir)) {
            plan = ModelPlan.of(device, config, checkpoint, options);
          }
          assertTrue(device.liveChildren().isEmpty());
          try (DeepSeekModel model = load(device, variant, options)) {
            assertEquals(model.placement(), plan.placement());
            assertEquals(model.weightBytes() + model.importedBytes(), plan.weightBytes());
            assertEquals(model.activeBytesPerToken(), plan.activeWeightBytesPerToken());
          }
          assertEquals(
              2L * config.layers() * (config.kvLoraRank() + config.qkRope()),
              plan.cacheBytesPerToken());
          assertEquals(40 * plan.cacheBytesPerToken(), plan.cacheBytes());
          ModelPlan declared = ModelPlan.of(device, config, options);
          assertEquals(
              plan.activeWeightBytesPerToken(), declared.activeWeightBytesPerToken(), variant);
          assertEquals(
              operators(plan.placement()), operators(declared.placement()), variant + format);
        }
      }
    }
  }

  private static List<String> operators(PlacementReport report) {
    return report.decisions().stream().map(PlacementReport.Decision::operator).distinct().toList();
  }

  @Test
  void planOfALackingDeviceNamesWhatIsMissing() {
    Path dir = GoldenResources.directory("dsv3-tiny/bf16");
    DeepSeekConfig config = ConfigReader.read(dir);
    try (Device device = ReferenceBackend.open(ReferenceOptions.DEFAULT.without("TopK"))) {
      ModelPlan plan = ModelPlan.of(device, config, LoadOptions.DEFAULT.withSession(SESSION));
      List<PlacementReport.Missing> missing = plan.placement().missing();
      assertFalse(missing.isEmpty());
      assertTrue(missing.stream().allMatch(m -> m.operator().equals("TopK")), missing::toString);
      assertTrue(missing.toString().contains("MoeGating"), missing::toString);
      assertFalse(plan.placement().decisions().isEmpty());
      int[] counts =
          plan.placement().decisions().stream().mapToInt(PlacementReport.Decision::plans).toArray();
      assertTrue(Arrays.stream(counts).allMatch(c -> c > 0));
    }
  }
}
