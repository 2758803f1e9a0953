package dev.halcyon.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A process that has ended.
 *
 * @param code its exit code
 * @param out what it wrote to standard output
 * @param err what it wrote to standard error
 */
record Child(int code, String out, String err) {
  private static final long DEADLINE_SECONDS = 240;

  /** A JVM with the class path and the flags of this one. */
  static ProcessBuilder java(List<String> flags, String mainClass, String... args) {
    Path module = Path.of(System.getProperty("basedir", "")).toAbsolutePath();
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--add-modules=jdk.incubator.vector",
            "-XX:+UseSerialGC"));
    command.addAll(flags);
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(mainClass);
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("HALCYON_CACHE", module.resolve("target/halcyon-cache").toString());
    builder.environment().put("LC_ALL", "C.UTF-8");
    return builder;
  }

  /** Starts it with nothing to read and waits for its end. */
  static Child run(ProcessBuilder builder, Path temp) throws IOException, InterruptedException {
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    Process p = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    p.getOutputStream().close();
    return await(p, out, err);
  }

  /** Waits for the end of a process that writes to these files; kills it if that takes too long. */
  static Child await(Process p, Path out, Path err) throws IOException, InterruptedException {
    if (!p.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
      p.destroyForcibly();
    }
    return new Child(p.waitFor(), read(out), read(err));
  }

  private static String read(Path file) throws IOException {
    return Files.exists(file) ? Files.readString(file, StandardCharsets.UTF_8) : "";
  }
}
