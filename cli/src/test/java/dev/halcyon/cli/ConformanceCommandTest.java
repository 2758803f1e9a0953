package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.hal.HalErrorCode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code halcyon conformance} and its subcommands, by what they print and how they exit. */
class ConformanceCommandTest {
  private static final String ONE =
      "hal:op/MatMul:a=f32,b=f32,data=uniform,m=3,k=64,n=33,layout=dense";

  @TempDir Path temp;

  private static Command.Result run(String... args) {
    List<String> all = new ArrayList<>(List.of("conformance"));
    all.addAll(List.of(args));
    return Command.PLAIN.run(all.toArray(String[]::new));
  }

  /** A small golden model whose recorded logits are wrong in one place. */
  private Path wrongGolden() throws IOException {
    Path source = Command.GOLDEN.resolve("odd-v2lite-tiny");
    Path target = temp.resolve("wrong-tiny");
    if (Files.exists(target)) {
      return target;
    }
    try (Stream<Path> files = Files.walk(source)) {
      for (Path f : files.toList()) {
        Files.copy(f, target.resolve(source.relativize(f).toString()));
      }
    }
    Path tensors = target.resolve("golden.safetensors");
    byte[] bytes = Files.readAllBytes(tensors);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    int header = (bytes[0] & 0xff) | (bytes[1] & 0xff) << 8 | (bytes[2] & 0xff) << 16;
    String entry = text.substring(text.indexOf("\"chat.logits\""));
    int offset =
        Integer.parseInt(entry.replaceFirst("(?s).*?\"data_offsets\":\\s*\\[\\s*(\\d+).*", "$1"));
    // the sign of an element
    bytes[8 + header + offset + 4 * 77 + 3] ^= (byte) 0x80;
    Files.write(tensors, bytes);
    return target;
  }

  @Test
  void metRunWritesThreeReports() throws IOException {
    Path out = temp.resolve("new/folder");
    Command.Result r = run("--filter", ONE, "--out", out.toString()).assertOk();
    assertTrue(r.out().contains("cpu://: profile full met"), r.out());
    assertTrue(r.out().contains("largest share of a bound"), r.out());
    JsonNode json =
        JsonMapper.builder().build().readTree(Files.readString(out.resolve("results.json")));
    assertEquals(1, json.get("schema").intValue());
    assertEquals(ONE, json.at("/devices/0/results/0/id").stringValue());
    assertEquals("PASS", json.at("/devices/0/results/0/status").stringValue());
    assertEquals("NATIVE", json.at("/devices/0/placement/0/placement").stringValue());
    assertTrue(json.at("/devices/0/counts/PASS").intValue() == 1);
    assertTrue(Files.readString(out.resolve("junit.xml")).contains("<testcase"));
    assertTrue(Files.readString(out.resolve("report.html")).contains("</html>"));
  }

  @Test
  void jsonIsTheReport() {
    JsonNode json = run("--filter", ONE, "--json").assertOk().json();
    assertEquals("cpu://", json.at("/devices/0/device/uri").stringValue());
    assertEquals(ONE, json.get("query").stringValue());
  }

  @Test
  void failureExitsWithOneAndSaysHowToRepeatIt() throws IOException {
    String golden = wrongGolden().toString();
    Command.Result r = run("--golden", golden, "--filter", "hal:model/wrong-tiny:check=logits");
    assertEquals(ExitCode.DISAGREEMENT, r.code(), r.err());
    assertTrue(r.out().contains("FAIL hal:model/wrong-tiny:weights=bf16,check=logits"), r.out());
    assertTrue(r.out().contains("1 logits are wrong; chat[0, 77]"), r.out());
    assertTrue(
        r.out()
            .contains(
                "halcyon conformance --device cpu:// --golden "
                    + golden
                    + " --filter 'hal:model/wrong-tiny:weights=bf16,check=logits'"),
        r.out());
    assertTrue(r.out().contains("NOT met"), r.out());
  }

  @Test
  void waiverToleratesAFailureUntilItIsOver() throws IOException {
    String golden = wrongGolden().toString();
    Path waivers = temp.resolve("waivers.json");
    String text =
        """
        [
          {
            "device": "cpu://",
            "query": "hal:model/wrong-tiny:check=logits",
            "issue": "https://example.org/7",
            "expect": "logits are wrong",
            "expires": "%s"
          }
        ]
        """;
    String[] args = {
      "--golden",
      golden,
      "--filter",
      "hal:model/wrong-tiny:check=logits",
      "--waivers",
      waivers.toString()
    };
    Files.writeString(waivers, text.formatted("2999-12-31"));
    run(args).assertOk();
    Files.writeString(waivers, text.formatted("2020-01-01"));
    Command.Result expired = run(args);
    assertEquals(ExitCode.DISAGREEMENT, expired.code());
    assertTrue(expired.out().contains("waivers line 2:"), expired.out());
    assertTrue(expired.out().contains("expired on 2020-01-01"), expired.out());
    Files.writeString(waivers, "{}");
    run(args).assertBadInput(HalErrorCode.INVALID_OPTION, "waivers.json:1", "array");
  }

  @Test
  void unavailableDeviceExitsWithThree() {
    Command.Result r = run("--device", "opencl://99", "--filter", ONE);
    assertEquals(ExitCode.DEVICE_UNAVAILABLE, r.code(), r.err());
    assertTrue(r.complaint().contains("opencl://99"), r.err());
    Command.Result unknown = run("--device", "cpu://", "--device", "nothing://0", "--filter", ONE);
    assertEquals(ExitCode.DEVICE_UNAVAILABLE, unknown.code(), unknown.err());
    assertEquals("", unknown.out());
  }

  @Test
  void mistakesExitWithTwo() {
    assertEquals(ExitCode.BAD_INPUT, run("--profile", "nonsense").code());
    assertEquals(ExitCode.BAD_INPUT, run("--nonsense").code());
    run("--filter", "hal:op/Nonsense")
        .assertBadInput(HalErrorCode.INVALID_OPTION, "hal:op/Nonsense");
    run("--filter", "hal:op/MatMul:nonsense")
        .assertBadInput(HalErrorCode.INVALID_OPTION, "name=value");
    run("--device", "not a uri").assertBadInput(HalErrorCode.INVALID_URI, "not a uri");
    run("--golden", temp.toString()).assertBadInput(HalErrorCode.GOLDEN_INVALID, "golden.json");
    run("--deadline", "0").assertBadInput(HalErrorCode.INVALID_OPTION, "deadline");
    run("compare", temp.resolve("none.json").toString())
        .assertBadInput(HalErrorCode.INVALID_OPTION, "none.json");
    run("explain", "hal:op/Nonsense").assertBadInput(HalErrorCode.INVALID_OPTION, "Nonsense");
  }

  @Test
  void listPrintsIdsAndExplainSaysWhatTheyMean() {
    Command.Result list = run("list", "hal:op/MatMul:a=f32,b=f32,layout=dense").assertOk();
    assertTrue(list.out().lines().toList().contains(ONE), list.out());
    assertTrue(list.out().lines().allMatch(l -> l.startsWith("hal:op/MatMul:")), list.out());
    assertTrue(list.err().contains(list.out().lines().count() + " cases"), list.err());

    Command.Result explain = run("explain", ONE).assertOk();
    assertTrue(explain.out().startsWith(ONE), explain.out());
    assertTrue(explain.out().contains("OP-MATMUL-1: `out["), explain.out());
    assertTrue(explain.out().contains("Bound of MatMul"), explain.out());
    assertTrue(explain.out().contains("--filter '" + ONE + "'"), explain.out());
  }

  @Test
  void compareAndSupportReadReports() {
    Path a = temp.resolve("a");
    Path b = temp.resolve("b");
    run("--filter", ONE, "--out", a.toString()).assertOk();
    run("--filter", "hal:op/RmsNorm:t=1,n=7", "--out", b.toString()).assertOk();
    String first = a.resolve("results.json").toString();
    String second = b.resolve("results.json").toString();
    Command.Result compared = run("compare", first, second).assertOk();
    assertTrue(compared.out().contains("cpu:// (2)"), compared.out());
    assertTrue(
        compared.out().lines().anyMatch(l -> l.startsWith("MatMul") && l.contains("native")),
        compared.out());
    Command.Result support = run("support", first).assertOk();
    assertTrue(support.out().contains("| MatMul | f32 | native |"), support.out());
  }

  /** docs/SUPPORT.md is made by hand from a run; this finds out when that is due. */
  @Test
  void supportPageListsEveryOperator() throws IOException {
    Path page =
        Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../docs/SUPPORT.md");
    Set<String> written = new TreeSet<>();
    for (String line : Files.readAllLines(page)) {
      String[] cells = line.split(" *\\| *");
      if (cells.length > 3 && !cells[1].equals("operator") && !cells[1].startsWith("-")) {
        written.add(cells[1]);
      }
    }
    Set<String> asked = new TreeSet<>();
    run("list", "hal:op/*", "--profile", "operators")
        .assertOk()
        .out()
        .lines()
        .map(CaseId::parse)
        .forEach(id -> asked.add(id.subject()));
    assertEquals(asked, written);
  }

  @Test
  void cancelledRunWritesWhatItHas() throws IOException {
    Path out = temp.resolve("out");
    Cancellation cancellation = new Cancellation();
    cancellation.request();
    int code =
        Command.PLAIN.run(
            java.io.OutputStream.nullOutputStream(),
            java.io.OutputStream.nullOutputStream(),
            cancellation,
            "conformance",
            "--filter",
            ONE,
            "--out",
            out.toString());
    assertEquals(ExitCode.INTERRUPTED, code);
    assertTrue(Files.exists(out.resolve("results.json")));
  }

  @Test
  @DisabledOnOs(value = OS.WINDOWS, disabledReason = "it sends POSIX signals")
  void interruptedProcessWritesWhatItHas() throws Exception {
    Path folder = temp.resolve("report");
    Path out = temp.resolve("stdout");
    Path err = temp.resolve("stderr");
    Process p =
        Child.java(
                List.of(),
                "dev.halcyon.cli.Main",
                "conformance",
                "--profile",
                "full",
                "--out",
                folder.toString())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    while (!Files.readString(err).contains("cpu://: 0 of") && System.nanoTime() < deadline) {
      Thread.sleep(20);
    }
    Thread.sleep(1500);
    assertTrue(p.isAlive(), "ended too early");
    new ProcessBuilder("kill", "-INT", Long.toString(p.pid())).inheritIO().start().waitFor();
    assertTrue(p.waitFor(30, TimeUnit.SECONDS));
    Child ended = Child.await(p, out, err);
    assertEquals(ExitCode.INTERRUPTED, ended.code(), ended.err());
    assertFalse(ended.err().contains("Exception"), ended.err());
    String json = Files.readString(folder.resolve("results.json"));
    assertTrue(json.contains("the run was interrupted"), "no reason in the report");
    assertTrue(json.contains("\"PASS\""), "nothing ran before the interrupt");
  }
}
