package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.DeviceBench;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CommandGraphTest {
  private static final Duration SOON = Duration.ofSeconds(1);

  private static HalException assertCode(HalErrorCode code, Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    return e;
  }

  private static DeviceBench bench(ReferenceOptions o) {
    return new DeviceBench(ReferenceBackend.open(o), PlacementPolicy.DEFAULT);
  }

  private static ReferenceDevice backend(DeviceBench b) {
    return (ReferenceDevice) b.device().backend();
  }

  /** A little network with two kinds of workspace. */
  private record Net(Tensor x, Tensor weight, Tensor norm, Tensor hidden, Tensor out) {
    static Net of(DeviceBench b) {
      return new Net(
          b.random(1, 1, DType.F32, 3, 7),
          b.random(2, 1, DType.BF16, 7, 7),
          b.random(3, 1, DType.F32, 7),
          b.zeros(DType.F32, 3, 7),
          b.zeros(DType.F32, 3, 7));
    }

    void enqueue(DeviceBench b) {
      b.run(new RmsNorm(1e-6), x, norm, hidden);
      b.run(new Linear(Epilogue.RESIDUAL), hidden, weight, x, out);
      b.run(new SwiGlu(), out, hidden, out);
    }
  }

  @ParameterizedTest
  @EnumSource(ReferenceOptions.Graphs.class)
  void replayEqualsEager(ReferenceOptions.Graphs graphs) {
    ReferenceOptions o =
        graphs == ReferenceOptions.Graphs.NATIVE
            ? ReferenceOptions.DEFAULT.deferred().nativeGraphs()
            : ReferenceOptions.DEFAULT.deferred();
    try (DeviceBench b = bench(o)) {
      Net net = Net.of(b);
      net.enqueue(b);
      double[] eager = b.read(net.out);
      long launches = b.stream().launches();
      b.stream().beginCapture();
      net.enqueue(b);
      assertEquals(launches, b.stream().launches(), "nothing executes during capture");
      try (CommandGraph g = b.stream().endCapture()) {
        assertEquals(3, g.plans().size());
        boolean isNative = graphs == ReferenceOptions.Graphs.NATIVE;
        assertEquals(isNative ? CommandGraph.Kind.NATIVE : CommandGraph.Kind.REPLAYED, g.kind());
        assertEquals(isNative ? "reference graph" : "bound plans, replayed", g.implementation());
        for (int i = 0; i < 2; i++) {
          b.stream().fill(net.out, 0);
          b.stream().fill(net.hidden, 0);
          b.stream().replay(g);
          assertArrayEquals(eager, b.read(net.out));
        }
        float[] other = new float[21];
        other[4] = 2;
        b.stream().upload(MemorySegment.ofArray(other), net.x);
        b.stream().replay(g);
        double[] replayed = b.read(net.out);
        net.enqueue(b);
        assertArrayEquals(b.read(net.out), replayed, "a replay reads new input");
      }
      assertEquals(0, backend(b).openBindings());
    }
  }

  @Test
  void rebindReplacesAnOperandOrNothing() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred().failAtBind(6))) {
      Tensor x = b.f32(new double[] {1, 2}, 2);
      Tensor y = b.f32(new double[] {10, 20}, 2);
      Tensor out = b.zeros(DType.F32, 4);
      Tensor low = out.slice(0, 0, 2);
      b.stream().beginCapture();
      b.run(new Binary(Binary.Op.ADD), x, x, low);
      b.run(new Binary(Binary.Op.MUL), x, y, out.slice(0, 2, 2));
      CommandGraph g = b.stream().endCapture();
      b.stream().replay(g);
      assertArrayEquals(new double[] {2, 4, 10, 40}, b.read(out));
      Tensor z = b.f32(new double[] {3, 5}, 2);
      g.rebind(x, z);
      b.stream().replay(g);
      assertArrayEquals(new double[] {6, 10, 30, 100}, b.read(out));
      assertEquals(2, backend(b).openBindings());
      assertCode(HalErrorCode.INVALID_ARGUMENT, () -> g.rebind(x, z));
      assertCode(HalErrorCode.SHAPE_MISMATCH, () -> g.rebind(z, b.zeros(DType.F32, 3)));
      assertCode(HalErrorCode.ALIASED_OPERANDS, () -> g.rebind(z, out.slice(0, 1, 2)));
      // binding 6 fails: the graph keeps what it had
      assertCode(HalErrorCode.OUT_OF_MEMORY, () -> g.rebind(z, x));
      assertEquals(2, backend(b).openBindings());
      b.stream().fill(out, 0);
      b.stream().replay(g);
      assertArrayEquals(new double[] {6, 10, 30, 100}, b.read(out));
      backend(b).stall();
      b.stream().replay(g);
      assertCode(HalErrorCode.DEADLINE_EXCEEDED, () -> g.rebind(z, x));
      assertCode(HalErrorCode.DEADLINE_EXCEEDED, g::close);
      backend(b).resume();
      g.close();
      g.close();
      assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> b.stream().replay(g));
      assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> g.rebind(z, x));
      assertEquals(0, backend(b).openBindings());
    }
  }

  @Test
  void graphsOfClosedOrResetArenasAreRefusedWithoutPoison() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT);
        MemoryArena scratch = b.device().newArena(MemoryArena.Kind.SCRATCH, "scratch")) {
      MemoryArena lost = b.device().newArena(MemoryArena.Kind.PERSISTENT, "lost");
      Tensor s = scratch.allocate(TensorType.of(DType.F32, 2));
      Tensor l = lost.allocate(TensorType.of(DType.F32, 2));
      Tensor t = b.zeros(DType.F32, 2);
      b.stream().beginCapture();
      b.stream().copy(t, s);
      CommandGraph afterReset = b.stream().endCapture();
      b.stream().beginCapture();
      b.stream().copy(l, t);
      CommandGraph afterClose = b.stream().endCapture();
      b.stream().replay(afterReset);
      b.stream().replay(afterClose);
      scratch.reset();
      lost.close();
      assertTrue(
          assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> b.stream().replay(afterReset))
              .what()
              .contains("reset"));
      assertTrue(
          assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> b.stream().replay(afterClose))
              .what()
              .contains("closed"));
      b.stream().fill(t, 1);
      afterReset.close();
      afterClose.close();
    }
  }

  @Test
  void aGraphThatCannotBeMadeLeavesNothingBehind() {
    for (ReferenceOptions o :
        new ReferenceOptions[] {
          ReferenceOptions.DEFAULT.failAtBind(3), ReferenceOptions.DEFAULT.memory(300 << 10)
        }) {
      try (DeviceBench b = bench(o)) {
        Tensor x = b.zeros(DType.F32, 3, 7);
        Tensor w = b.zeros(DType.F32, 7);
        Tensor out = b.zeros(DType.F32, 3, 7);
        long before = backend(b).allocatedBytes();
        b.stream().beginCapture();
        b.run(new RmsNorm(1e-6), x, w, out);
        assertCode(HalErrorCode.OUT_OF_MEMORY, b.stream()::endCapture);
        assertEquals(0, backend(b).openBindings());
        assertEquals(before, backend(b).allocatedBytes());
        assertEquals(2, b.device().liveChildren().size(), b.device().liveChildren().toString());
        b.stream().synchronize(SOON);
      }
    }
  }

  @Test
  void captureHasItsStates() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT)) {
      CommandStream s = b.stream();
      Tensor t = b.f32(new double[] {4}, 1);
      assertCode(HalErrorCode.CAPTURE_STATE, s::endCapture);
      s.abortCapture();
      s.beginCapture();
      for (Executable call :
          new Executable[] {
            s::beginCapture,
            s::record,
            () -> s.synchronize(SOON),
            () -> s.upload(MemorySegment.ofArray(new float[1]), t),
            () -> s.download(t, MemorySegment.ofArray(new float[1]))
          }) {
        assertCode(HalErrorCode.CAPTURE_STATE, call);
      }
      s.fill(t, 9);
      s.abortCapture();
      assertArrayEquals(new double[] {4}, b.read(t));
      s.beginCapture();
      try (CommandGraph empty = s.endCapture()) {
        s.beginCapture();
        assertCode(HalErrorCode.CAPTURE_STATE, () -> s.replay(empty));
        s.abortCapture();
        s.replay(empty);
      }
      s.beginCapture();
    }
  }

  @Test
  void replayFailuresPoison() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.failAtEnqueue(2))) {
      Tensor t = b.zeros(DType.F32, 1);
      b.stream().beginCapture();
      b.stream().fill(t, 1);
      b.stream().fill(t, 2);
      try (CommandGraph g = b.stream().endCapture();
          DeviceBench other = bench(ReferenceOptions.DEFAULT)) {
        assertCode(HalErrorCode.WRONG_DEVICE, () -> other.stream().replay(g));
        HalException first = assertCode(HalErrorCode.KERNEL_FAILED, () -> b.stream().replay(g));
        assertEquals(
            first, assertCode(HalErrorCode.STREAM_POISONED, () -> b.stream().replay(g)).getCause());
      }
    }
  }

  @Test
  void rebindNeedsTheStreamOfTheCapture() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.nativeGraphs())) {
      CommandStream s = b.device().newStream("capturing");
      Tensor t = b.zeros(DType.F32, 1);
      s.beginCapture();
      s.fill(t, 3);
      CommandGraph g = s.endCapture();
      s.close();
      assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> g.rebind(t, b.zeros(DType.F32, 1)));
      b.stream().replay(g);
      assertArrayEquals(new double[] {3}, b.read(t));
      g.close();
    }
  }
}
