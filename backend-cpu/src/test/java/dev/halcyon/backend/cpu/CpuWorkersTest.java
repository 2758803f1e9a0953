package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The helper threads: every index once, progress under contention, failures found, nothing left
 * behind.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class CpuWorkersTest {
  private static CpuDevice backend(CpuFixture f) {
    return (CpuDevice) f.device.backend();
  }

  @Test
  void everyIndexRunsOnce() {
    for (int threads : new int[] {1, 2, 5}) {
      try (CpuFixture f = CpuFixture.open("scalar", threads)) {
        CpuStream s = backend(f).newCpuStream("direct");
        for (int round = 0; round < 3000; round++) {
          int n = 1 + round % 97;
          int chunk = 1 + round % 7;
          AtomicIntegerArray runs = new AtomicIntegerArray(n);
          s.loop(
              (scratch, begin, end) -> {
                for (long i = begin; i < end; i++) {
                  runs.getAndIncrement((int) i);
                }
              },
              n,
              chunk);
          for (int i = 0; i < n; i++) {
            assertEquals(1, runs.get(i), "index " + i + " of " + n);
          }
        }
        s.close();
      }
    }
  }

  @Test
  void helpersTakePartAndHaveScratchOfTheirOwn() {
    try (CpuFixture f = CpuFixture.open("scalar", 4)) {
      CpuStream s = backend(f).newCpuStream("direct");
      ConcurrentHashMap<Long, Thread> owners = new ConcurrentHashMap<>();
      s.loop(
          (scratch, begin, end) -> {
            Thread owner = owners.putIfAbsent(scratch, Thread.currentThread());
            assertTrue(owner == null || owner == Thread.currentThread());
            Raw.i64(scratch + Kernels.SCRATCH_BYTES - 8, 1);
            try {
              Thread.sleep(5);
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
          },
          40,
          1);
      assertTrue(owners.size() > 1, "only " + owners.size() + " thread took part");
      s.close();
    }
  }

  @Test
  void aFailureInAnyChunkSurfacesAndTheStreamGoesOn() {
    try (CpuFixture f = CpuFixture.open("scalar", 3)) {
      CpuStream s = backend(f).newCpuStream("direct");
      for (int round = 0; round < 300; round++) {
        int bad = round % 20;
        IllegalStateException cause = new IllegalStateException("chunk " + bad);
        HalException e =
            assertThrows(
                HalException.class,
                () ->
                    s.loop(
                        (scratch, begin, end) -> {
                          if (begin == bad) {
                            throw cause;
                          }
                        },
                        20,
                        1));
        assertEquals(HalErrorCode.KERNEL_FAILED, e.code());
        assertSame(cause, e.getCause());
        s.loop((scratch, begin, end) -> {}, 20, 1);
      }
      HalException e =
          assertThrows(
              HalException.class,
              () ->
                  s.loop(
                      (scratch, begin, end) -> {
                        throw new StackOverflowError();
                      },
                      1,
                      1));
      assertEquals(HalErrorCode.KERNEL_FAILED, e.code());
      s.close();
    }
  }

  @Test
  void progressWhileOthersTakeTheCores() throws Exception {
    AtomicBoolean stop = new AtomicBoolean();
    List<Thread> busy = new ArrayList<>();
    for (int i = 0; i < 2 * Runtime.getRuntime().availableProcessors(); i++) {
      busy.add(
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    while (!stop.get()) {
                      Thread.onSpinWait();
                    }
                  }));
    }
    try (CpuFixture f = CpuFixture.open("scalar", 4)) {
      Tensor w = f.f32(600, 256);
      Tensor x = f.f32(2, 256);
      Tensor y = f.empty(DType.F32, 2, 600);
      double[] expected = Oracle.linear(Values.read(x), Values.read(w), 2, 600, 256);
      for (int i = 0; i < 200; i++) {
        f.run(new Linear(Epilogue.NONE), x, w, y);
      }
      Values.assertNear(expected, Values.read(y), 1e-4, "under contention");
    } finally {
      stop.set(true);
      for (Thread t : busy) {
        t.join();
      }
    }
  }

  @Test
  void streamsOfSeveralThreadsRunAtOnce() throws Exception {
    try (CpuFixture f = CpuFixture.open("scalar", 3)) {
      Tensor w = f.f32(400, 300);
      for (ExecutorService pool :
          List.of(Executors.newFixedThreadPool(4), Executors.newVirtualThreadPerTaskExecutor())) {
        try (pool) {
          List<Future<Boolean>> done = new ArrayList<>();
          for (int i = 0; i < 4; i++) {
            Tensor x = f.f32(1, 300);
            Tensor y = f.empty(DType.F32, 1, 400);
            double[] expected = Oracle.linear(Values.read(x), Values.read(w), 1, 400, 300);
            Plan plan = f.planner.plan(new Linear(Epilogue.NONE), x.type(), w.type(), y.type());
            Callable<Boolean> work =
                () -> {
                  try (var stream = f.device.newStream("of a thread")) {
                    for (int round = 0; round < 300; round++) {
                      Values.write(y, new double[400]);
                      stream.enqueue(plan, x, w, y);
                      Values.assertNear(expected, Values.read(y), 1e-4, "round " + round);
                    }
                  }
                  return true;
                };
            done.add(pool.submit(work));
          }
          for (Future<Boolean> d : done) {
            assertTrue(d.get(60, TimeUnit.SECONDS));
          }
        }
      }
    }
  }

  @Test
  void anInterruptIsKeptForTheCaller() {
    try (CpuFixture f = CpuFixture.open("scalar", 3)) {
      CpuStream s = backend(f).newCpuStream("direct");
      Thread.currentThread().interrupt();
      AtomicIntegerArray runs = new AtomicIntegerArray(30);
      s.loop(
          (scratch, begin, end) -> {
            runs.getAndIncrement((int) begin);
            long until = System.nanoTime() + 1_000_000;
            while (System.nanoTime() < until) {
              Thread.onSpinWait();
            }
          },
          30,
          1);
      assertTrue(Thread.interrupted());
      for (int i = 0; i < 30; i++) {
        assertEquals(1, runs.get(i));
      }
      s.close();
    }
  }

  @Test
  void closeEndsTheThreads() {
    String name = "halcyon-cpu-";
    try (CpuFixture f = CpuFixture.open("scalar", 6)) {
      assertTrue(named(name) >= 5);
      assertEquals(6, f.device.info().computeUnits());
    }
    assertEquals(0, named(name));
  }

  private static long named(String prefix) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(t -> t.getName().startsWith(prefix) && t.isAlive())
        .count();
  }
}
