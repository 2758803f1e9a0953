package dev.halcyon.backend.emulated;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.DeviceBench;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Asynchrony, memory, faults and options of the emulated device. */
class EmulatedDeviceTest {
  private static final Duration SOON = Duration.ofMillis(50);
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final DeviceOptions NONE = DeviceOptions.DEFAULT;

  private static Device open(DeviceOptions options) {
    return HalRegistry.of(new EmulatedBackendProvider())
        .open(DeviceUri.parse("emulated://0"), options);
  }

  private static DeviceBench bench(DeviceOptions options) {
    return new DeviceBench(open(options), PlacementPolicy.DEFAULT);
  }

  private static BackendDevice raw(DeviceOptions options) {
    return new EmulatedBackendProvider().open(DeviceUri.parse("emulated://0"), options);
  }

  private static HalException fails(HalErrorCode code, Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    return e;
  }

  @Test
  void twoSimulatedDevicesAreListed() {
    List<HalRegistry.Probed> probed = HalRegistry.of(new EmulatedBackendProvider()).probeAll();
    assertEquals(
        List.of("emulated://0", "emulated://1"),
        probed.getFirst().devices().stream().map(d -> d.uri().toString()).toList());
    assertTrue(
        probed.getFirst().devices().stream().allMatch(d -> d.kind() == DeviceInfo.Kind.SIMULATED));
    fails(
        HalErrorCode.DEVICE_UNAVAILABLE,
        () -> HalRegistry.of(new EmulatedBackendProvider()).open("emulated://2"));
  }

  @ParameterizedTest
  @CsvSource({
    "memory, 5",
    "memory-mib, 0",
    "features, warp_drive",
    "dtypes, f32",
    "dtypes, f32+i32+f99",
    "seed, x"
  })
  void unknownOptionsAreRefused(String name, String value) {
    fails(HalErrorCode.INVALID_OPTION, () -> open(NONE.with(name, value)));
  }

  @Test
  void featuresAndDtypesFollowTheOptions() {
    try (Device d =
        open(NONE.with("features", "unified_memory+subnormals").with("dtypes", "F32+i32+bf16"))) {
      assertEquals(Set.of(Feature.UNIFIED_MEMORY, Feature.SUBNORMALS), d.capabilities().features());
      assertEquals(Set.of(DType.F32, DType.I32, DType.BF16), d.capabilities().usages().keySet());
    }
    try (Device d = open(NONE.with("features", "none"))) {
      assertEquals(Set.of(), d.capabilities().features());
    }
  }

  @Test
  void dtypesAndOperatorsAreRefusedWithAReason() {
    try (DeviceBench b = bench(NONE.with("dtypes", "f32+i32").with("refuse", "RmsNorm"))) {
      HalException e =
          fails(
              HalErrorCode.UNSUPPORTED_OPERATOR, () -> b.run(new Fill(1), b.zeros(DType.BF16, 4)));
      assertTrue(e.getMessage().contains("BF16 is not in option 'dtypes'"), e.getMessage());
      b.run(
          new RmsNorm(1e-6),
          b.zeros(DType.F32, 2, 4),
          b.zeros(DType.F32, 4),
          b.zeros(DType.F32, 2, 4));
      assertEquals(1, b.planner().report().count(Placement.DECOMPOSED));
    }
    try (DeviceBench b = bench(NONE.with("fail-build", "RmsNorm"))) {
      fails(
          HalErrorCode.KERNEL_BUILD_FAILED,
          () ->
              b.run(
                  new RmsNorm(1e-6),
                  b.zeros(DType.F32, 2, 4),
                  b.zeros(DType.F32, 4),
                  b.zeros(DType.F32, 2, 4)));
    }
  }

  @Test
  void enqueueingReturnsWhileTheDeviceWorks() {
    try (DeviceBench b = bench(NONE.with("hang-launch", 1).with("hang-millis", 600))) {
      Tensor t = b.zeros(DType.F32, 4);
      long begin = System.nanoTime();
      b.stream().fill(t, 3);
      Fence fence = b.stream().record();
      assertTrue(System.nanoTime() - begin < 400_000_000L);
      assertFalse(fence.isSignalled());
      fails(HalErrorCode.DEADLINE_EXCEEDED, () -> fence.await(SOON));
      fails(HalErrorCode.DEADLINE_EXCEEDED, () -> b.stream().synchronize(SOON));
      fails(HalErrorCode.DEADLINE_EXCEEDED, () -> b.device().backend().awaitIdle(SOON));
      fence.await(LONG);
      assertTrue(fence.isSignalled());
      assertArrayEquals(new double[] {3, 3, 3, 3}, b.read(t));
    }
  }

  @Test
  void faultsSurfaceLaterAndPoisonOneStream() {
    try (DeviceBench b = bench(NONE);
        CommandStream other = b.device().newStream("other")) {
      Tensor out = b.zeros(DType.F32, 1, 4);
      Tensor table = b.zeros(DType.F32, 3, 4);
      Tensor indices = b.i32(new int[] {3}, 1);
      b.stream().synchronize(LONG);
      other.enqueue(
          b.planner().plan(new Gather(), table.type(), indices.type(), out.type()),
          table,
          indices,
          out);
      HalException e = fails(HalErrorCode.KERNEL_FAILED, () -> other.synchronize(LONG));
      assertTrue(e.getMessage().contains("row 3 of 3"), e.getMessage());
      assertEquals("emulated", e.nativeStatus().orElseThrow().vendor());
      fails(HalErrorCode.STREAM_POISONED, () -> other.fill(out, 1));
      b.stream().fill(out, 1);
      assertArrayEquals(new double[] {1, 1, 1, 1}, b.read(out));
    }
  }

  @Test
  void aFenceCarriesTheFailureBeforeItToWhoeverWaits() {
    try (DeviceBench b =
            bench(NONE.with("hang-launch", 1).with("hang-millis", 200).with("fail-launch", 1));
        CommandStream second = b.device().newStream("second")) {
      Tensor t = b.zeros(DType.F32, 4);
      b.stream().fill(t, 1);
      Fence fence = b.stream().record();
      fails(HalErrorCode.KERNEL_FAILED, () -> fence.await(LONG));
      fails(
          HalErrorCode.KERNEL_FAILED,
          () -> {
            second.waitFor(fence);
            second.synchronize(LONG);
          });
    }
  }

  @Test
  void addressesAreNoHostPointersAndFreedOnesFault() {
    BackendDevice device = raw(NONE);
    BackendStream stream = device.newStream("test");
    EmulatedMemory live = (EmulatedMemory) device.allocate(256);
    BackendBuffer freed = device.allocate(256);
    assertEquals(0, live.address() % 256);
    assertTrue(live.address() >>> 56 == 0x0E, Long.toHexString(live.address()));
    freed.free();
    stream.copy(freed, 0, live, 0, 256);
    HalException e = fails(HalErrorCode.KERNEL_FAILED, () -> stream.synchronize(LONG));
    assertEquals("ILLEGAL_ADDRESS", e.nativeStatus().orElseThrow().text());
    stream.close();
    BackendStream next = device.newStream("next");
    next.copy(live, 128, live, 0, 129);
    fails(HalErrorCode.KERNEL_FAILED, () -> next.synchronize(LONG));
    next.close();
    live.free();
  }

  @Test
  void memoryOfAnotherDeviceFaults() {
    BackendDevice zero = raw(NONE);
    BackendDevice one = new EmulatedBackendProvider().open(DeviceUri.parse("emulated://1"), NONE);
    BackendBuffer a = zero.allocate(256);
    BackendBuffer b = one.allocate(256);
    BackendStream stream = one.newStream("one");
    stream.copy(a, 0, b, 0, 16);
    fails(HalErrorCode.KERNEL_FAILED, () -> stream.synchronize(LONG));
    stream.close();
    a.free();
    b.free();
  }

  @Test
  void memoryIsZeroLimitedAndComesBack() {
    try (Device d = open(NONE.with("memory-mib", 4).with("max-allocation-mib", 2));
        CommandStream s = d.newStream("s")) {
      assertEquals(2 << 20, d.capabilities().maxAllocationBytes());
      try (MemoryArena a = d.newArena(MemoryArena.Kind.PERSISTENT, "a")) {
        fails(
            HalErrorCode.ALLOCATION_TOO_LARGE,
            () -> a.allocate(TensorType.of(DType.U8, (2 << 20) + 1)));
        a.allocate(TensorType.of(DType.U8, 2 << 20));
        Tensor t = a.allocate(TensorType.of(DType.U8, 2 << 20));
        fails(HalErrorCode.OUT_OF_MEMORY, () -> a.allocate(TensorType.of(DType.U8, 1)));
        MemorySegment host = MemorySegment.ofArray(new byte[2 << 20]).fill((byte) 1);
        s.download(t, host);
        assertEquals(-1, host.mismatch(MemorySegment.ofArray(new byte[2 << 20])));
      }
      try (MemoryArena a = d.newArena(MemoryArena.Kind.PERSISTENT, "again")) {
        a.allocate(TensorType.of(DType.U8, 2 << 20));
      }
    }
  }

  @Test
  void hostMemoryIsMappedOddAlignedAndReadOnly() {
    try (Arena host = Arena.ofShared();
        DeviceBench b = bench(NONE)) {
      MemorySegment segment = host.allocate(17).asSlice(1, 16);
      segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 0, 5);
      Tensor t =
          b.arena().importHost(segment.asReadOnly(), TensorType.of(DType.F32, 4)).orElseThrow();
      assertArrayEquals(new double[] {5, 0, 0, 0}, b.read(t));
      segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4, 6);
      assertArrayEquals(new double[] {5, 6, 0, 0}, b.read(t));
      assertEquals(16, b.arena().importedBytes());
      CommandStream writer = b.device().newStream("writer");
      writer.fill(t, 1);
      HalException e = fails(HalErrorCode.KERNEL_FAILED, () -> writer.synchronize(LONG));
      assertEquals("WRITE_TO_READ_ONLY", e.nativeStatus().orElseThrow().text());
      writer.close();
    }
    try (Arena confined = Arena.ofConfined();
        DeviceBench b = bench(NONE)) {
      assertTrue(
          b.arena().importHost(confined.allocate(16), TensorType.of(DType.F32, 4)).isEmpty());
    }
  }

  @Test
  void waitForOrdersStreams() {
    DeviceOptions slowFirst = NONE.with("hang-launch", 1).with("hang-millis", 300);
    try (DeviceBench b = bench(slowFirst);
        CommandStream second = b.device().newStream("second")) {
      Tensor t = b.zeros(DType.F32, 1);
      b.stream().fill(t, 1);
      Fence filled = b.stream().record();
      second.waitFor(filled);
      second.enqueue(
          b.planner().plan(new Binary(Binary.Op.ADD), t.type(), t.type(), t.type()), t, t, t);
      second.synchronize(LONG);
      assertArrayEquals(new double[] {2}, b.read(t));
    }
  }

  @Test
  void graphsAreNativeUnlessTheFeatureIsOff() {
    for (String features : List.of("native_graphs", "none")) {
      try (DeviceBench b = bench(NONE.with("features", features))) {
        Tensor t = b.f32(new double[] {1, 2}, 2);
        b.stream().beginCapture();
        b.run(new Binary(Binary.Op.ADD), t, t, t);
        b.run(new Binary(Binary.Op.ADD), t, t, t);
        try (CommandGraph g = b.stream().endCapture()) {
          assertEquals(
              features.equals("none") ? CommandGraph.Kind.REPLAYED : CommandGraph.Kind.NATIVE,
              g.kind());
          long before = b.stream().launches();
          b.stream().replay(g);
          b.stream().replay(g);
          assertEquals(4, b.stream().launches() - before);
          assertArrayEquals(new double[] {16, 32}, b.read(t));
        }
      }
    }
  }

  @Test
  void aLostDeviceSaysSoAndCanBeClosed() {
    try (DeviceBench b = bench(NONE.with("lose-launch", 1))) {
      Tensor t = b.zeros(DType.F32, 4);
      b.stream().fill(t, 1);
      fails(HalErrorCode.DEVICE_LOST, () -> b.stream().synchronize(LONG));
      fails(HalErrorCode.DEVICE_LOST, () -> b.device().newStream("another"));
      fails(HalErrorCode.DEVICE_LOST, () -> b.arena().allocate(TensorType.of(DType.U8, 100 << 20)));
      fails(HalErrorCode.DEVICE_LOST, () -> b.device().backend().awaitIdle(LONG));
    }
  }

  @Test
  void uploadsLargeAndSmallMayReuseTheirSource() {
    try (DeviceBench b = bench(NONE.with("seed", 3))) {
      for (int size : new int[] {64, 20 << 20}) {
        Tensor t = b.zeros(DType.U8, size);
        byte[] source = new byte[size];
        source[size - 1] = 7;
        b.stream().upload(MemorySegment.ofArray(source), t);
        Arrays.fill(source, (byte) 9);
        byte[] back = new byte[size];
        b.stream().download(t, MemorySegment.ofArray(back));
        assertEquals(7, back[size - 1]);
        assertEquals(0, back[0]);
      }
      Tensor t = b.zeros(DType.U8, 8 << 20);
      byte[] source = new byte[8 << 20];
      for (int i = 0; i < 20; i++) {
        source[5] = (byte) i;
        b.stream().upload(MemorySegment.ofArray(source), t);
      }
      b.stream().download(t, MemorySegment.ofArray(source));
      assertEquals(19, source[5]);
    }
  }
}
