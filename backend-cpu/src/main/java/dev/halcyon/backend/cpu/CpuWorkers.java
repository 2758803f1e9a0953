package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that help streams with their loops. A stream offers one loop at a time and takes part
 * itself; while one stream has the helpers, others run theirs alone.
 *
 * @implNote Helpers spin for tens of microseconds after work, since the commands of a decode step
 *     follow each other that fast, then park: threads that spin for longer take the cores from
 *     whoever needs them when cores are shared. The first parked helper is woken by the stream,
 *     each helper wakes the next.
 */
final class CpuWorkers {
  private static final VarHandle CURRENT;

  static {
    try {
      CURRENT = MethodHandles.lookup().findVarHandle(CpuWorkers.class, "current", Region.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final long SPIN_NANOS =
      TimeUnit.MICROSECONDS.toNanos(Long.getLong("halcyon.cpu.spinMicros", 40));

  /** One thread's private memory. */
  static final long THREAD_BYTES = Kernels.SCRATCH_BYTES + 4096;

  private final Helper[] helpers;
  private final AtomicInteger parked = new AtomicInteger();
  private volatile Region current;
  private volatile boolean closed;

  /**
   * Starts {@code threads - 1} helpers: the stream's caller is the other thread.
   *
   * @param name prefix of the threads' names
   */
  CpuWorkers(int threads, String name) {
    helpers = new Helper[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      helpers[i] = new Helper(name + "-" + (i + 1));
    }
    for (Helper h : helpers) {
      h.thread.start();
    }
  }

  /** Scratch and slot copy of a thread; pages appear when used. */
  static long threadMemory() {
    long address = NativeMemory.map(THREAD_BYTES);
    if (address < 0) {
      throw CpuErrors.outOfMemory(THREAD_BYTES, CpuHost.availableMemory(), -address);
    }
    return address;
  }

  /** Threads that work on a loop, with the caller. */
  int threads() {
    return helpers.length + 1;
  }

  /**
   * Runs a loop to its end.
   *
   * @param region described already, of {@code chunks} chunks
   * @param scratch the calling thread's
   * @param slotCopy the calling thread's
   */
  void run(Region region, long chunks, long scratch, long slotCopy) throws Throwable {
    if (chunks <= 1 || helpers.length == 0 || !CURRENT.compareAndSet(this, null, region)) {
      region.alone(scratch);
      return;
    }
    region.open();
    // a full fence lies between opening and this look: a helper that parks meanwhile sees the work
    // itself
    if (parked.get() > 0) {
      wakeOne();
    }
    region.help(scratch, slotCopy);
    CURRENT.setRelease(this, null);
    region.await();
  }

  private void wakeOne() {
    for (Helper h : helpers) {
      if (h.isParked && h.claimWake()) {
        LockSupport.unpark(h.thread);
        return;
      }
    }
  }

  /** Ends the helpers; no loop is running. */
  void close() {
    closed = true;
    boolean interrupted = false;
    for (Helper h : helpers) {
      LockSupport.unpark(h.thread);
    }
    for (Helper h : helpers) {
      while (h.thread.isAlive()) {
        try {
          h.thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      NativeMemory.unmap(h.memory, THREAD_BYTES);
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private final class Helper implements Runnable {
    private static final VarHandle PARKED;

    static {
      try {
        PARKED = MethodHandles.lookup().findVarHandle(Helper.class, "isParked", boolean.class);
      } catch (ReflectiveOperationException e) {
        throw new ExceptionInInitializerError(e);
      }
    }

    private final Thread thread;
    private final long memory = threadMemory();
    private volatile boolean isParked;

    Helper(String name) {
      thread = Thread.ofPlatform().daemon().name(name).unstarted(this);
    }

    boolean claimWake() {
      return PARKED.compareAndSet(this, true, false);
    }

    @Override
    public void run() {
      long slotCopy = memory + Kernels.SCRATCH_BYTES;
      while (!closed) {
        Region r = current;
        if (r == null || !r.help(memory, slotCopy)) {
          idle();
        }
      }
    }

    /** Returns when there may be work. */
    private void idle() {
      long start = System.nanoTime();
      do {
        for (int i = 0; i < 64; i++) {
          Region r = current;
          if (r != null && r.hasWork()) {
            return;
          }
          Thread.onSpinWait();
        }
      } while (System.nanoTime() - start < SPIN_NANOS);
      parked.getAndIncrement();
      isParked = true;
      while (isParked && !closed) {
        Region r = current;
        if (r != null && r.hasWork()) {
          break;
        }
        LockSupport.park(CpuWorkers.this);
        Thread.interrupted(); // nobody interrupts helpers on purpose
      }
      isParked = false;
      parked.getAndDecrement();
      Region r = current;
      if (r != null && r.hasWork() && parked.get() > 0) {
        wakeOne();
      }
    }
  }
}
