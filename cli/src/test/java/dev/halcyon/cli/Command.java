package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.models.ModelLocator;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The command in this process, with streams that tests can read. */
record Command(
    Supplier<HalRegistry> backends,
    Terminals terminals,
    Map<String, String> environment,
    String input) {
  /** The golden vectors of the models, in their module. */
  static final Path GOLDEN =
      Path.of(System.getProperty("basedir", ""))
          .toAbsolutePath()
          .resolve("../models/src/test/resources/golden")
          .normalize();

  /** Where the demo model is extracted to; built once per build. */
  private static final Path CACHE =
      Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("target/halcyon-cache");

  /** The backends of the class path, no terminal, nothing to read. */
  static final Command PLAIN = new Command(HalRegistry::discover, Terminals.NONE, Map.of(), "");

  Command withBackends(HalRegistry registry) {
    return new Command(() -> registry, terminals, environment, input);
  }

  Command withTerminals(Terminals value) {
    return new Command(backends, value, environment, input);
  }

  Command withEnvironment(Map<String, String> value) {
    return new Command(backends, terminals, value, input);
  }

  Command withInput(String value) {
    return new Command(backends, terminals, environment, value);
  }

  Result run(String... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code = run(out, err, new Cancellation(), args);
    return new Result(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  int run(OutputStream out, OutputStream err, Cancellation cancellation, String... args) {
    Console console =
        new Console(
            new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
            out,
            err,
            terminals,
            environment);
    ModelLocator models = new ModelLocator(Map.of("HALCYON_CACHE", CACHE.toString()), CACHE);
    return Main.run(new Host(console, backends, models, cancellation), args);
  }

  /** How a command ended. */
  record Result(int code, String out, String err) {
    JsonNode json() {
      return JsonMapper.builder().build().readTree(out);
    }

    Result assertOk() {
      assertEquals(ExitCode.OK, code, err);
      return this;
    }

    /**
     * Bad input: exit code 2, nothing on stdout, one line that names all {@code words}, a remedy
     * and the code.
     */
    Result assertBadInput(HalErrorCode error, String... words) {
      assertEquals(ExitCode.BAD_INPUT, code, err);
      assertEquals("", out);
      String line = complaint();
      assertTrue(line.contains(error.id() + " " + error.name()), line);
      assertTrue(line.contains("remedy: "), line);
      for (String word : words) {
        assertTrue(line.contains(word), "'" + word + "' not in: " + line);
      }
      assertFalse(err.contains("\tat "), "no stack trace: " + err);
      assertFalse(err.contains("Exception"), "no class names: " + err);
      return this;
    }

    /** The one line of the error. */
    String complaint() {
      var lines = err.lines().filter(l -> l.startsWith("halcyon:")).toList();
      assertEquals(1, lines.size(), err);
      return lines.getFirst();
    }
  }
}
