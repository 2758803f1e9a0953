package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What only a process of its own shows: the environment, signals, pipes and the launcher. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "POSIX signals and shell scripts")
class ChildProcessTest {
  private static final Path MODULE = Path.of(System.getProperty("basedir", "")).toAbsolutePath();

  @TempDir Path temp;

  private static ProcessBuilder java(String... args) {
    return Child.java(List.of(), "dev.halcyon.cli.Main", args);
  }

  private Child end(ProcessBuilder builder) throws Exception {
    return Child.run(builder, temp);
  }

  private static String complaint(String err) {
    List<String> lines = err.lines().filter(l -> l.startsWith("halcyon:")).toList();
    assertEquals(1, lines.size(), err);
    return lines.getFirst();
  }

  @Test
  void openClWithoutAPlatformIsUnavailableWithARemedy() throws Exception {
    Path empty = Files.createDirectory(temp.resolve("vendors"));
    ProcessBuilder devices = java("devices", "--json");
    devices.environment().put("OCL_ICD_VENDORS", empty.toString());
    Child listed = end(devices);
    assertEquals(ExitCode.OK, listed.code(), listed.err());
    JsonNode all = JsonMapper.builder().build().readTree(listed.out());
    boolean seen = false;
    for (JsonNode o : all) {
      if (o.get("backend").stringValue().equals("opencl")) {
        seen = true;
        assertEquals("UNAVAILABLE", o.get("state").stringValue(), listed.out());
        assertFalse(o.get("reason").stringValue().isBlank());
        assertFalse(o.get("remedy").stringValue().isBlank());
      }
    }
    assertTrue(seen, listed.out());

    ProcessBuilder run = java("run", "--model", "demo", "--prompt", "x", "--device", "opencl://0");
    run.environment().put("OCL_ICD_VENDORS", empty.toString());
    Child ended = end(run);
    assertEquals(ExitCode.BAD_INPUT, ended.code(), ended.err());
    String line = complaint(ended.err());
    assertTrue(line.contains("opencl://0") && line.contains("remedy: "), line);
    assertTrue(line.contains("HAL-1103 DEVICE_UNAVAILABLE"), line);
    assertFalse(ended.err().contains("\tat "), ended.err());
  }

  @Test
  void launcherRefusesAnOldJdk() throws Exception {
    Path home = Files.createDirectories(temp.resolve("old jdk"));
    Path java = Files.createDirectories(home.resolve("bin")).resolve("java");
    Files.writeString(
        java, "#!/bin/sh\necho 'openjdk version \"17.0.15\" 2025-04-15' >&2\nexit 0\n");
    assertTrue(java.toFile().setExecutable(true));
    ProcessBuilder launcher =
        new ProcessBuilder("bash", MODULE.resolve("../halcyon").normalize().toString(), "devices");
    launcher.environment().put("HALCYON_JAVA_HOME", home.toString());
    launcher.environment().put("HALCYON_NO_BUILD", "1");
    Child ended = end(launcher);
    assertEquals(ExitCode.BAD_INPUT, ended.code(), ended.err());
    assertEquals("", ended.out());
    assertTrue(ended.err().contains("JDK of 25 or newer"), ended.err());
    assertTrue(ended.err().contains("Java 17"), ended.err());
    assertTrue(ended.err().contains("Remedy:"), ended.err());
  }

  @Test
  void readerOfStandardOutputMayGoAway() throws Exception {
    ProcessBuilder builder =
        java("run", "--model", "demo", "--prompt", "x", "--max-tokens", "2000", "--ignore-eos");
    Path err = temp.resolve("err");
    Process p = builder.redirectError(err.toFile()).start();
    p.getInputStream().read();
    p.getInputStream().close();
    Child ended = Child.await(p, temp.resolve("out"), err);
    assertEquals(ExitCode.OUTPUT_CLOSED, ended.code(), ended.err());
    assertFalse(ended.err().contains("Exception"), ended.err());
    assertFalse(ended.err().contains("halcyon:"), ended.err());
  }

  @Test
  void interruptEndsCleanly() throws Exception {
    ProcessBuilder builder =
        java(
            "run",
            "--model",
            "demo",
            "--prompt",
            "x",
            "--max-tokens",
            "4000",
            "--ignore-eos",
            "--temperature",
            "1",
            // slow enough for a signal to come in time, also on a busy machine
            "--no-native");
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    Process p = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (Files.size(out) < 20 && p.isAlive() && System.nanoTime() < deadline) {
      Thread.sleep(5);
    }
    new ProcessBuilder("kill", "-INT", Long.toString(p.pid())).inheritIO().start().waitFor();
    Child ended = Child.await(p, out, err);
    assertEquals(ExitCode.INTERRUPTED, ended.code(), ended.err());
    assertFalse(ended.err().contains("Exception"), ended.err());
    assertFalse(ended.err().contains("leak"), ended.err());
  }

  @Test
  void textIsUtf8WhateverTheLocale() throws Exception {
    ProcessBuilder builder =
        java("run", "--model", "demo", "--prompt", "x", "--max-tokens", "24", "--json");
    builder.environment().putAll(Map.of("LC_ALL", "POSIX"));
    Child ended = end(builder);
    assertEquals(ExitCode.OK, ended.code(), ended.err());
    String text = JsonMapper.builder().build().readTree(ended.out()).get("text").stringValue();
    Command.Result here =
        Command.PLAIN.run(
            "run", "--model", "demo", "--prompt", "x", "--max-tokens", "24", "--json");
    assertEquals(here.json().get("text").stringValue(), text);
  }
}
