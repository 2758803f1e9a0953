package dev.halcyon.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/** Lines a person types, with editing on a terminal; plain lines of standard input otherwise. */
interface LineInput extends AutoCloseable {
  /** The next line; empty at the end of input. */
  Optional<String> next();

  @Override
  void close();

  /**
   * Opens the input of {@code host}.
   *
   * @param keepHistory whether what is typed outlives the process
   */
  static LineInput open(Host host, boolean keepHistory) {
    Terminals terminals = host.console().terminals();
    return terminals.in() && terminals.out() ? new Edited(host, keepHistory) : new Plain(host);
  }

  /** Standard input as it is. */
  final class Plain implements LineInput {
    private final BufferedReader reader;
    private final Host host;

    Plain(Host host) {
      this.host = host;
      this.reader =
          new BufferedReader(new InputStreamReader(host.console().in(), StandardCharsets.UTF_8));
    }

    @Override
    public Optional<String> next() {
      try {
        return host.cancellation().isRequested()
            ? Optional.empty()
            : Optional.ofNullable(reader.readLine());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void close() {
      // standard input is not ours to close
    }
  }

  /** A terminal with line editing. Ctrl-C ends the answer in progress, or clears the line. */
  final class Edited implements LineInput {
    private final Terminal terminal;
    private final LineReader reader;
    private final Cancellation cancellation;

    Edited(Host host, boolean keepHistory) {
      this.cancellation = host.cancellation();
      try {
        this.terminal =
            TerminalBuilder.builder()
                .name("halcyon")
                .system(true)
                .dumb(true)
                .encoding(StandardCharsets.UTF_8)
                .build();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      terminal.handle(Terminal.Signal.INT, signal -> cancellation.request());
      LineReaderBuilder builder =
          LineReaderBuilder.builder()
              .terminal(terminal)
              .appName("halcyon")
              .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
              .option(LineReader.Option.BRACKETED_PASTE, true);
      historyFile(host.console().environment(), keepHistory)
          .ifPresent(file -> builder.variable(LineReader.HISTORY_FILE, file));
      this.reader = builder.build();
    }

    @Override
    public Optional<String> next() {
      cancellation.clear();
      try {
        return Optional.of(reader.readLine("> "));
      } catch (UserInterruptException e) {
        return Optional.of("");
      } catch (EndOfFileException e) {
        cancellation.clear();
        return Optional.empty();
      }
    }

    @Override
    public void close() {
      try {
        terminal.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** A file only its user can read, in XDG_STATE_HOME or ~/.local/state. */
  private static Optional<Path> historyFile(Map<String, String> environment, boolean keep) {
    if (!keep) {
      return Optional.empty();
    }
    String state = environment.getOrDefault("XDG_STATE_HOME", "");
    Path folder =
        (state.isBlank()
                ? Path.of(System.getProperty("user.home"), ".local", "state")
                : Path.of(state))
            .resolve("halcyon");
    Path file = folder.resolve("chat_history");
    try {
      Files.createDirectories(folder);
      if (!Files.exists(file)) {
        Files.createFile(file);
        if (Files.getFileStore(file).supportsFileAttributeView("posix")) {
          Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Optional.of(file);
  }
}
