package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

/** Several threads: docs/spec/runtime.md, RT-THREAD. */
final class ThreadCases implements CaseSource {
  private static final int THREADS = 4;
  private static final long COLLISION_NANOS = 5_000_000_000L;

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
            "threads:check=collision",
            "RT-THREAD-1",
            "Two threads inside one stream: one of them is told so, and the stream stays usable.",
            ThreadCases::collide),
        of(
            "threads:check=handover,kind=platform",
            "RT-THREAD-2",
            "A stream is handed from thread to thread between calls.",
            b -> handover(b, Thread.ofPlatform().factory())),
        of(
            "threads:check=handover,kind=virtual",
            "RT-THREAD-2",
            "A stream is handed from virtual thread to virtual thread between calls.",
            b -> handover(b, Thread.ofVirtual().factory())),
        of(
            "threads:check=streams",
            "RT-THREAD-3",
            "Four threads with a stream each compute at the same time.",
            ThreadCases::threadsWithStreams),
        of(
            "threads:check=arena",
            "RT-THREAD-3",
            "Four threads allocate from one arena and plan with one planner.",
            ThreadCases::sharedArenaAndPlanner),
        of(
            "threads:check=fences",
            "RT-THREAD-3",
            "One thread records fences, others await them.",
            ThreadCases::fencesAcrossThreads),
        of(
            "threads:check=open-close",
            "RT-THREAD-3",
            "Four threads open and close streams and arenas while others compute.",
            ThreadCases::churn));
  }

  /** A task for one of several threads. */
  private interface Task {
    void run(int thread);
  }

  /** Runs a task on several threads at once and throws the first thing that went wrong. */
  private static void together(int threads, ThreadFactory factory, Task task) {
    AtomicReference<RuntimeException> failure = new AtomicReference<>();
    CountDownLatch start = new CountDownLatch(1);
    List<Thread> all = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      int number = i;
      Thread t =
          factory.newThread(
              () -> {
                try {
                  start.await();
                  task.run(number);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                } catch (RuntimeException e) {
                  failure.compareAndSet(null, e);
                }
              });
      t.start();
      all.add(t);
    }
    start.countDown();
    for (Thread t : all) {
      join(t);
    }
    if (failure.get() != null) {
      throw failure.get();
    }
  }

  private static void join(Thread t) {
    try {
      if (!t.join(Subject.DEADLINE.multipliedBy(2))) {
        throw new Unmet("a thread does not come back from the device");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Inapplicable.notRun("interrupted");
    }
  }

  static void collide(Workbench b) {
    CommandStream s = b.newStream("shared by mistake");
    Tensor big = b.bytes(1 << 20);
    byte[] host = new byte[1 << 20];
    AtomicBoolean found = new AtomicBoolean();
    long end = System.nanoTime() + COLLISION_NANOS;
    together(
        2,
        Thread.ofPlatform().factory(),
        i -> {
          byte[] own = host.clone();
          while (!found.get() && System.nanoTime() < end) {
            try {
              s.download(big, MemorySegment.ofArray(own));
            } catch (HalException e) {
              Check.requireCode(HalErrorCode.WRONG_THREAD, e, "use of a stream by two threads");
              found.set(true);
            }
          }
        });
    Check.that(found.get(), () -> "two threads used one stream for seconds and nobody was told");
    b.fill(s, big, 3);
    s.synchronize(Subject.DEADLINE);
    Check.equal((byte) 3, b.getBytes(big)[12345], "byte written after the collision");
  }

  private static void handover(Workbench b, ThreadFactory factory) {
    CommandStream s = b.newStream("handed on");
    Tensor one = b.f32(1000);
    Tensor sum = b.f32(1000);
    b.fill(b.stream(), one, 1);
    b.stream().synchronize(Subject.DEADLINE);
    for (int i = 0; i < 12; i++) {
      int turn = i;
      together(
          1,
          factory,
          t -> {
            b.add(s, sum, one);
            if (turn % 3 == 2) {
              Check.all(turn + 1, b.get(s, sum), "sum after thread " + turn);
            }
          });
    }
    Check.all(12, b.get(s, sum), "sum after twelve threads");
  }

  private static void threadsWithStreams(Workbench b) {
    List<CommandStream> streams = new ArrayList<>();
    List<Tensor> sums = new ArrayList<>();
    List<Tensor> ones = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      streams.add(b.newStream("thread " + i));
      sums.add(b.f32(2000));
      ones.add(b.f32(2000));
    }
    together(
        THREADS,
        Thread.ofPlatform().factory(),
        i -> {
          CommandStream s = streams.get(i);
          b.fill(s, ones.get(i), i + 1);
          for (int k = 0; k < 100; k++) {
            b.add(s, sums.get(i), ones.get(i));
          }
          Check.all(100 * (i + 1), b.get(s, sums.get(i)), "sum of thread " + i);
        });
  }

  private static void sharedArenaAndPlanner(Workbench b) {
    List<CommandStream> streams = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      streams.add(b.newStream("thread " + i));
    }
    together(
        THREADS,
        Thread.ofPlatform().factory(),
        i -> {
          CommandStream s = streams.get(i);
          for (int k = 1; k < 40; k++) {
            Tensor x = b.f32(k, 8);
            Tensor y = b.f32(8, 3);
            Tensor out = b.f32(k, 3);
            b.fill(s, x, i);
            b.fill(s, y, k);
            b.run(s, new MatMul(), x, y, out);
            Check.all(8 * i * k, b.get(s, out), "product " + k + " of thread " + i);
          }
        });
  }

  private static void fencesAcrossThreads(Workbench b) {
    CommandStream producer = b.newStream("producer");
    Tensor t = b.f32(1000);
    List<Fence> fences = new ArrayList<>();
    for (int i = 1; i <= THREADS; i++) {
      b.occupy(producer);
      b.fill(producer, t.slice(0, 250 * (i - 1), 250), i);
      fences.add(producer.record());
    }
    List<CommandStream> consumers = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      consumers.add(b.newStream("consumer " + i));
    }
    together(
        THREADS,
        Thread.ofVirtual().factory(),
        i -> {
          fences.get(i).await(Subject.DEADLINE);
          Check.all(
              i + 1,
              b.get(consumers.get(i), t.slice(0, 250 * i, 250)),
              "part " + i + " after await");
        });
  }

  private static void churn(Workbench b) {
    together(
        THREADS,
        Thread.ofPlatform().factory(),
        i -> {
          for (int k = 0; k < 25; k++) {
            MemoryArena a = b.device().newArena(MemoryArena.Kind.WEIGHTS, "churn " + i);
            CommandStream s = b.device().newStream("churn " + i);
            try {
              Tensor t = a.allocate(TensorType.of(DType.F32, 5000));
              b.fill(s, t, k);
              Check.all(k, b.get(s, t), "tensor " + k + " of thread " + i);
            } finally {
              s.close();
              a.close();
            }
          }
        });
  }
}
