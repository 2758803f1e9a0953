package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * A parallel loop over {@code [0, n)} in chunks that any thread may claim. Each stream has one and
 * reuses it for every command.
 *
 * @implNote {@code remaining} counts the chunks nobody has claimed, {@code pending} those not
 *     finished. A claim is a compare-and-set of a positive {@code remaining}, so a thread that
 *     looks late either claims a chunk of whatever loop runs by then, or nothing; the loop's
 *     description is read after a claim only, and cannot change before that chunk is finished. The
 *     owner waits for claimed chunks only, never for a thread to begin.
 */
final class Region {
  /** A loop body in Java. */
  interface Body {
    /**
     * Runs the indices {@code begin} to {@code end}.
     *
     * @param scratch {@link Kernels#SCRATCH_BYTES} bytes private to the thread
     */
    void run(long scratch, long begin, long end);
  }

  private static final int PAD = 16;
  private static final int REMAINING = PAD;
  private static final int PENDING = 2 * PAD;
  private static final VarHandle CELLS = MethodHandles.arrayElementVarHandle(long[].class);
  private static final VarHandle FAILURE;

  static {
    try {
      FAILURE = MethodHandles.lookup().findVarHandle(Region.class, "failure", Throwable.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final Body NO_BODY = (scratch, begin, end) -> {};

  /** How long a waiting owner spins before it parks. */
  private static final long SPIN_NANOS = 50_000;

  // apart in memory: both are written by all threads
  private final long[] cells = new long[3 * PAD + 1];
  private final KernelTier tier;
  private Body body = NO_BODY;
  private int kernel;
  private long slots;
  private int slotCount;
  private long n;
  private long chunk;
  private long chunks;
  private volatile Throwable failure;
  private volatile Thread waiter;

  Region(KernelTier tier) {
    this.tier = tier;
  }

  /** Describes a kernel call; returns the number of chunks. */
  long kernel(int id, long slotsAddress, int count, long end, long chunkSize) {
    body = NO_BODY;
    kernel = id;
    slots = slotsAddress;
    slotCount = count;
    return space(end, chunkSize);
  }

  /** Describes a loop in Java; returns the number of chunks. */
  long body(Body loop, long end, long chunkSize) {
    body = loop;
    slotCount = 0;
    return space(end, chunkSize);
  }

  private long space(long end, long chunkSize) {
    n = end;
    chunk = chunkSize;
    chunks = (end + chunkSize - 1) / chunkSize;
    return chunks;
  }

  /** Runs the whole loop on the calling thread, with its own scratch in slot 0. */
  void alone(long scratch) {
    if (body == NO_BODY) {
      Raw.i64(slots, scratch);
      tier.run(kernel, slots, 0, n);
    } else {
      body.run(scratch, 0, n);
    }
  }

  /** Lets threads claim chunks from now on. */
  void open() {
    failure = null;
    CELLS.setOpaque(cells, PENDING, chunks);
    CELLS.setVolatile(cells, REMAINING, chunks);
  }

  /** Whether there are chunks to claim. */
  boolean hasWork() {
    return (long) CELLS.getVolatile(cells, REMAINING) > 0;
  }

  private long claim() {
    long r = (long) CELLS.getOpaque(cells, REMAINING);
    while (r > 0) {
      long seen = (long) CELLS.compareAndExchange(cells, REMAINING, r, r - 1);
      if (seen == r) {
        return r;
      }
      r = seen;
    }
    return 0;
  }

  /**
   * Claims and runs chunks until none is left.
   *
   * @param scratch the calling thread's
   * @param slotCopy where the calling thread keeps its copy of the argument array
   * @return whether there was any
   */
  boolean help(long scratch, long slotCopy) {
    long claimed = claim();
    if (claimed == 0) {
      return false;
    }
    Body loop = body;
    boolean isKernel = loop == NO_BODY;
    if (isKernel) {
      NativeMemory.copy(slots, slotCopy, 8L * slotCount);
      Raw.i64(slotCopy, scratch);
    }
    long done = 0;
    do {
      long begin = (chunks - claimed) * chunk;
      long end = Math.min(n, begin + chunk);
      if (failure == null) {
        try {
          if (isKernel) {
            tier.run(kernel, slotCopy, begin, end);
          } else {
            loop.run(scratch, begin, end);
          }
        } catch (Throwable e) {
          FAILURE.compareAndSet(this, null, e);
        }
      }
      done++;
      claimed = claim();
    } while (claimed != 0);
    if ((long) CELLS.getAndAdd(cells, PENDING, -done) == done) {
      Thread w = waiter;
      if (w != null) {
        LockSupport.unpark(w);
      }
    }
    return true;
  }

  /** Waits for the chunks other threads have claimed, then throws what any of them threw. */
  void await() throws Throwable {
    if ((long) CELLS.getVolatile(cells, PENDING) != 0) {
      long start = System.nanoTime();
      while ((long) CELLS.getVolatile(cells, PENDING) != 0) {
        for (int i = 0; i < 32 && (long) CELLS.getOpaque(cells, PENDING) != 0; i++) {
          Thread.onSpinWait();
        }
        if (System.nanoTime() - start > SPIN_NANOS) {
          park();
        }
      }
    }
    Throwable thrown = failure;
    if (thrown != null) {
      failure = null;
      throw thrown;
    }
  }

  private void park() {
    waiter = Thread.currentThread();
    try {
      while ((long) CELLS.getVolatile(cells, PENDING) != 0) {
        LockSupport.park(this);
        if (Thread.currentThread().isInterrupted()) {
          Thread.onSpinWait(); // park returns at once: poll, and leave the interrupt to the caller
        }
      }
    } finally {
      waiter = null;
    }
  }
}
