package dev.halcyon.cli;

import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.report.CaseReport;
import dev.halcyon.conformance.report.DeviceRun;

/** How far a run is, on one line of standard error if that is a terminal; failures stay on it. */
final class ConformanceProgress implements DeviceRun.Listener, AutoCloseable {
  private static final long REDRAW_NANOS = 100_000_000;
  private static final long SAY_NANOS = 30_000_000_000L;
  private static final int WIDTH = 78;

  private final Console console;
  private final Cancellation cancellation;
  private final String device;
  private final boolean visible;
  private long drawn;
  private int failures;

  ConformanceProgress(Host host, String device) {
    this.console = host.console();
    this.cancellation = host.cancellation();
    this.device = device;
    this.visible = console.terminals().err();
    this.drawn = System.nanoTime() - REDRAW_NANOS;
  }

  @Override
  public void started(ConformanceCase testCase, int done, int total) {
    long now = System.nanoTime();
    if (!visible && (done == 0 || now - drawn >= SAY_NANOS)) {
      drawn = now;
      console.say(device + ": " + done + " of " + total + " cases, " + failures + " failed");
    } else if (visible && now - drawn >= REDRAW_NANOS) {
      drawn = now;
      String line =
          "%s %3d %%, %d of %d, %d failed: %s"
              .formatted(device, 100L * done / total, done, total, failures, testCase.id().path());
      console.sayPart("\r" + fit(line));
    }
  }

  private static String fit(String line) {
    return line.length() > WIDTH
        ? line.substring(0, WIDTH)
        : line + " ".repeat(WIDTH - line.length());
  }

  @Override
  public void ended(CaseReport result) {
    if (result.status() == Status.FAIL || result.status() == Status.ERROR) {
      failures++;
    }
  }

  @Override
  public boolean isCancelled() {
    return cancellation.isRequested();
  }

  /** Wipes the line. */
  @Override
  public void close() {
    if (visible) {
      console.sayPart("\r" + " ".repeat(WIDTH) + "\r");
    }
  }
}
