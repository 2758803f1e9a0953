package dev.halcyon.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * Which of the standard streams are a terminal.
 *
 * @param in standard input
 * @param out standard output
 * @param err standard error
 */
record Terminals(boolean in, boolean out, boolean err) {
  static final Terminals NONE = new Terminals(false, false, false);

  /** Asks the C library, stream by stream; {@link System#console} knows only all or none. */
  static Terminals ofProcess() {
    Linker linker = Linker.nativeLinker();
    Optional<MemorySegment> isatty = linker.defaultLookup().find("isatty");
    if (isatty.isPresent()) {
      var call =
          linker.downcallHandle(
              isatty.get(), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
      try {
        return new Terminals(
            (int) call.invokeExact(0) == 1,
            (int) call.invokeExact(1) == 1,
            (int) call.invokeExact(2) == 1);
      } catch (Throwable e) {
        throw new AssertionError("isatty throws nothing", e);
      }
    }
    boolean all = System.console() != null && System.console().isTerminal();
    return new Terminals(all, all, all);
  }
}
