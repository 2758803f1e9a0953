package dev.halcyon.cli;

import java.io.IOException;

/** Standard output cannot be written. */
final class OutputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  OutputException(IOException cause) {
    super(cause);
  }

  /** Whether its reader went away, as {@code head} does: no reason to complain. */
  boolean readerIsGone() {
    String text = String.valueOf(getCause().getMessage()).toLowerCase(java.util.Locale.ROOT);
    return text.contains("pipe") || text.contains("connection reset");
  }
}
