package dev.halcyon.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The three standard streams, in UTF-8. Results go to standard output, everything said to people
 * besides to standard error. Colours only on a terminal, and only if the environment does not set
 * NO_COLOR.
 */
final class Console {
  /** How much to say. */
  enum Detail {
    NORMAL,
    /** Full reports, stack traces, log messages of level info. */
    VERBOSE
  }

  /** Colours and weights, as ANSI codes. */
  enum Style {
    BOLD("1"),
    DIM("2"),
    RED("31"),
    GREEN("32"),
    YELLOW("33");

    private final String code;

    Style(String code) {
      this.code = code;
    }
  }

  private final InputStream in;
  private final OutputStream out;
  private final PrintStream err;
  private final Terminals terminals;
  private final Map<String, String> environment;
  private Detail detail = Detail.NORMAL;

  Console(
      InputStream in,
      OutputStream out,
      OutputStream err,
      Terminals terminals,
      Map<String, String> environment) {
    this.in = in;
    this.out = new BufferedOutputStream(out, 1 << 13);
    this.err = new PrintStream(err, true, StandardCharsets.UTF_8);
    this.terminals = terminals;
    this.environment = Map.copyOf(environment);
  }

  /** The streams of this process. */
  static Console ofProcess() {
    return new Console(
        new FileInputStream(FileDescriptor.in),
        new FileOutputStream(FileDescriptor.out),
        new FileOutputStream(FileDescriptor.err),
        Terminals.ofProcess(),
        System.getenv());
  }

  InputStream in() {
    return in;
  }

  Terminals terminals() {
    return terminals;
  }

  Map<String, String> environment() {
    return environment;
  }

  Detail detail() {
    return detail;
  }

  boolean isVerbose() {
    return detail == Detail.VERBOSE;
  }

  void setDetail(Detail value) {
    detail = value;
  }

  /**
   * Writes to standard output at once.
   *
   * @throws OutputException if it cannot be written
   */
  void print(String text) {
    try {
      out.write(text.getBytes(StandardCharsets.UTF_8));
      out.flush();
    } catch (IOException e) {
      throw new OutputException(e);
    }
  }

  /** Writes a line to standard output. */
  void println(String line) {
    print(line + System.lineSeparator());
  }

  /** Writes a line to standard error; that it may be closed is ignored. */
  void say(String line) {
    err.println(line);
  }

  /** Writes to standard error without a line end, for progress. */
  void sayPart(String text) {
    err.print(text);
    err.flush();
  }

  /** Styled for standard output; plain if that has no colours. */
  String onOut(Style style, String text) {
    return coloursOn(terminals.out()) ? paint(style, text) : text;
  }

  /** Styled for standard error; plain if that has no colours. */
  String onErr(Style style, String text) {
    return coloursOn(terminals.err()) ? paint(style, text) : text;
  }

  boolean coloursOn(boolean terminal) {
    return terminal
        && environment.getOrDefault("NO_COLOR", "").isEmpty()
        && !environment.getOrDefault("TERM", "").equals("dumb");
  }

  private static String paint(Style style, String text) {
    return "\u001b[" + style.code + "m" + text + "\u001b[0m";
  }
}
