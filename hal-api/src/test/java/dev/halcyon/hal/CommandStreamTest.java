package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.DeviceBench;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class CommandStreamTest {
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

  private static void read(CommandStream s, Tensor t, float... expected) {
    float[] got = new float[expected.length];
    s.download(t, MemorySegment.ofArray(got));
    assertArrayEquals(expected, got);
  }

  @Test
  void transfersAreCheckedAndCopyTheirSource() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred())) {
      CommandStream s = b.stream();
      Tensor t = b.zeros(DType.F32, 2, 2);
      float[] source = {1, 2, 3, 4};
      s.upload(MemorySegment.ofArray(source), t);
      source[0] = 9;
      read(s, t, 1, 2, 3, 4);
      HalException e =
          assertCode(
              HalErrorCode.SHAPE_MISMATCH, () -> s.upload(MemorySegment.ofArray(new float[3]), t));
      assertTrue(
          e.what().contains("12 host bytes") && e.remedy().contains("16 bytes"), e.getMessage());
      assertCode(
          HalErrorCode.SHAPE_MISMATCH, () -> s.download(t, MemorySegment.ofArray(new float[5])));
      assertCode(
          HalErrorCode.SHAPE_MISMATCH,
          () -> s.upload(MemorySegment.ofArray(new float[4]), t.transpose(0, 1)));
      s.upload(MemorySegment.ofArray(new float[0]), b.zeros(DType.F32, 0));
      Tensor strided = b.zeros(DType.F32, 2, 2);
      s.copy(t.transpose(0, 1), strided);
      read(s, strided, 1, 3, 2, 4);
      s.fill(strided.slice(1, 0, 1), 5);
      read(s, strided, 5, 3, 5, 4);
    }
  }

  @Test
  void operandsAreChecked() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT);
        DeviceBench other = bench(ReferenceOptions.DEFAULT)) {
      CommandStream s = b.stream();
      TensorType type = TensorType.of(DType.F32, 4);
      Plan add = b.planner().plan(new Binary(Binary.Op.ADD), type, type, type);
      Tensor x = b.zeros(DType.F32, 4);
      Tensor y = b.zeros(DType.F32, 4);
      assertCode(HalErrorCode.INVALID_ARGUMENT, () -> s.enqueue(add, x, y));
      HalException e =
          assertCode(
              HalErrorCode.SHAPE_MISMATCH, () -> s.enqueue(add, x, b.zeros(DType.F32, 5), y));
      assertTrue(e.what().contains("operand 'b' is f32[5], planned for f32[4]"), e.what());
      assertCode(HalErrorCode.WRONG_DEVICE, () -> s.enqueue(add, x, y, other.zeros(DType.F32, 4)));
      assertCode(HalErrorCode.WRONG_DEVICE, () -> other.stream().enqueue(add, x, y, x));
      assertCode(HalErrorCode.WRONG_DEVICE, () -> s.waitFor(other.stream().record()));
      assertCode(HalErrorCode.WRONG_DEVICE, () -> new Operators(other.planner(), s));
      s.enqueue(add, x, y, x);
    }
  }

  @Test
  void aliasesAreRefusedExceptInPlace() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT)) {
      Tensor m = b.f32(new double[] {1, 2, 3, 4, 5, 6}, 6);
      Binary add = new Binary(Binary.Op.ADD);
      Tensor low = m.slice(0, 0, 4);
      Tensor high = m.slice(0, 2, 4);
      Tensor free = b.f32(new double[] {1, 1, 1, 1}, 4);
      b.run(add, low, free, low);
      read(b.stream(), low, 2, 3, 4, 5);
      HalException e = assertCode(HalErrorCode.ALIASED_OPERANDS, () -> b.run(add, free, low, high));
      assertTrue(e.what().contains("output 'out' overlaps 'b'"), e.what());
      assertCode(
          HalErrorCode.ALIASED_OPERANDS,
          () ->
              b.run(
                  add, free.reshape(2, 2).transpose(0, 1), free.reshape(2, 2), free.reshape(2, 2)));
      assertCode(HalErrorCode.ALIASED_OPERANDS, () -> b.stream().copy(low, low));
      Tensor one = b.zeros(DType.F32, 1);
      assertCode(
          HalErrorCode.ALIASED_OPERANDS,
          () -> b.run(new Unary(Unary.Op.NEG), free, one.broadcastTo(Shape.of(4))));
      read(b.stream(), free, 1, 1, 1, 1);
    }
  }

  @Test
  void twoThreadsAtOnceAreRefused() throws InterruptedException {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT)) {
      Tensor t = b.zeros(DType.F32, 4);
      CountDownLatch inside = new CountDownLatch(1);
      CountDownLatch leave = new CountDownLatch(1);
      StreamOwner owner = new StreamOwner();
      Thread first =
          Thread.ofPlatform()
              .name("first")
              .start(
                  () -> {
                    boolean entered = owner.enter("stream 'x'");
                    inside.countDown();
                    try {
                      leave.await(10, TimeUnit.SECONDS);
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                    owner.exit(entered);
                  });
      assertTrue(inside.await(10, TimeUnit.SECONDS));
      HalException e = assertCode(HalErrorCode.WRONG_THREAD, () -> owner.enter("stream 'x'"));
      assertTrue(e.what().contains("'first' is inside"), e.what());
      leave.countDown();
      first.join();
      assertTrue(owner.enter("stream 'x'"));
      assertFalse(owner.enter("stream 'x'"), "the same thread may enter again");

      // hammered from two threads a stream is refused to one of them and never corrupted
      AtomicReference<Throwable> wrong = new AtomicReference<>();
      Runnable hammer =
          () -> {
            for (int i = 0; i < 300; i++) {
              try {
                b.stream().fill(t, i);
              } catch (HalException refused) {
                if (refused.code() != HalErrorCode.WRONG_THREAD) {
                  wrong.set(refused);
                }
              } catch (RuntimeException | Error other) {
                wrong.set(other);
              }
            }
          };
      Thread x = Thread.ofPlatform().start(hammer);
      Thread y = Thread.ofPlatform().start(hammer);
      x.join();
      y.join();
      assertEquals(null, wrong.get());
      b.stream().fill(t, 3);
      read(b.stream(), t, 3, 3, 3, 3);
    }
  }

  @Test
  void aFailingEnqueuePoisonsTheStream() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.failAtEnqueue(2))) {
      Tensor t = b.zeros(DType.F32, 4);
      CommandStream s = b.stream();
      s.fill(t, 1);
      assertCode(
          HalErrorCode.INVALID_ARGUMENT, () -> s.enqueue(b.planner().plan(new Fill(1), t.type())));
      HalException first = assertCode(HalErrorCode.KERNEL_FAILED, () -> s.fill(t, 2));
      List<Executable> later =
          List.of(
              () -> s.fill(t, 3),
              () -> s.synchronize(SOON),
              () -> s.record(),
              () -> s.upload(MemorySegment.ofArray(new float[4]), t),
              () -> s.download(t, MemorySegment.ofArray(new float[4])));
      for (Executable call : later) {
        HalException e = assertCode(HalErrorCode.STREAM_POISONED, call);
        assertSame(first, e.getCause());
        assertTrue(e.what().contains("enqueueing failed"), e.what());
      }
      try (CommandStream fresh = b.device().newStream("fresh")) {
        read(fresh, t, 1, 1, 1, 1);
      }
    }
  }

  @Test
  void anAsynchronousFailureComesWithTheWaitAndPoisons() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred().failAtExecution(2))) {
      Tensor t = b.zeros(DType.F32, 4);
      CommandStream s = b.stream();
      s.fill(t, 1);
      Fence before = s.record();
      s.fill(t, 2);
      s.fill(t, 3);
      Fence after = s.record();
      HalException first = assertCode(HalErrorCode.KERNEL_FAILED, () -> s.synchronize(SOON));
      assertSame(first, assertCode(HalErrorCode.STREAM_POISONED, () -> s.fill(t, 4)).getCause());
      before.await(SOON);
      assertCode(HalErrorCode.KERNEL_FAILED, () -> after.await(SOON));
      s.close();
      before.await(SOON);
      assertCode(HalErrorCode.KERNEL_FAILED, () -> after.await(SOON));
      try (CommandStream fresh = b.device().newStream("fresh")) {
        assertCode(HalErrorCode.KERNEL_FAILED, () -> fresh.waitFor(after));
      }
    }
  }

  @Test
  void anExceededDeadlineDoesNotPoison() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred())) {
      Tensor t = b.zeros(DType.F32, 2);
      b.stream().fill(t, 1);
      Fence f = b.stream().record();
      backend(b).stall();
      assertFalse(f.isSignalled());
      assertCode(HalErrorCode.DEADLINE_EXCEEDED, () -> b.stream().synchronize(SOON));
      assertCode(HalErrorCode.DEADLINE_EXCEEDED, () -> f.await(SOON));
      HalException e = assertCode(HalErrorCode.DEADLINE_EXCEEDED, b.stream()::close);
      assertTrue(
          b.device().liveChildren().contains("stream 'bench' on reference://0"), e.getMessage());
      backend(b).resume();
      b.stream().synchronize(SOON);
      assertTrue(f.isSignalled());
      read(b.stream(), t, 1, 1);
    }
  }

  @Test
  void fencesOrderStreamsAndOutliveTheirEvents() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred());
        CommandStream second = b.device().newStream("second")) {
      Tensor t = b.zeros(DType.F32, 2);
      Tensor u = b.zeros(DType.F32, 2);
      b.stream().fill(t, 7);
      Fence f = b.stream().record();
      second.waitFor(f);
      second.copy(t, u);
      read(second, u, 7, 7);
      assertTrue(f.isSignalled());
      List<Fence> many = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        many.add(b.stream().record());
      }
      b.stream().synchronize(SOON);
      b.stream().record();
      assertTrue(backend(b).openFences() < 100, "events of passed fences are freed");
      for (Fence m : many) {
        assertTrue(m.isSignalled());
        m.await(SOON);
        second.waitFor(m);
      }
      Fence last = b.stream().record();
      b.stream().close();
      assertEquals(0, backend(b).openFences());
      assertTrue(last.isSignalled());
      last.await(SOON);
      second.waitFor(last);
    }
  }

  @Test
  void largerWorkspacesDoNotDisturbEarlierWork() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred())) {
      List<Tensor> outs = new ArrayList<>();
      for (int rows = 1; rows <= 40; rows += 3) {
        Tensor x = b.random(rows, 1, DType.F32, rows, 9);
        Tensor out = b.zeros(DType.F32, rows, 9);
        b.run(new RmsNorm(1e-6), x, b.random(99, 1, DType.F32, 9), out);
        outs.add(out);
      }
      b.stream().synchronize(SOON);
      int rows = 1;
      for (Tensor out : outs) {
        double[] x = DeviceBench.uniform(rows, 1, rows * 9);
        double[] w = DeviceBench.uniform(99, 1, 9);
        double[] got = b.read(out);
        for (int r = 0; r < rows; r++) {
          double sum = 0;
          for (int c = 0; c < 9; c++) {
            sum += x[r * 9 + c] * x[r * 9 + c];
          }
          for (int c = 0; c < 9; c++) {
            assertEquals(x[r * 9 + c] / Math.sqrt(sum / 9 + 1e-6) * w[c], got[r * 9 + c], 1e-5);
          }
        }
        rows += 3;
      }
    }
  }

  @Test
  void noMemoryForAWorkspaceDoesNotPoison() {
    ReferenceOptions o = ReferenceOptions.DEFAULT.memory(3 << 20);
    try (DeviceBench b = bench(o)) {
      Tensor x = b.zeros(DType.F32, 2, 9);
      Tensor w = b.zeros(DType.F32, 9);
      Tensor out = b.zeros(DType.F32, 2, 9);
      b.run(new RmsNorm(1e-6), x, w, out);
      Tensor large = b.zeros(DType.F32, 1 << 9, 1 << 9);
      Tensor largeOut = b.zeros(DType.F32, 1 << 9, 1 << 9);
      assertCode(
          HalErrorCode.OUT_OF_MEMORY,
          () -> b.run(new RmsNorm(1e-6), large, b.zeros(DType.F32, 1 << 9), largeOut));
      b.run(new RmsNorm(1e-6), x, w, out);
      b.stream().synchronize(SOON);
    }
  }

  @Test
  void refusedBindingsDoNotPoisonAndLeakNothing() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT.failAtBind(4))) {
      Tensor x = b.zeros(DType.F32, 2, 9);
      Tensor w = b.zeros(DType.F32, 9);
      Tensor out = b.zeros(DType.F32, 2, 9);
      assertCode(HalErrorCode.OUT_OF_MEMORY, () -> b.run(new RmsNorm(1e-6), x, w, out));
      assertEquals(0, backend(b).openBindings());
      b.run(new RmsNorm(1e-6), x, w, out);
      assertEquals(0, backend(b).openBindings());
    }
  }

  @Test
  void launchesAreCounted() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT)) {
      Tensor x = b.zeros(DType.F32, 2, 9);
      long before = b.stream().launches();
      b.stream().upload(MemorySegment.ofArray(new float[18]), x);
      assertEquals(before, b.stream().launches(), "an upload is no launch");
      b.run(new RmsNorm(1e-6), x, b.zeros(DType.F32, 9), b.zeros(DType.F32, 2, 9));
      assertEquals(before + 9, b.stream().launches());
    }
  }

  @Test
  void closedStreamsRefuseEverything() {
    try (DeviceBench b = bench(ReferenceOptions.DEFAULT)) {
      CommandStream s = b.device().newStream("short");
      Tensor t = b.zeros(DType.F32, 1);
      s.close();
      s.close();
      for (Executable call :
          List.<Executable>of(
              () -> s.fill(t, 1), s::record, s::beginCapture, () -> s.synchronize(SOON))) {
        assertCode(HalErrorCode.USE_AFTER_CLOSE, call);
      }
    }
  }

  @Test
  void streamsOfAFailedDeviceClose() {
    DeviceBench b = bench(ReferenceOptions.DEFAULT.deferred().failAtExecution(1));
    Tensor t = b.zeros(DType.F32, 4);
    b.stream().fill(t, 1);
    Fence f = b.stream().record();
    b.stream().close();
    assertCode(HalErrorCode.KERNEL_FAILED, () -> f.await(SOON));
    assertEquals(0, backend(b).openStreams());
    b.close();
    assertTrue(backend(b).isClosed());
  }
}
