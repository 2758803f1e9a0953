package dev.halcyon.conformance.report;

import static dev.halcyon.conformance.testing.ScriptedCase.fail;
import static dev.halcyon.conformance.testing.ScriptedCase.of;
import static dev.halcyon.conformance.testing.ScriptedCase.pass;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.testing.ScriptedCase;
import dev.halcyon.conformance.waiver.Waiver;
import dev.halcyon.conformance.waiver.WaiverProblem;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.xml.sax.InputSource;

/** Runs, waivers and the three forms of a report. */
class DeviceRunTest {
  private static final String EVIL = "<script>alert('x & y')</script> \"quoted\" \u0001";

  private static DeviceReport run(Catalogue catalogue, Waiver... waivers) {
    return run(catalogue, false, waivers);
  }

  private static DeviceReport run(Catalogue catalogue, boolean cancelled, Waiver... waivers) {
    return DeviceRun.run(
        () -> ReferenceBackend.open(ReferenceOptions.DEFAULT),
        new DeviceRun.Options(
            catalogue, Profile.FULL, CaseQuery.ALL, Duration.ofSeconds(30), List.of(waivers)),
        new Quiet(cancelled));
  }

  private record Quiet(boolean isCancelled) implements DeviceRun.Listener {
    @Override
    public void started(dev.halcyon.conformance.ConformanceCase testCase, int done, int total) {
      assertTrue(done < total);
    }

    @Override
    public void ended(CaseReport result) {
      assertFalse(result.id().isEmpty());
    }
  }

  private static Catalogue mixed() {
    return ScriptedCase.catalogue(
        of("hal:op/MatMul:a=f32,b=f32,m=1,layout=dense", pass()),
        of("hal:op/MatMul:a=f32,b=f32,m=1,layout=sliced", pass()),
        of("hal:op/MatMul:a=bf16,b=i4_grouped,m=1,layout=dense", fail("3 elements " + EVIL)),
        of("hal:op/MatMul:a=f16,b=f16,m=1,layout=dense", new Outcome.NotSupported("no f16")),
        of(
            "hal:op/RmsNorm:w=f32,layout=dense",
            new Outcome.Warn("used 0.90", ScriptedCase.evidence(0.9))),
        of("hal:op/RmsNorm:w=f32,layout=mixed", new Outcome.Fault(new RuntimeException("oops"))),
        of("hal:runtime/fence:n=1", new Outcome.NotRun("needs two devices")));
  }

  private static Waiver waiver(String query, String expect, LocalDate expires) {
    return new Waiver(
        7,
        "reference://*",
        "*",
        List.of(CaseQuery.parse(query)),
        "https://example.org/1",
        expect,
        expires);
  }

  private static final LocalDate FAR = LocalDate.of(2999, 1, 1);

  private static RunReport report(DeviceReport... devices) {
    return new RunReport(
        RunReport.SCHEMA,
        "1.2.3",
        java.time.Instant.parse("2026-11-25T03:00:00.123456Z"),
        new HostDescription("Linux", "CPU " + EVIL, 2, "25"),
        "full",
        "*",
        RunReport.SEEDS,
        List.of("--golden", "a folder"),
        List.of(devices));
  }

  @Test
  void countsAndVerdict() {
    DeviceReport r = run(mixed());
    assertEquals(7, r.results().size());
    assertEquals(5, r.definitions());
    assertEquals(2, r.count(Status.PASS));
    assertEquals(1, r.count(Status.FAIL));
    assertEquals(1, r.count(Status.ERROR));
    assertEquals(1, r.count(Status.NOT_SUPPORTED));
    assertEquals(0, r.count(Status.WAIVED));
    assertEquals(Ending.Kind.COMPLETE, r.ending().kind());
    assertFalse(r.isMet());
    assertTrue(run(ScriptedCase.catalogue(of("t:x", pass()))).isMet());
  }

  @Test
  void cancelledRunHasEveryCaseButIsNotMet() {
    DeviceReport r = run(ScriptedCase.catalogue(of("t:x", pass()), of("t:y", pass())), true);
    assertEquals(2, r.count(Status.NOT_RUN));
    assertEquals(Ending.Kind.STOPPED, r.ending().kind());
    assertFalse(r.isMet());
  }

  @Test
  void whatACaseLeavesOpenIsReported() {
    DeviceReport r =
        run(
            ScriptedCase.catalogue(
                ScriptedCase.doing(
                    "t:leak",
                    s -> {
                      s.device().newArena(MemoryArena.Kind.WEIGHTS, "forgotten");
                      return pass();
                    })));
    assertEquals(Ending.Kind.NOT_CLOSED, r.ending().kind());
    assertTrue(r.ending().reason().contains("forgotten"), r.ending().reason());
    assertFalse(r.isMet());
  }

  @Test
  void waivedFailuresAreTolerated() {
    DeviceReport r =
        run(
            mixed(),
            waiver("hal:op/MatMul:a=bf16", "3 elements", FAR),
            waiver("hal:op/RmsNorm:layout=mixed", "oops", FAR));
    assertEquals(2, r.count(Status.WAIVED));
    assertEquals(0, r.count(Status.FAIL) + r.count(Status.ERROR));
    assertEquals(List.of(), r.waiverProblems());
    assertTrue(r.isMet());
    CaseReport waived =
        r.results().stream().filter(c -> c.status() == Status.WAIVED).findFirst().orElseThrow();
    assertEquals("https://example.org/1", waived.issue().orElseThrow());
  }

  @Test
  void failureWithAnotherMessageIsNotWaived() {
    DeviceReport r = run(mixed(), waiver("hal:op/MatMul:a=bf16", "overflow", FAR));
    assertEquals(1, r.count(Status.FAIL));
    assertEquals(0, r.count(Status.WAIVED));
  }

  @Test
  void waiverOfAnotherDeviceIsIgnored() {
    Waiver other =
        new Waiver(1, "cpu://*", "*", List.of(CaseQuery.parse("hal:op/None")), "issue", "x", FAR);
    Waiver otherDriver =
        new Waiver(
            1, "*", "Acme*", List.of(CaseQuery.parse("hal:op/MatMul:a=bf16")), "issue", "", FAR);
    DeviceReport r = run(mixed(), other, otherDriver);
    assertEquals(List.of(), r.waiverProblems());
    assertEquals(1, r.count(Status.FAIL));
  }

  @Test
  void expiredUnusedAndPassingWaiversAreProblemsWithTheirLine() {
    Catalogue good = ScriptedCase.catalogue(of("t:x:n=1", pass()), of("t:x:n=2", fail("bad")));
    DeviceReport expired = run(good, waiver("t:x:n=2", "bad", LocalDate.now().minusDays(1)));
    assertEquals(WaiverProblem.Kind.EXPIRED, expired.waiverProblems().getFirst().kind());
    assertEquals(7, expired.waiverProblems().getFirst().line());
    assertEquals(1, expired.count(Status.FAIL));
    assertTrue(run(good, waiver("t:x:n=2", "bad", LocalDate.now())).isMet());

    DeviceReport unused = run(good, waiver("t:gone", "bad", FAR));
    assertEquals(WaiverProblem.Kind.UNUSED, unused.waiverProblems().getFirst().kind());

    DeviceReport passing = run(good, waiver("t:x", "bad", FAR));
    assertEquals(1, passing.count(Status.WAIVED));
    WaiverProblem p = passing.waiverProblems().getFirst();
    assertEquals(WaiverProblem.Kind.UNEXPECTED_PASS, p.kind());
    assertTrue(p.text().contains("t:x:n=1") && p.text().contains("narrow"), p.text());
    assertFalse(passing.isMet());
  }

  @Test
  void waiverOfACaseThatWasNotChosenIsNoProblem() {
    DeviceReport r =
        DeviceRun.run(
            () -> ReferenceBackend.open(ReferenceOptions.DEFAULT),
            new DeviceRun.Options(
                mixed(),
                Profile.FULL,
                CaseQuery.parse("hal:runtime/*"),
                Duration.ofSeconds(30),
                List.of(waiver("hal:op/MatMul:a=bf16", "3 elements", FAR))),
            new Quiet(false));
    assertEquals(List.of(), r.waiverProblems());
    assertTrue(r.isMet());
  }

  @Test
  void jsonReadsBackAsItWasWritten(@TempDir Path dir) throws Exception {
    RunReport written =
        report(run(mixed(), waiver("hal:op/MatMul:a=bf16", "3 el", FAR), waiver("t:z", "", FAR)));
    Path file = Files.writeString(dir.resolve("results.json"), ReportJson.write(written));
    RunReport read = ReportJson.read(file);
    assertEquals(ReportJson.write(written), ReportJson.write(read));
    assertEquals(written.devices().getFirst().results(), read.devices().getFirst().results());
    assertEquals(written.begun(), read.begun());
    assertEquals(written.isMet(), read.isMet());
  }

  @Test
  void otherFilesAndSchemasAreRefused(@TempDir Path dir) throws Exception {
    Path file = dir.resolve("results.json");
    HalException missing = assertThrows(HalException.class, () -> ReportJson.read(file));
    assertTrue(missing.getMessage().contains("does not exist"), missing.getMessage());
    for (String text : List.of("", "[]", "{\"schema\": 1}", "not json")) {
      Files.writeString(file, text);
      HalException e = assertThrows(HalException.class, () -> ReportJson.read(file), text);
      assertTrue(e.getMessage().contains("is no conformance report"), e.getMessage());
    }
    Files.writeString(
        file,
        ReportJson.write(report(run(mixed()))).replaceFirst("\"schema\" : 1", "\"schema\" : 99"));
    HalException e = assertThrows(HalException.class, () -> ReportJson.read(file));
    assertTrue(e.getMessage().contains("schema 99"), e.getMessage());
  }

  private static Document parse(String xml) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(xml)));
  }

  @Test
  void junitXmlHasEveryCase() throws Exception {
    Document xml = parse(JunitXml.write(report(run(mixed(), waiver("t:z", "", FAR)))));
    assertEquals(8, xml.getElementsByTagName("testcase").getLength());
    assertEquals(2, xml.getElementsByTagName("failure").getLength());
    assertEquals(1, xml.getElementsByTagName("error").getLength());
    assertEquals(2, xml.getElementsByTagName("skipped").getLength());
    Element failure = (Element) xml.getElementsByTagName("failure").item(0);
    assertTrue(failure.getAttribute("message").contains("<script>alert('x & y')"));
    assertTrue(failure.getTextContent().startsWith("halcyon conformance --device reference://0"));
  }

  @Test
  void htmlIsWellFormedEscapedAndAlone() throws Exception {
    String html =
        HtmlReport.write(
            report(
                run(mixed(), waiver("hal:op/MatMul:a=bf16", "none", LocalDate.of(2020, 1, 1))),
                run(mixed())));
    Document page = parse(html);
    assertEquals(0, page.getElementsByTagName("script").getLength());
    assertEquals(0, page.getElementsByTagName("link").getLength());
    assertEquals(0, page.getElementsByTagName("img").getLength());
    assertTrue(html.contains("&lt;script&gt;alert(&#39;x &amp; y&#39;)"));
    Matcher reference = Pattern.compile("(?:href|src)=\"([^\"]*)\"|url\\(|@import").matcher(html);
    while (reference.find()) {
      assertTrue(String.valueOf(reference.group(1)).startsWith("#"), reference.group());
    }
    String text = page.getDocumentElement().getTextContent();
    assertTrue(text.indexOf("Not supported") < text.indexOf("Failures"));
    for (String expected :
        List.of(
            "not met",
            "no f16",
            "expired on 2020-01-01",
            "needs two devices",
            "oops",
            "halcyon conformance --device reference://0 --filter"
                + " 'hal:op/MatMul:a=bf16,b=i4_grouped,m=1,layout=dense'")) {
      assertTrue(text.contains(expected), expected);
    }
  }

  @Test
  void reproductionOfModelsNamesTheGoldenFolder() {
    DeviceReport d = run(ScriptedCase.catalogue(of("hal:model/tiny:check=logits", pass())));
    assertEquals(
        "halcyon conformance --device reference://0 --golden 'a folder' --filter"
            + " 'hal:model/tiny:check=logits'",
        report(d).reproduction(d, "hal:model/tiny:check=logits"));
  }

  @Test
  void matrixCountsByNarrowestDtype() {
    SupportMatrix m = new SupportMatrix(run(mixed()));
    assertEquals(List.of("MatMul", "RmsNorm"), m.operators());
    assertEquals(List.of("f32", "f16", "i4"), m.dtypes());
    assertEquals("native", m.cell("MatMul", "f32").orElseThrow().routes());
    assertEquals(2, m.cell("MatMul", "f32").orElseThrow().total());
    assertEquals(0.25, m.cell("MatMul", "f32").orElseThrow().headroom().getAsDouble());
    assertEquals("not supported", m.cell("MatMul", "f16").orElseThrow().routes());
    assertEquals(1, m.cell("MatMul", "i4").orElseThrow().count(Status.FAIL));
    assertTrue(m.cell("RmsNorm", "f16").isEmpty());
  }

  @Test
  void supportPageHasARowPerOperatorAndDtype() {
    String page = SupportPage.write(List.of(run(mixed())));
    assertTrue(page.contains("| operator | dtype | `reference://0` |\n|---|---|---|\n"), page);
    assertTrue(page.contains("| MatMul | f32 | native |\n"), page);
    assertTrue(page.contains("| MatMul | f16 | not supported |\n"), page);
  }

  @Test
  void comparisonFindsWhatDiffers() {
    DeviceReport a = run(mixed());
    DeviceReport b =
        run(
            ScriptedCase.catalogue(
                of("hal:op/MatMul:a=f32,b=f32,m=1,layout=dense", fail("wrong")),
                of("hal:op/MatMul:a=bf16,b=i4_grouped,m=1,layout=dense", fail("too"))));
    Comparison c = new Comparison(List.of(a, b));
    assertEquals(List.of("reference://0", "reference://0 (2)"), c.names());
    assertEquals(
        List.of("hal:op/MatMul:a=f32,b=f32,m=1,layout=dense"),
        c.verdicts().stream().map(Comparison.Difference::id).toList());
    assertEquals(List.of("PASS", "FAIL: wrong"), c.verdicts().getFirst().verdicts());
    Comparison.Row row = c.rows().getFirst();
    assertEquals(List.of("native 0.25", "native, 1 FAILED 7.00"), row.cells());
    assertEquals(7, c.headroom().getFirst().most());
    assertEquals("reference://0 (2)", c.headroom().getFirst().mostOn());
  }

  @Test
  void comparisonCountsDivergentChoicesOfExperts() {
    DeviceReport a = run(ScriptedCase.catalogue(router("1:0.3,1.2;2:0.1,2.3")));
    DeviceReport b = run(ScriptedCase.catalogue(router("1:0.3,1.2;2:0.1,1.3")));
    Comparison.Routing r = new Comparison(List.of(a, b)).routings().getFirst();
    assertEquals(4, r.decisions());
    assertEquals(1, r.divergent());
  }

  private static ScriptedCase router(String choices) {
    dev.halcyon.conformance.Evidence none = dev.halcyon.conformance.Evidence.NONE;
    return of(
        "hal:model/tiny:check=router",
        new Outcome.Pass(
            new dev.halcyon.conformance.Evidence(
                none.headroom(),
                none.nmse(),
                none.worst(),
                "",
                "",
                0,
                java.util.Map.of("choices.chat", choices))));
  }
}
