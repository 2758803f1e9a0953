package dev.halcyon.conformance;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.plan.PlacementReport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Runs cases on a thread of its own and never waits for one longer than a deadline. A device that
 * is lost is opened again; one that hangs, or is lost too often, ends the run: every further case
 * is NOT_RUN with that reason. One caller at a time.
 */
public final class Supervisor implements AutoCloseable {
  /** How long a case may take unless told otherwise. */
  public static final Duration CASE_DEADLINE = Duration.ofMinutes(2);

  /** How often a lost device is opened again. */
  static final int REOPENINGS = 3;

  private static final Duration GRACE = Duration.ofSeconds(3);
  private static final int FRAMES = 4;
  private static final long POLL_NANOS = 50_000_000;

  private final Supplier<Subject> opener;
  private final Duration deadline;
  private final BooleanSupplier cancelled;
  private final Thread[] worker = new Thread[1];
  private final ExecutorService executor;
  private final List<List<PlacementReport.Decision>> placements = new ArrayList<>();
  private Optional<Subject> subject = Optional.empty();
  private Optional<Runner> runner = Optional.empty();
  private Optional<String> ended = Optional.empty();
  private int reopenings;
  private boolean hanging;

  /**
   * Opens the device.
   *
   * @param opener opens the subject; again after its device was lost
   * @param deadline of one case, and of opening and closing
   * @param cancelled asked many times a second; once true, the case at work has a few seconds to
   *     end
   * @throws HalException as the opener, or {@code DEADLINE_EXCEEDED}
   */
  public Supervisor(Supplier<Subject> opener, Duration deadline, BooleanSupplier cancelled) {
    this.opener = opener;
    this.deadline = deadline;
    this.cancelled = cancelled;
    this.executor =
        Executors.newSingleThreadExecutor(
            r -> {
              Thread t = new Thread(r, "conformance");
              t.setDaemon(true);
              worker[0] = t;
              return t;
            });
    boolean complete = false;
    try {
      open();
      complete = true;
    } finally {
      if (!complete) {
        executor.shutdownNow();
      }
    }
  }

  private void open() {
    Future<Subject> opening = executor.submit(opener::get);
    try {
      Subject opened = opening.get(deadline.toNanos(), TimeUnit.NANOSECONDS);
      subject = Optional.of(opened);
      runner = Optional.of(new Runner(opened));
    } catch (TimeoutException e) {
      hanging = true;
      throw HalException.of(
              HalErrorCode.DEADLINE_EXCEEDED,
              "the device did not open within " + deadline.toSeconds() + " s")
          .remedy("look at its driver's log; restart the driver or the machine")
          .build();
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  private static RuntimeException rethrown(Throwable cause) {
    if (cause instanceof RuntimeException r) {
      return r;
    }
    if (cause instanceof Error e) {
      throw e;
    }
    return new IllegalStateException(cause);
  }

  private static CancellationException interrupted() {
    Thread.currentThread().interrupt();
    return new CancellationException("the thread that waits for the cases was interrupted");
  }

  /** The device under test as it was opened last. */
  public Subject subject() {
    return subject.orElseThrow();
  }

  /** Why no further case runs; empty while they do. */
  public Optional<String> ended() {
    return ended;
  }

  /** Runs one case; never throws for what the case or the device does, and never hangs. */
  public CaseResult run(ConformanceCase testCase) {
    if (ended.isEmpty() && cancelled.getAsBoolean()) {
      ended = Optional.of("the run was interrupted");
    }
    if (ended.isPresent()) {
      return new CaseResult(testCase, new Outcome.NotRun(ended.get()), Duration.ZERO);
    }
    long begin = System.nanoTime();
    Runner r = runner.orElseThrow();
    Future<CaseResult> running = executor.submit(() -> r.run(testCase));
    CaseResult result = await(testCase, running, begin);
    if (ended.isEmpty() && r.isDeviceLost()) {
      reopen(testCase);
    }
    return result;
  }

  private CaseResult await(ConformanceCase testCase, Future<CaseResult> running, long begin) {
    Duration limit = deadline;
    boolean interrupted = false;
    while (true) {
      try {
        return running.get(POLL_NANOS, TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        Duration taken = Duration.ofNanos(System.nanoTime() - begin);
        if (!interrupted && cancelled.getAsBoolean()) {
          interrupted = true;
          limit = taken.plus(GRACE);
        }
        if (taken.compareTo(limit) > 0) {
          return interrupted ? leave(testCase, running, taken) : expire(testCase, running, taken);
        }
      } catch (ExecutionException e) {
        return new CaseResult(testCase, new Outcome.Fault(e.getCause()), since(begin));
      } catch (InterruptedException e) {
        throw interrupted();
      }
    }
  }

  private static Duration since(long begin) {
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  private CaseResult leave(ConformanceCase testCase, Future<?> running, Duration taken) {
    hanging = true;
    running.cancel(true);
    ended = Optional.of("the run was interrupted");
    return new CaseResult(testCase, new Outcome.NotRun("interrupted"), taken);
  }

  private CaseResult expire(ConformanceCase testCase, Future<?> running, Duration taken) {
    CaseTimeoutException timeout = new CaseTimeoutException(testCase.id(), deadline, where());
    hanging = true;
    running.cancel(true);
    ended = Optional.of("the device hangs: " + testCase.id() + " did not return");
    return new CaseResult(testCase, new Outcome.Fault(timeout), taken);
  }

  /** Where the worker is: its innermost frames outside of the JDK. */
  private String where() {
    String at =
        Arrays.stream(worker[0].getStackTrace())
            .filter(
                e -> !e.getClassName().startsWith("java.") && !e.getClassName().startsWith("jdk."))
            .limit(FRAMES)
            .map(e -> e.getClassName() + "." + e.getMethodName() + ":" + e.getLineNumber())
            .collect(Collectors.joining(" < "));
    return at.isEmpty() ? "an unknown place" : at;
  }

  private void reopen(ConformanceCase after) {
    keepPlacement();
    closeQuietly(subject());
    if (++reopenings > REOPENINGS) {
      ended = Optional.of("the device was lost " + reopenings + " times, last by " + after.id());
      return;
    }
    try {
      open();
    } catch (RuntimeException e) {
      ended =
          Optional.of(
              "the device was lost by " + after.id() + " and cannot be opened: " + e.getMessage());
    }
  }

  private void closeQuietly(Subject lost) {
    try {
      executor.submit(lost::close).get(GRACE.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      // a lost device may refuse to close
    } catch (TimeoutException e) {
      hanging = true;
      ended = Optional.of("the device was lost and does not close");
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  private void keepPlacement() {
    placements.add(subject().planner(Route.PREFERRED).report().decisions());
  }

  /** Every distinct decision of the planner so far, those before a loss of the device included. */
  public List<PlacementReport.Decision> placement() {
    List<List<PlacementReport.Decision>> all = new ArrayList<>(placements);
    all.add(subject().planner(Route.PREFERRED).report().decisions());
    return Placements.merge(all);
  }

  /**
   * Closes the device; a device that hangs is left alone.
   *
   * @throws HalException {@code CLOSE_ORDER} if a case left something open
   */
  @Override
  public void close() {
    try {
      if (!hanging) {
        executor
            .submit(() -> subject.ifPresent(Subject::close))
            .get(deadline.toNanos(), TimeUnit.NANOSECONDS);
      }
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    } catch (TimeoutException e) {
      throw HalException.of(
              HalErrorCode.DEADLINE_EXCEEDED,
              "the device did not close within " + deadline.toSeconds() + " s")
          .build();
    } catch (InterruptedException e) {
      throw interrupted();
    } finally {
      executor.shutdownNow();
    }
  }
}
