package dev.halcyon.conformance.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.models.ModelLocator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Golden models on the CPU, unharmed and with planted faults. */
class ModelCasesTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("basedir", ""))
          .toAbsolutePath()
          .resolve("../models/src/test/resources/golden")
          .normalize();

  @TempDir Path temp;

  private static List<CaseResult> run(Path golden, String query) {
    List<CaseResult> results = new ArrayList<>();
    Catalogue catalogue = new Catalogue(List.of(ModelCases.golden(golden)));
    try (Subject subject = new Subject(() -> HalRegistry.discover().open("cpu://"))) {
      new Runner(subject)
          .run(catalogue.cases(Profile.MODELS, CaseQuery.parse(query)), results::add);
    }
    return results;
  }

  private Path copy(String name) throws IOException {
    Path target = temp.resolve(name);
    try (Stream<Path> files = Files.walk(GOLDEN.resolve(name))) {
      for (Path f : files.toList()) {
        Files.copy(f, target.resolve(GOLDEN.resolve(name).relativize(f).toString()));
      }
    }
    return target;
  }

  /** Adds to one element of an F32 or I32 tensor of golden.safetensors. */
  private static void disturb(Path folder, String tensor, int element, double by)
      throws IOException {
    Path file = folder.resolve("golden.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int header = Math.toIntExact(bytes.getLong(0));
    String json = new String(bytes.array(), 8, header, StandardCharsets.UTF_8);
    String entry = json.substring(json.indexOf('"' + tensor + '"'));
    String offset = entry.replaceFirst("(?s).*?\"data_offsets\":\\s*\\[\\s*(\\d+).*", "$1");
    int at = 8 + header + Integer.parseInt(offset) + 4 * element;
    if (entry.substring(0, entry.indexOf('}')).contains("I32")) {
      bytes.putInt(at, bytes.getInt(at) + (int) by);
    } else {
      bytes.putFloat(at, (float) (bytes.getFloat(at) + by));
    }
    Files.write(file, bytes.array());
  }

  @Test
  void everyCheckOfAGoldenModelPasses() {
    List<CaseResult> results = run(GOLDEN.resolve("dsv3-tiny"), "*");
    assertEquals(24, results.size());
    assertEquals(
        List.of(),
        results.stream()
            .filter(r -> r.status() != Status.PASS)
            .map(r -> r.id() + " " + r.outcome())
            .toList());
    CaseResult router =
        results.stream()
            .filter(r -> r.id().parameter("check").equals("router"))
            .findFirst()
            .orElseThrow();
    Map<String, String> facts = router.outcome().evidence().facts();
    assertEquals("0", facts.get("divergent"));
    assertTrue(Integer.parseInt(facts.get("decisions")) > 10, facts::toString);
    assertTrue(facts.get("choices.chat").matches("[0-9:.,;]+"), facts::toString);
  }

  @Test
  void folderOfGoldenFoldersGivesEveryModel() {
    long models = ModelCases.golden(GOLDEN).cases().map(c -> c.id().path()).distinct().count();
    assertEquals(10, models);
  }

  @Test
  void wrongLogitFailsAndIsNamed() throws IOException {
    Path folder = copy("odd-v2lite-tiny");
    disturb(folder, "plain.logits", 512 * 4 + 9, 0.01);
    CaseResult r = run(folder, "hal:*:check=logits").getFirst();
    assertEquals(Status.FAIL, r.status());
    String reason = ((Outcome.Fail) r.outcome()).reason();
    assertTrue(reason.contains("1 logits are wrong; plain[4, 9]"), reason);
    assertEquals(Status.PASS, run(folder, "hal:*:check=top1").getFirst().status());
  }

  @Test
  void differentBestTokenCountsOnlyBeyondTheMargin() throws IOException {
    Path folder = copy("odd-v2lite-tiny");
    disturb(folder, "plain.logits", 512 * 4 + 9, 100);
    CaseResult r = run(folder, "hal:*:check=top1").getFirst();
    assertEquals(Status.FAIL, r.status());
    String reason = ((Outcome.Fail) r.outcome()).reason();
    assertTrue(reason.contains("plain[4]") && reason.contains("instead of 9"), reason);
  }

  @Test
  void divergentExpertFailsBeyondTheMarginAndIsReportedWithinIt() throws IOException {
    Path folder = copy("dsv3-tiny");
    disturb(folder, "trace.chat.layer1.gate_indices", 0, 1);
    CaseResult r = run(folder, "hal:*:check=router,weights=bf16").getFirst();
    assertEquals(Status.FAIL, r.status());
    String reason = ((Outcome.Fail) r.outcome()).reason();
    assertTrue(reason.contains("chat[0]: layer 1 chose"), reason);
    Path json = folder.resolve("golden.json");
    String text = Files.readString(json);
    Files.writeString(json, text.replaceAll("\"expert\": *[0-9.e-]+", "\"expert\": 1e-9"));
    CaseResult within = run(folder, "hal:*:check=router,weights=bf16").getFirst();
    assertEquals(Status.WARN, within.status(), within.outcome()::toString);
    assertEquals("1", within.outcome().evidence().facts().get("divergent"));
  }

  @Test
  void wrongContinuationFails() throws IOException {
    Path folder = copy("odd-v2lite-tiny");
    Path json = folder.resolve("golden.json");
    String text = Files.readString(json);
    Files.writeString(json, text.replaceFirst("(\"greedy_ids\": *\\[\\s*\\d+,\\s*)\\d+", "$1 511"));
    CaseResult r = run(folder, "hal:*:check=greedy").getFirst();
    assertEquals(Status.FAIL, r.status(), r.outcome()::toString);
    String reason = ((Outcome.Fail) r.outcome()).reason();
    assertTrue(reason.contains("continues at 1") && reason.contains("instead of 511"), reason);
  }

  @Test
  void folderWithoutGoldenFileIsRefused() {
    HalException e = assertThrows(HalException.class, () -> ModelCases.golden(temp));
    assertEquals(HalErrorCode.GOLDEN_INVALID, e.code());
  }

  @Test
  void demoModelAgreesWithItself() {
    ModelLocator locator =
        new ModelLocator(Map.of("HALCYON_CACHE", temp.resolve("cache").toString()), temp);
    List<CaseResult> results = new ArrayList<>();
    try (Subject subject = new Subject(() -> HalRegistry.discover().open("cpu://"))) {
      new Runner(subject).run(ModelCases.demo(locator).cases(), results::add);
    }
    for (CaseResult r : results) {
      assertTrue(r.status().isMet(), () -> r.id() + " " + r.outcome());
      if (r.status() == Status.NOT_RUN) {
        assertTrue(
            List.of("logits", "top1", "greedy", "router").contains(r.id().parameter("check")),
            () -> r.id() + " " + r.outcome());
      }
    }
    assertEquals(12, results.size());
  }
}
