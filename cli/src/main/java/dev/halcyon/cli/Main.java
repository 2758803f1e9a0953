package dev.halcyon.cli;

import dev.halcyon.hal.HalException;
import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** The {@code halcyon} command. */
@Command(
    name = "halcyon",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    header = "Runs DeepSeek models on the accelerators of this machine, all by one model code.",
    footerHeading = "%n",
    footer = {
      "Start with:  halcyon run --model demo --device all --prompt \"It was a fine day, and\"",
      "Results go to standard output, everything else to standard error; with --json a result is"
          + " one JSON document."
    },
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      " 0:done",
      " 1:devices disagree, parity is not met, or a planned model lacks operators",
      " 1:devices disagree, or parity or conformance is not met",
      " 2:bad input: command line, file, model or device; the message names it and the remedy",
      " 3:conformance: a device is unavailable",
      "70:a defect of halcyon",
      "74:standard output cannot be written",
      "130:interrupted",
      "141:the reader of standard output went away"
    })
public final class Main implements Runnable {
  private static final String LOG_LEVEL = "org.slf4j.simpleLogger.defaultLogLevel";

  private final Host host;

  @Spec private CommandSpec spec;

  private Main(Host host) {
    this.host = host;
  }

  /** Runs the command and ends the process with its exit code. */
  public static void main(String[] args) {
    Host host = Host.ofProcess();
    host.cancellation().guardProcess();
    int code = run(host, args);
    host.cancellation().finish();
    System.exit(code);
  }

  /**
   * Runs the command in this process.
   *
   * @return its {@link ExitCode}
   */
  static int run(Host host, String... args) {
    try {
      return commandLine(host).execute(args);
    } catch (RuntimeException | Error e) {
      // picocli hands on what is thrown while it prints help, and errors of commands
      return failed(host, e);
    }
  }

  private static CommandLine commandLine(Host host) {
    Console console = host.console();
    CommandLine line =
        new CommandLine(new Main(host))
            .addSubcommand(new DevicesCommand(host))
            .addSubcommand(new PlanCommand(host))
            .addSubcommand(new RunCommand(host))
            .addSubcommand(new ChatCommand(host))
            .addSubcommand(new ParityCommand(host))
            .addSubcommand(new PerplexityCommand(host))
            .addSubcommand(new BenchCommand(host))
            .addSubcommand(ConformanceCommand.commandLine(host));
    // a prompt may begin with '@'
    line.setExpandAtFiles(false);
    line.setColorScheme(
        CommandLine.Help.defaultColorScheme(
            console.coloursOn(console.terminals().out()) ? Ansi.ON : Ansi.OFF));
    line.setOut(new PrintWriter(new ConsoleWriter(console), true));
    line.setUsageHelpAutoWidth(false);
    line.setUsageHelpWidth(100);
    line.setParameterExceptionHandler((e, args) -> badCommandLine(console, e));
    line.setExecutionExceptionHandler((e, command, result) -> failed(host, e));
    return line;
  }

  @Option(
      names = "--verbose",
      scope = ScopeType.INHERIT,
      description = "Full placement reports, log messages, and stack traces of errors.")
  private void setVerbose(boolean verbose) {
    if (verbose) {
      host.console().setDetail(Console.Detail.VERBOSE);
      System.setProperty(LOG_LEVEL, "info");
    }
  }

  /** Without a command: what there is. */
  @Override
  public void run() {
    host.console().say(spec.commandLine().getUsageMessage().stripTrailing());
    throw new ParameterException(spec.commandLine(), "Missing command");
  }

  private static int badCommandLine(Console console, ParameterException e) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    String advice = "see '" + command + " --help'";
    if (e instanceof UnmatchedArgumentException u && !u.getSuggestions().isEmpty()) {
      advice = "did you mean " + String.join(" or ", u.getSuggestions()) + "? Otherwise " + advice;
    }
    complain(console, e.getMessage() + "; remedy: " + advice);
    trace(console, e);
    return ExitCode.BAD_INPUT;
  }

  private static int failed(Host host, Throwable failure) {
    Console console = host.console();
    if (failure instanceof Cancellation.CancelledException || host.cancellation().isRequested()) {
      trace(console, failure);
      return ExitCode.INTERRUPTED;
    }
    return switch (failure) {
      case OutputException e -> outputFailed(console, e);
      case HalException e -> {
        complain(console, e.getMessage());
        trace(console, e);
        yield ExitCode.BAD_INPUT;
      }
      case OutOfMemoryError e -> {
        complain(
            console,
            "not enough Java heap ("
                + e.getMessage()
                + "); remedy: HALCYON_JAVA_OPTS=-Xmx8g, for example");
        trace(console, e);
        yield ExitCode.BAD_INPUT;
      }
      default -> {
        complain(
            console,
            "defect: "
                + failure
                + (console.isVerbose() ? "" : "; run again with --verbose for the details"));
        trace(console, failure);
        yield ExitCode.DEFECT;
      }
    };
  }

  private static int outputFailed(Console console, OutputException e) {
    if (e.readerIsGone()) {
      return ExitCode.OUTPUT_CLOSED;
    }
    complain(console, "cannot write to standard output: " + e.getCause().getMessage());
    return ExitCode.OUTPUT_FAILED;
  }

  /** One line, whatever the message holds. */
  static void complain(Console console, String message) {
    console.say(
        console.onErr(Console.Style.RED, "halcyon:")
            + " "
            + message.replaceAll("\\s*\\R\\s*", " "));
  }

  private static void trace(Console console, Throwable failure) {
    if (console.isVerbose()) {
      StringWriter text = new StringWriter();
      failure.printStackTrace(new PrintWriter(text, true));
      console.say(text.toString().stripTrailing());
    }
  }

  /** The version in the jar's manifest. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"halcyon " + halcyon(), "Java " + Runtime.version()};
    }

    /** Without a name before it. */
    static String halcyon() {
      String version = Main.class.getPackage().getImplementationVersion();
      return version == null ? "(development build)" : version;
    }
  }
}
