package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Streams, fences and graphs. */
final class StreamTest {
  private static final Duration LONG = Duration.ofMinutes(1);
  private Bench bench;

  @BeforeEach
  void open() {
    bench = new Bench();
  }

  @AfterEach
  void close() {
    bench.close();
  }

  /**
   * Waiting for the device looks at every stream; a queue that is just released must not get work.
   */
  @Test
  void streamsCloseWhileOthersWaitForTheDevice() throws Exception {
    AtomicInteger running = new AtomicInteger(3);
    List<Future<?>> workers = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
      for (int w = 0; w < 3; w++) {
        Cell own = bench.of(DType.F32, View.DENSE, new double[4096], 4096);
        workers.add(
            threads.submit(
                () -> {
                  try {
                    for (int i = 0; i < 3000; i++) {
                      try (CommandStream s = bench.device.newStream("short")) {
                        s.fill(own.view(), i);
                      }
                    }
                  } finally {
                    running.decrementAndGet();
                  }
                }));
      }
      while (running.get() > 0) {
        bench.device.backend().awaitIdle(LONG);
      }
    }
    for (Future<?> w : workers) {
      w.get();
    }
    assertEquals(1, bench.device.liveChildren().stream().filter(c -> c.contains("stream")).count());
  }

  @Test
  void twoStreamsAndFencesAcrossThem() {
    try (CommandStream a = bench.device.newStream("a");
        CommandStream b = bench.device.newStream("b")) {
      Cell x = bench.of(DType.F32, View.DENSE, new double[1 << 16], 1 << 16);
      Cell one = bench.of(DType.F32, View.DENSE, new double[] {1}, 1);
      for (int i = 0; i < 100; i++) {
        CommandStream s = i % 2 == 0 ? a : b;
        s.enqueue(
            bench.plan(bench.planner, new Binary(Binary.Op.ADD), x, one, x),
            x.view(),
            one.view(),
            x.view());
        Fence f = s.record();
        (i % 2 == 0 ? b : a).waitFor(f);
        if (i == 99) {
          f.await(LONG);
          assertTrue(f.isSignalled());
        }
      }
      b.synchronize(LONG);
      double[] got = bench.read(x);
      assertEquals(100, got[0]);
      assertEquals(100, got[got.length - 1]);
      assertEquals(50, a.launches());
    }
  }

  @Test
  void streamsWorkAtTheSameTimeFromTwoThreads() throws InterruptedException {
    Throwable[] failure = new Throwable[1];
    Thread[] threads = new Thread[2];
    for (int i = 0; i < 2; i++) {
      int id = i;
      threads[i] =
          new Thread(
              () -> {
                try (CommandStream s = bench.device.newStream("thread " + id);
                    MemoryArena arena =
                        bench.device.newArena(MemoryArena.Kind.PERSISTENT, "thread " + id)) {
                  Operators ops = new Operators(bench.planner, s);
                  Tensor x = arena.allocate(TensorType.of(DType.F32, 5000));
                  Tensor y = arena.allocate(TensorType.of(DType.F32, 5000));
                  s.fill(x, id + 1);
                  s.fill(y, 0);
                  for (int n = 0; n < 200; n++) {
                    ops.run(new Binary(Binary.Op.ADD), x, y, y);
                  }
                  float[] got = new float[5000];
                  s.download(y, MemorySegment.ofArray(got));
                  assertEquals(200f * (id + 1), got[4999]);
                } catch (Throwable e) {
                  failure[0] = e;
                }
              });
      threads[i].start();
    }
    for (Thread t : threads) {
      t.join();
    }
    if (failure[0] != null) {
      throw new AssertionError(failure[0]);
    }
  }

  @Test
  void transfersOfHeapAndNativeMemory() {
    Tensor t = bench.arena.allocate(TensorType.of(DType.F32, 3_000_001));
    float[] values = new float[3_000_001];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    bench.stream.upload(MemorySegment.ofArray(values), t);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, values.length);
      bench.stream.download(t, out);
      assertArrayEquals(values, out.toArray(ValueLayout.JAVA_FLOAT));
      out.setAtIndex(ValueLayout.JAVA_FLOAT, 7, -1);
      bench.stream.upload(out, t);
    }
    float[] back = new float[values.length];
    bench.stream.download(t, MemorySegment.ofArray(back));
    assertEquals(-1, back[7]);
    assertEquals(3_000_000, back[3_000_000]);
  }

  @Test
  void deadlinePasses() {
    Cell x = bench.f32(2048, 2048);
    Cell w = bench.f32(2048, 2048);
    Cell out = bench.out(DType.F32, View.DENSE, 2048, 2048);
    bench.run(new Linear(Epilogue.NONE), x, w, out);
    HalException e =
        assertThrows(HalException.class, () -> bench.stream.synchronize(Duration.ofNanos(1)));
    assertEquals(HalErrorCode.DEADLINE_EXCEEDED, e.code());
    bench.stream.synchronize(LONG);
  }

  @Test
  void graphsGiveBitwiseTheResultsOfEager() {
    for (String kind : new String[] {"1", "2"}) {
      try (Bench b = new Bench("graphs", kind)) {
        Cell x = b.f32(3, 200);
        Cell w = b.of(DType.BF16, View.DENSE, b.numbers(200 * 200, 0.1), 200, 200);
        Cell n = b.f32(200);
        Cell lengths = b.i32(new double[] {100, 200, 7}, 3);
        Cell slots = b.i32(new double[] {2, 0, 1}, 3);
        Cell mix = b.f32(3, 1);
        Tensor y = b.arena.allocate(TensorType.of(DType.F32, 3, 200));
        Operators ops = new Operators(b.planner, b.stream);
        Operators steps = new Operators(b.decomposed, b.stream);
        Runnable body =
            () -> {
              for (int i = 0; i < 5; i++) {
                ops.run(new RmsNorm(1e-6), x.view(), n.view(), y);
                ops.run(new Linear(Epilogue.RESIDUAL), y, w.view(), x.view(), x.view());
                steps.run(new MaskedSoftmax(2), x.view(), lengths.view(), y);
                steps.run(new MoeCombine(Epilogue.NONE), y, slots.view(), mix.view(), x.view());
              }
            };
        MemorySegment start = MemorySegment.ofArray(new byte[(int) x.root().type().byteSize()]);
        b.stream.download(x.root(), start);
        body.run();
        body.run();
        double[] eager = b.read(x);
        b.stream.upload(start, x.root());
        b.stream.beginCapture();
        body.run();
        try (CommandGraph graph = b.stream.endCapture()) {
          boolean nativeGraphs =
              b.device.capabilities().has(DeviceCapabilities.Feature.NATIVE_GRAPHS);
          assertEquals(
              nativeGraphs ? CommandGraph.Kind.NATIVE : CommandGraph.Kind.REPLAYED, graph.kind());
          assertEquals(kind.equals("2"), !nativeGraphs || kind.equals("2"));
          long before = b.stream.launches();
          b.stream.replay(graph);
          b.stream.replay(graph);
          assertArrayEquals(eager, b.read(x));
          assertTrue(b.stream.launches() - before >= 40);
          // another operand in place of x
          Tensor other = b.arena.allocate(x.view().type());
          b.stream.upload(start, other);
          graph.rebind(x.view(), other);
          b.stream.replay(graph);
          b.stream.replay(graph);
          assertArrayEquals(eager, b.read(new Cell(other, other, x.values())));
        }
      }
    }
  }
}
