import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.spi.ToolProvider;

/**
 * Runs google-java-format over the Java sources of all modules and tools. The Maven build starts it
 * with the JDK of the toolchain, because the formatter parses with the compiler of the JDK it runs
 * on:
 *
 * <pre>{@code
 * java -cp google-java-format-all-deps.jar tools/Format.java check|fix REPORT
 * }</pre>
 *
 * <p>{@code check} changes nothing and writes to REPORT which files are not formatted (nothing if
 * all are), for the build to fail with; {@code fix} formats in place. Paths are relative to the
 * working folder, which must be the project's root.
 */
final class Format {
  private static final Set<String> SKIPPED_FOLDERS =
      Set.of("target", ".git", ".halcyon", "node_modules");
  private static final String FIX_COMMAND = "tools/format.sh";

  private Format() {}

  public static void main(String[] args) throws IOException {
    String mode = args.length == 2 ? args[0] : "";
    if (!mode.equals("check") && !mode.equals("fix")) {
      System.err.println("usage: Format check|fix REPORT");
      System.exit(2);
    }
    Path report = Path.of(args[1]);
    Files.deleteIfExists(report);
    ToolProvider formatter =
        ToolProvider.findFirst("google-java-format")
            .orElseThrow(
                () -> new IllegalStateException("google-java-format is not on the class path"));
    List<String> sources = sources(Path.of(""));

    Run dryRun = run(formatter, "--dry-run", sources);
    if (dryRun.failed()) {
      Files.writeString(report, "google-java-format cannot parse:\n" + dryRun.err());
      return;
    }
    List<String> unformatted = dryRun.out().lines().sorted().toList();
    String names = String.join("\n", unformatted);
    if (mode.equals("fix")) {
      if (!unformatted.isEmpty()) {
        run(formatter, "--replace", unformatted);
        System.out.println("formatted:\n" + names);
      }
      Files.writeString(report, "");
      return;
    }
    Files.writeString(
        report,
        unformatted.isEmpty()
            ? ""
            : "%d of %d source files are not formatted:%n%s%nFormat them in place with: %s%n"
                .formatted(unformatted.size(), sources.size(), names, FIX_COMMAND));
  }

  private record Run(boolean failed, String out, String err) {}

  private static Run run(ToolProvider formatter, String option, List<String> files) {
    List<String> arguments = new ArrayList<>();
    arguments.add(option);
    arguments.addAll(files);
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int exitCode =
        formatter.run(
            new PrintWriter(out, true),
            new PrintWriter(err, true),
            arguments.toArray(String[]::new));
    return new Run(exitCode != 0, out.toString(), err.toString());
  }

  private static List<String> sources(Path root) throws IOException {
    List<String> found = new ArrayList<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            Path name = folder.getFileName();
            return name != null && SKIPPED_FOLDERS.contains(name.toString())
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (file.toString().endsWith(".java") && isOurs(file)) {
              found.add(file.toString());
            }
            return FileVisitResult.CONTINUE;
          }
        });
    found.sort(null);
    return found;
  }

  /** The sources of a module, {@code <module>/src/**}, and the tools next to this one. */
  private static boolean isOurs(Path file) {
    return file.startsWith("tools") || file.getNameCount() > 2 && file.getName(1).endsWith("src");
  }
}
