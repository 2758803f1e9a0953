package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.MemoryArena.Kind;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class MemoryArenaTest {
  private static HalException assertCode(HalErrorCode code, Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    return e;
  }

  private static Device open() {
    return ReferenceBackend.open(ReferenceOptions.DEFAULT);
  }

  private static TensorType bytes(long n) {
    return TensorType.of(DType.U8, n);
  }

  @Test
  void newMemoryIsZeroAlignedAndDisjoint() {
    try (Device d = open();
        MemoryArena a = d.newArena(Kind.PERSISTENT, "a");
        CommandStream s = d.newStream("s")) {
      List<Tensor> all =
          Stream.of(1L, 3L, 0L, 255L, 257L, 70_000L, 300_000L, 1L, 9_000_000L, 5L)
              .map(n -> a.allocate(bytes(n)))
              .toList();
      for (Tensor t : all) {
        assertEquals(0, t.byteOffset() % MemoryArena.ALIGNMENT);
        MemorySegment host = MemorySegment.ofArray(new byte[(int) t.type().byteSize()]);
        host.fill((byte) 1);
        s.download(t, host);
        assertEquals(
            -1,
            host.mismatch(MemorySegment.ofArray(new byte[(int) host.byteSize()])),
            t.toString());
        for (Tensor o : all) {
          assertFalse(t != o && t.overlaps(o));
        }
      }
      assertTrue(a.byteSize() >= 9_370_000);
      assertEquals(a.byteSize(), ((ReferenceDevice) d.backend()).allocatedBytes());
    }
  }

  @Test
  void smallTensorsBetweenLargeOnesShareASlab() {
    try (Device d = open();
        MemoryArena a = d.newArena(Kind.WEIGHTS, "weights")) {
      for (int layer = 0; layer < 10; layer++) {
        a.allocate(bytes(4096));
        a.allocate(bytes(9 << 20));
      }
      assertTrue(a.byteSize() < 91L << 20, "holds " + a.byteSize());
    }
  }

  @Test
  void manyLargeTensorsAreAllocatedQuickly() {
    try (Device d = ReferenceBackend.open(ReferenceOptions.DEFAULT.maxAllocation(1024));
        MemoryArena a = d.newArena(Kind.WEIGHTS, "experts")) {
      long begin = System.nanoTime();
      for (int i = 0; i < 20_000; i++) {
        a.allocate(bytes(1024));
      }
      assertEquals(20_000 * 1024, a.byteSize());
      assertTrue(System.nanoTime() - begin < 20_000_000_000L, "quadratic in the number of slabs");
    }
  }

  @Test
  void quantisedTensorsComeWithScales() {
    try (Device d = open();
        MemoryArena a = d.newArena(Kind.WEIGHTS, "w")) {
      Tensor q =
          a.allocate(TensorType.of(DType.F8_E4M3FN, 200, 130).withQuant(QuantScheme.FP8_128X128));
      assertEquals(TensorType.of(DType.F32, 2, 2), q.scales().orElseThrow().type());
      assertCode(
          HalErrorCode.INVALID_ARGUMENT,
          () -> a.allocate(TensorType.of(DType.F32, 4, 4).transpose(0, 1)));
    }
  }

  @Test
  void resetTakesBackEverythingAndReusesTheSameMemory() {
    try (Device d = open();
        MemoryArena a = d.newArena(Kind.SCRATCH, "s");
        MemoryArena w = d.newArena(Kind.WEIGHTS, "w");
        CommandStream s = d.newStream("q")) {
      Set<Long> sizes = new HashSet<>();
      Tensor old = null;
      for (int step = 0; step < 5; step++) {
        Tensor x = a.allocate(bytes(200_000));
        a.allocate(bytes(9 << 20));
        a.allocate(bytes(200_000));
        a.allocate(bytes(10 << 20));
        sizes.add(a.byteSize());
        if (old != null) {
          assertEquals(old.byteOffset(), x.byteOffset());
          assertEquals(old.buffer(), x.buffer());
          Tensor stale = old;
          HalException e = assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> s.fill(stale, 0));
          assertTrue(e.what().contains("reset"), e.what());
          assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> s.fill(stale.slice(0, 0, 3), 0));
          s.fill(x, 1);
        }
        old = x;
        a.reset();
      }
      assertEquals(1, sizes.size(), "a steady step does not grow: " + sizes);
      assertCode(HalErrorCode.INVALID_ARGUMENT, w::reset);
    }
  }

  @Test
  void stepsThatGrowDoNotKeepTheMemoryOfAllSteps() {
    try (Device d = open();
        MemoryArena a = d.newArena(Kind.SCRATCH, "s")) {
      for (int step = 0; step < 40; step++) {
        a.reset();
        a.allocate(bytes((9L << 20) + step * (1 << 18)));
      }
      assertTrue(a.byteSize() < 60 << 20, "holds " + a.byteSize());
      assertEquals(a.byteSize(), ((ReferenceDevice) d.backend()).allocatedBytes());
    }
  }

  @Test
  void outgrownMemoryIsFreedOnlyAfterTheWorkThatUsesIt() {
    try (Device d = ReferenceBackend.open(ReferenceOptions.DEFAULT.deferred());
        MemoryArena a = d.newArena(Kind.SCRATCH, "s");
        CommandStream s = d.newStream("q")) {
      for (int step = 0; step < 6; step++) {
        a.reset();
        Tensor t = a.allocate(bytes((9L << 20) + step * (1 << 18)));
        s.fill(t.slice(0, 0, 16), step);
      }
      s.synchronize(CommandStream.CLOSE_DEADLINE);
      assertTrue(
          a.byteSize() < 30 << 20, "some were freed while work was enqueued: " + a.byteSize());
    }
  }

  @Test
  void tensorsDieWithTheirArena() {
    try (Device d = open();
        CommandStream s = d.newStream("q")) {
      MemoryArena a = d.newArena(Kind.PERSISTENT, "kv");
      MemoryArena b = d.newArena(Kind.PERSISTENT, "scales");
      Tensor t = a.allocate(bytes(8));
      Tensor q =
          a.allocate(TensorType.of(DType.I8, 2, 2))
              .withScales(
                  b.allocate(TensorType.of(DType.F32, 2, 1)),
                  (QuantScheme.Blocked) QuantScheme.perChannel());
      b.close();
      assertCode(HalErrorCode.USE_AFTER_CLOSE, q::requireLive);
      a.close();
      a.close();
      HalException e = assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> s.fill(t, 1));
      assertTrue(
          e.getMessage().contains("arena 'kv' (PERSISTENT) on reference://0"), e.getMessage());
      assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> a.allocate(bytes(1)));
      assertEquals(0, ((ReferenceDevice) d.backend()).openBuffers());
      s.synchronize(CommandStream.CLOSE_DEADLINE);
    }
  }

  @Test
  void tooLargeAndOutOfMemoryLeaveTheArenaUsable() {
    ReferenceOptions o = ReferenceOptions.DEFAULT.maxAllocation(1 << 20).memory(3 << 20);
    try (Device d = ReferenceBackend.open(o);
        MemoryArena a = d.newArena(Kind.WEIGHTS, "w")) {
      HalException large =
          assertCode(HalErrorCode.ALLOCATION_TOO_LARGE, () -> a.allocate(bytes((1 << 20) + 1)));
      assertTrue(large.what().contains("1048576"));
      Tensor first = a.allocate(bytes(1 << 20));
      a.allocate(bytes(1 << 20));
      assertCode(
          HalErrorCode.OUT_OF_MEMORY,
          () -> {
            a.allocate(bytes(1 << 20));
            a.allocate(bytes(1 << 20));
          });
      long held = a.byteSize();
      assertCode(HalErrorCode.OUT_OF_MEMORY, () -> a.allocate(bytes(1 << 20)));
      assertEquals(held, a.byteSize());
      first.requireLive();
      MemoryArena small = d.newArena(Kind.WEIGHTS, "small");
      assertCode(HalErrorCode.OUT_OF_MEMORY, () -> small.allocate(bytes(1)));
      a.close();
      small.allocate(bytes(1));
      small.close();
    }
  }

  @Test
  void importsUseHostMemoryInPlace() {
    try (Arena host = Arena.ofShared();
        Device d = open();
        MemoryArena a = d.newArena(Kind.WEIGHTS, "w");
        CommandStream s = d.newStream("q")) {
      MemorySegment m = host.allocate(24);
      m.set(ValueLayout.JAVA_INT, 20, 42);
      Tensor t = a.importHost(m, TensorType.of(DType.I32, 2, 3)).orElseThrow();
      int[] got = new int[6];
      s.download(t, MemorySegment.ofArray(got));
      assertArrayEquals(new int[] {0, 0, 0, 0, 0, 42}, got);
      s.fill(t.slice(1, 0, 1), 7);
      assertEquals(7, m.get(ValueLayout.JAVA_INT, 12));
      assertEquals(24, a.importedBytes());
      assertEquals(0, a.byteSize());
      assertTrue(a.importHost(host.allocate(3), bytes(3)).isEmpty(), "refused by the backend");
      assertTrue(a.importHost(m, bytes(0)).isEmpty());
      assertCode(HalErrorCode.INVALID_ARGUMENT, () -> a.importHost(m, bytes(25)));
      assertCode(
          HalErrorCode.INVALID_ARGUMENT,
          () -> a.importHost(MemorySegment.ofArray(new byte[4]), bytes(4)));
      TensorType strided = TensorType.of(DType.U8, 2, 24).slice(1, 0, 12);
      assertCode(HalErrorCode.INVALID_ARGUMENT, () -> a.importHost(m, strided));
      assertCode(
          HalErrorCode.INVALID_ARGUMENT,
          () ->
              a.importHost(m, TensorType.of(DType.I8, 2, 12).withQuant(QuantScheme.perChannel())));
    }
    try (Arena host = Arena.ofShared();
        Device d = ReferenceBackend.open(ReferenceOptions.DEFAULT.onlyFeatures());
        MemoryArena a = d.newArena(Kind.WEIGHTS, "w")) {
      assertTrue(a.importHost(host.allocate(8), bytes(8)).isEmpty(), "no such feature");
    }
  }

  @Test
  void anArenaInUseStaysOpenAndClosesLater() {
    Device d = ReferenceBackend.open(ReferenceOptions.DEFAULT.deferred());
    ReferenceDevice r = (ReferenceDevice) d.backend();
    MemoryArena a = d.newArena(Kind.PERSISTENT, "busy");
    CommandStream s = d.newStream("q");
    s.enqueue(
        new Planner(d, PlacementPolicy.DEFAULT).plan(new Fill(1), bytes(8)), a.allocate(bytes(8)));
    r.stall();
    assertCode(HalErrorCode.DEADLINE_EXCEEDED, a::close);
    assertEquals(1, r.openBuffers(), "memory in use is not freed");
    assertTrue(d.liveChildren().toString().contains("busy"));
    r.resume();
    a.close();
    assertEquals(0, r.openBuffers());
    s.close();
    d.close();
  }

  @Test
  void memoryOfALostDeviceIsFreed() {
    Device d = open();
    ReferenceDevice r = (ReferenceDevice) d.backend();
    MemoryArena a = d.newArena(Kind.PERSISTENT, "a");
    CommandStream s = d.newStream("s");
    Tensor t = a.allocate(bytes(8));
    r.lose();
    assertCode(HalErrorCode.DEVICE_LOST, () -> s.fill(t, 0));
    s.close();
    a.close();
    d.close();
    assertEquals(0, r.openBuffers());
    assertTrue(r.isClosed());
  }

  @Test
  void closingADeviceNamesItsLiveChildren() {
    Device d = open();
    MemoryArena a = d.newArena(Kind.WEIGHTS, "weights");
    CommandStream s = d.newStream("main");
    HalException e = assertCode(HalErrorCode.CLOSE_ORDER, d::close);
    assertTrue(
        e.what().contains("arena 'weights' (WEIGHTS)") && e.what().contains("stream 'main'"),
        e.what());
    s.beginCapture();
    CommandGraph g = s.endCapture();
    a.close();
    s.close();
    assertTrue(
        assertCode(HalErrorCode.CLOSE_ORDER, d::close).what().contains("graph 'main graph'"));
    g.close();
    d.close();
    d.close();
    assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> d.newStream("late"));
    assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> d.newArena(Kind.WEIGHTS, "late"));
  }
}
