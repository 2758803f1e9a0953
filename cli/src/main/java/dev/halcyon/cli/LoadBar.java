package dev.halcyon.cli;

import dev.halcyon.models.deepseek.LoadProgress;

/**
 * How much of a model is loaded, as a bar on standard error if that is a terminal. Ends the load
 * when cancelled.
 */
final class LoadBar implements LoadProgress, AutoCloseable {
  private static final int CELLS = 30;
  private static final long REDRAW_NANOS = 50_000_000;

  private final Console console;
  private final Cancellation cancellation;
  private final String title;
  private final long total;
  private final boolean visible;
  private long done;
  private long drawn;
  private boolean any;

  LoadBar(Host host, String title, long total) {
    this.console = host.console();
    this.cancellation = host.cancellation();
    this.title = title;
    this.total = Math.max(1, total);
    this.visible = console.terminals().err();
  }

  @Override
  public void advance(long bytes) {
    cancellation.check();
    done += bytes;
    long now = System.nanoTime();
    if (visible && (!any || now - drawn > REDRAW_NANOS)) {
      any = true;
      drawn = now;
      console.sayPart("\r" + line());
    }
  }

  private String line() {
    int filled = (int) Math.min(CELLS, CELLS * done / total);
    return "%s [%s%s] %3d %%, %s of %s"
        .formatted(
            title,
            "#".repeat(filled),
            ".".repeat(CELLS - filled),
            Math.min(100, 100 * done / total),
            Units.bytes(done),
            Units.bytes(total));
  }

  /** Wipes the bar. */
  @Override
  public void close() {
    if (any) {
      console.sayPart("\r" + " ".repeat(line().length() + 8) + "\r");
    }
  }
}
