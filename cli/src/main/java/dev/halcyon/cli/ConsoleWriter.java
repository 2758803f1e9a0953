package dev.halcyon.cli;

import java.io.Writer;

/** Standard output for libraries that want a writer. */
final class ConsoleWriter extends Writer {
  private final Console console;

  ConsoleWriter(Console console) {
    this.console = console;
  }

  @Override
  public void write(char[] buffer, int offset, int length) {
    console.print(new String(buffer, offset, length));
  }

  @Override
  public void flush() {
    // every write is complete
  }

  @Override
  public void close() {
    // the console outlives its users
  }
}
