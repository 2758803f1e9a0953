package dev.halcyon.conformance.report;

import dev.halcyon.conformance.Status;
import dev.halcyon.hal.plan.Placement;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * {@code report.html}: the report as one page without scripts or references to anything else, for
 * screen and paper.
 */
public final class HtmlReport {
  /** Cases listed one by one under a heading; {@code results.json} has all of them. */
  private static final int LISTED = 20;

  private static final int OPERATORS_TIMED = 15;
  private static final DateTimeFormatter WHEN =
      DateTimeFormatter.ofPattern("d MMMM yyyy, HH:mm 'UTC'", Locale.ENGLISH)
          .withZone(ZoneOffset.UTC);

  private final RunReport run;
  private final Html html = new Html();

  private HtmlReport(RunReport run) {
    this.run = run;
  }

  /** The report as a document. */
  public static String write(RunReport run) {
    return new HtmlReport(run).page();
  }

  private String page() {
    html.open("html", "lang", "en").open("head");
    html.open("meta", "charset", "utf-8");
    html.open("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    html.element("title", "Halcyon conformance, " + WHEN.format(run.begun()));
    html.style(css()).close("head").open("body").open("main");
    html.open("header").element("h1", "Conformance report");
    html.element(
        "p",
        "Halcyon "
            + run.halcyon()
            + ", profile "
            + run.profile()
            + (run.query().equals("*") ? "" : ", cases " + run.query())
            + ", "
            + WHEN.format(run.begun()),
        "class",
        "soft");
    overview();
    html.close("header");
    for (DeviceReport d : run.devices()) {
      device(d);
    }
    footer();
    return html.close("main").close("body").close("html").end();
  }

  private static String css() {
    try (InputStream in = HtmlReport.class.getResourceAsStream("report.css")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException("the jar is damaged", e);
    }
  }

  private void overview() {
    html.open("table").open("thead").open("tr");
    for (String h : List.of("Device", "", "Verdict")) {
      html.element("th", h);
    }
    for (String h : List.of("Cases", "Not supported", "Failed", "Waived", "Not run", "Time")) {
      html.element("th", h, "class", "n");
    }
    html.close("tr").close("thead").open("tbody");
    for (DeviceReport d : run.devices()) {
      html.open("tr");
      html.open("td").element("code", d.device().uri()).close("td");
      html.element("td", d.device().name());
      html.open("td");
      verdict(d);
      html.close("td");
      number(d.results().size());
      number(d.count(Status.NOT_SUPPORTED));
      number(d.count(Status.FAIL) + d.count(Status.ERROR));
      number(d.count(Status.WAIVED));
      number(d.count(Status.NOT_RUN));
      html.element("td", seconds(d.wall()), "class", "n");
      html.close("tr");
    }
    html.close("tbody").close("table");
  }

  private void verdict(DeviceReport d) {
    html.element(
        "span", d.isMet() ? "met" : "not met", "class", "verdict " + (d.isMet() ? "met" : "unmet"));
  }

  private void number(long n) {
    html.element("td", Long.toString(n), "class", "n");
  }

  private void device(DeviceReport d) {
    html.open("section", "class", "device");
    html.element("h2", d.device().uri() + "  " + d.device().name());
    html.open("p", "class", "soft");
    verdict(d);
    html.text(
        " "
            + d.results().size()
            + " cases of "
            + d.definitions()
            + " definitions in "
            + seconds(d.wall()));
    html.close("p");
    counts(d);
    if (d.ending().kind() != Ending.Kind.COMPLETE) {
      html.element(
          "p", "The run did not end as it should: " + d.ending().reason(), "class", "note bad");
    }
    SupportMatrix matrix = new SupportMatrix(d);
    notSupported(d);
    support(matrix);
    headroom(matrix);
    models(d);
    topics(d);
    failures(d);
    warnings(d);
    waivers(d);
    notRun(d);
    timing(d);
    facts(d);
    placement(d);
    html.close("section");
  }

  private void counts(DeviceReport d) {
    html.open("div", "class", "bar");
    for (Status s : Status.values()) {
      if (d.count(s) > 0) {
        double share = 100.0 * d.count(s) / d.results().size();
        html.element(
            "span",
            "",
            "class",
            s.name(),
            "style",
            String.format(Locale.ROOT, "width:%.3f%%", share));
      }
    }
    html.close("div").open("div", "class", "counts");
    for (Status s : Status.values()) {
      html.open("span", "class", d.count(s) == 0 ? "zero" : "");
      html.element("b", Long.toString(d.count(s)));
      html.element("span", "", "class", "key " + s.name());
      if (d.count(s) > 0 && (s == Status.FAIL || s == Status.ERROR)) {
        html.element("a", words(s), "href", "#" + failuresId(d));
      } else {
        html.text(words(s));
      }
      html.close("span");
    }
    html.close("div");
  }

  private String failuresId(DeviceReport d) {
    return "failures-" + run.devices().indexOf(d);
  }

  private static String words(Status s) {
    return words(s.name().toLowerCase(Locale.ROOT));
  }

  private static String words(String name) {
    return name.replace('_', ' ');
  }

  private static List<CaseReport> with(DeviceReport d, Status... statuses) {
    List<Status> wanted = List.of(statuses);
    return d.results().stream().filter(r -> wanted.contains(r.status())).toList();
  }

  /** Groups of cases in the order of their first one. */
  private static Map<String, List<CaseReport>> groups(
      List<CaseReport> cases, Function<CaseReport, String> key) {
    Map<String, List<CaseReport>> groups = new LinkedHashMap<>();
    cases.forEach(r -> groups.computeIfAbsent(key.apply(r), k -> new ArrayList<>()).add(r));
    return groups;
  }

  private void notSupported(DeviceReport d) {
    html.element("h3", "Not supported");
    List<CaseReport> cases = with(d, Status.NOT_SUPPORTED);
    if (cases.isEmpty()) {
      html.element("p", "The device supports everything it was asked for.");
      return;
    }
    html.open("table").open("thead").open("tr");
    html.element("th", "Operator").element("th", "Dtype").element("th", "Cases", "class", "n");
    html.element("th", "What the device says, first case").close("tr").close("thead");
    html.open("tbody");
    groups(cases, r -> r.caseId().group() + " " + SupportMatrix.dtype(r.caseId()))
        .forEach(
            (key, group) -> {
              CaseReport first = group.getFirst();
              html.open("tr").element("td", subject(first));
              html.element("td", SupportMatrix.dtype(first.caseId()));
              number(group.size());
              html.open("td").element("span", first.reason(), "class", "small").close("td");
              html.close("tr");
            });
    html.close("tbody").close("table");
  }

  /** The operator, or the group of what is none. */
  private static String subject(CaseReport r) {
    return r.id().startsWith("hal:op/") ? r.caseId().subject() : r.caseId().group();
  }

  private void support(SupportMatrix matrix) {
    if (matrix.operators().isEmpty()) {
      return;
    }
    html.element("h3", "Support");
    matrix(matrix, this::supportCell);
    html.open("p", "class", "legend");
    swatch("var(--good-tint)", "native");
    swatch("var(--part-tint)", "by decomposition into primitives");
    swatch("var(--warn-tint)", "on the host");
    swatch("var(--none-tint)", "not supported");
    html.text(
        ". Numbers are cases, layouts included, as the device prefers to run them. A case with"
            + " operands of several dtypes stands in the column of the narrowest.");
    html.close("p");
  }

  private void swatch(String colour, String text) {
    html.element("span", "", "class", "swatch", "style", "background:" + colour).text(text);
  }

  private interface CellWriter {
    void write(SupportMatrix.Cell cell);
  }

  private void matrix(SupportMatrix matrix, CellWriter cells) {
    html.open("div", "class", "scroll").open("table", "class", "matrix");
    html.open("thead").open("tr").element("th", "Operator");
    matrix.dtypes().forEach(t -> html.element("th", t));
    html.close("tr").close("thead").open("tbody");
    for (String operator : matrix.operators()) {
      html.open("tr").element("th", operator);
      for (String dtype : matrix.dtypes()) {
        matrix
            .cell(operator, dtype)
            .ifPresentOrElse(cells::write, () -> html.element("td", "", "class", "blank"));
      }
      html.close("tr");
    }
    html.close("tbody").close("table").close("div");
  }

  private void supportCell(SupportMatrix.Cell c) {
    boolean isNative = c.count(Placement.NATIVE) > 0;
    boolean decomposed = c.count(Placement.DECOMPOSED) > 0;
    boolean host = c.count(Placement.HOST) > 0;
    long failed = c.count(Status.FAIL) + c.count(Status.ERROR);
    String kind = "blank";
    if (isNative && decomposed) {
      kind = "both";
    } else if (isNative) {
      kind = "native";
    } else if (decomposed) {
      kind = "decomposed";
    } else if (host) {
      kind = "host";
    } else if (c.count(Status.NOT_SUPPORTED) > 0) {
      kind = "unsupported";
    }
    html.open("td", "class", kind + (failed > 0 ? " failing" : ""));
    List<String> words = new ArrayList<>();
    for (Placement p : Placement.values()) {
      if (c.count(p) > 0) {
        words.add(p.name().toLowerCase(Locale.ROOT) + " " + c.count(p));
      }
    }
    long missing = c.count(Status.NOT_SUPPORTED);
    html.text(String.join(", ", words));
    if (missing > 0) {
      html.element("small", "not supported " + missing);
    }
    if (failed > 0) {
      html.open("small").element("span", failed + " failed", "class", "bad").close("small");
    }
    html.close("td");
  }

  private void headroom(SupportMatrix matrix) {
    if (matrix.operators().isEmpty()) {
      return;
    }
    html.element("h3", "Share of the error bound used");
    matrix(
        matrix,
        c -> {
          if (c.headroom().isPresent()) {
            double used = c.headroom().getAsDouble();
            html.element(
                "td",
                used > 99 ? "> 99" : String.format(Locale.ROOT, "%.2f", used),
                "style",
                heat(used));
          } else {
            html.element("td", c.hasExact() ? "exact" : "", "class", c.hasExact() ? "" : "blank");
          }
        });
    html.open("p", "class", "legend");
    swatch("#eef6f1", "0");
    swatch("#fdecc0", "0.5");
    swatch("#f6b26b", "0.8: a warning");
    swatch("#dd5a4f", "above 1: a failure");
    html.text(
        ". The worst element of all cases; the bounds are derived for each element, see"
            + " docs/conformance.md. Exact: equal to the last bit.");
    html.close("p");
  }

  private void models(DeviceReport d) {
    List<CaseReport> cases =
        d.results().stream().filter(r -> r.id().startsWith("hal:model/")).toList();
    if (cases.isEmpty()) {
      return;
    }
    html.element("h3", "Models");
    List<String> checks = cases.stream().map(HtmlReport::check).distinct().toList();
    html.open("div", "class", "scroll").open("table", "class", "matrix narrow");
    html.open("thead").open("tr").element("th", "Model, weights");
    checks.forEach(c -> html.element("th", words(c)));
    html.close("tr").close("thead").open("tbody");
    groups(cases, r -> r.caseId().subject() + ", " + r.caseId().parameter("weights"))
        .forEach(
            (model, group) -> {
              html.open("tr").element("th", model);
              for (String check : checks) {
                group.stream()
                    .filter(r -> check(r).equals(check))
                    .findFirst()
                    .ifPresentOrElse(
                        this::checkCell, () -> html.element("td", "", "class", "blank"));
              }
              html.close("tr");
            });
    html.close("tbody").close("table").close("div");
    html.element(
        "p",
        "Numbers are shares of the bound on logits; docs/spec/model.md says what each check asks.",
        "class",
        "legend");
  }

  private static String check(CaseReport r) {
    return (r.caseId().parameter("check") + " " + r.caseId().parameter("chunk")).strip();
  }

  private void checkCell(CaseReport r) {
    boolean met = r.status() == Status.PASS || r.status() == Status.WARN;
    String text = met && r.headroom().isPresent() ? share(r.headroom()) : words(r.status());
    if (r.headroom().isPresent()) {
      html.open("td", "style", heat(r.headroom().getAsDouble()));
    } else {
      html.open("td", "class", met ? "native" : "unsupported");
    }
    html.text(text);
    if (r.status() == Status.WARN) {
      html.element("small", "warn");
    }
    html.close("td");
  }

  /** Everything that is neither operator nor model, a line per topic. */
  private void topics(DeviceReport d) {
    List<CaseReport> cases =
        d.results().stream()
            .filter(r -> !r.id().startsWith("hal:model/") && !r.id().startsWith("hal:op/"))
            .toList();
    if (cases.isEmpty()) {
      return;
    }
    html.element("h3", "Runtime and other cases");
    html.open("table").open("thead").open("tr").element("th", "Topic");
    for (Status s : Status.values()) {
      html.element("th", words(s), "class", "n");
    }
    html.close("tr").close("thead").open("tbody");
    groups(cases, r -> r.caseId().group())
        .forEach(
            (path, group) -> {
              Map<Status, Long> counts = DeviceReport.count(group);
              html.open("tr").element("td", path);
              counts.values().forEach(n -> html.element("td", n == 0 ? "" : n + "", "class", "n"));
              html.close("tr");
            });
    html.close("tbody").close("table");
  }

  /** From green over yellow and orange at 0.8 to red above 1. */
  private static String heat(double used) {
    double[][] stops = {
      {0, 0xee, 0xf6, 0xf1}, {0.5, 0xfd, 0xec, 0xc0}, {0.8, 0xf6, 0xb2, 0x6b}, {1, 0xe8, 0x85, 0x5a}
    };
    int[] rgb = {0xdd, 0x5a, 0x4f};
    if (used <= 1) {
      for (int i = 1; i < stops.length; i++) {
        if (used <= stops[i][0]) {
          double t = (used - stops[i - 1][0]) / (stops[i][0] - stops[i - 1][0]);
          for (int c = 0; c < 3; c++) {
            rgb[c] = (int) Math.round(stops[i - 1][c + 1] * (1 - t) + stops[i][c + 1] * t);
          }
          break;
        }
      }
    }
    return String.format(
        "background:#%02x%02x%02x%s", rgb[0], rgb[1], rgb[2], used > 1 ? ";color:#fff" : "");
  }

  private void failures(DeviceReport d) {
    html.element("h3", "Failures", "id", failuresId(d));
    List<CaseReport> cases = with(d, Status.FAIL, Status.ERROR);
    if (cases.isEmpty()) {
      html.element("p", "None.");
      return;
    }
    groups(cases, HtmlReport::subject).forEach((name, group) -> list(d, group, "case"));
  }

  private void list(DeviceReport d, List<CaseReport> group, String style) {
    for (CaseReport r : group.subList(0, Math.min(LISTED, group.size()))) {
      html.open("div", "class", style);
      html.open("p", "class", "name mono").text(r.id());
      html.text(r.status() == Status.ERROR ? "  (error)" : "").close("p");
      html.element("p", r.reason());
      r.worst()
          .filter(w -> !r.reason().contains(w))
          .ifPresent(w -> html.element("p", "Worst: " + w));
      html.element("code", run.reproduction(d, r.id()), "class", "again");
      html.close("div");
    }
    if (group.size() > LISTED) {
      html.element(
          "p",
          "and "
              + (group.size() - LISTED)
              + " more of "
              + subject(group.getFirst())
              + ", all in results.json",
          "class",
          "soft");
    }
  }

  private void warnings(DeviceReport d) {
    List<CaseReport> cases = new ArrayList<>(with(d, Status.WARN));
    if (cases.isEmpty()) {
      return;
    }
    html.element("h3", "Met with little left");
    cases.sort(Comparator.comparingDouble((CaseReport r) -> r.headroom().orElse(0)).reversed());
    html.open("table").open("thead").open("tr").element("th", "Case");
    html.element("th", "Used", "class", "n").element("th", "Why").close("tr").close("thead");
    html.open("tbody");
    for (CaseReport r : cases.subList(0, Math.min(LISTED, cases.size()))) {
      html.open("tr").open("td").element("code", r.id()).close("td");
      html.element("td", share(r.headroom()), "class", "n");
      html.element("td", r.worst().map(w -> r.reason() + ": " + w).orElse(r.reason()));
      html.close("tr");
    }
    html.close("tbody").close("table");
    if (cases.size() > LISTED) {
      html.element(
          "p", "and " + (cases.size() - LISTED) + " more, all in results.json", "class", "soft");
    }
  }

  private static String share(OptionalDouble headroom) {
    return headroom.isPresent() ? String.format(Locale.ROOT, "%.2f", headroom.getAsDouble()) : "";
  }

  private void waivers(DeviceReport d) {
    List<CaseReport> cases = with(d, Status.WAIVED);
    if (cases.isEmpty() && d.waiverProblems().isEmpty()) {
      return;
    }
    html.element("h3", "Waivers");
    d.waiverProblems()
        .forEach(
            p ->
                html.element("p", "Line " + p.line() + ": " + p.text() + ".", "class", "note bad"));
    if (cases.isEmpty()) {
      return;
    }
    html.open("table").open("thead").open("tr").element("th", "Issue");
    html.element("th", "Cases", "class", "n").element("th", "First case");
    html.element("th", "Its failure").close("tr").close("thead").open("tbody");
    groups(cases, r -> r.issue().orElse(""))
        .forEach(
            (issue, group) -> {
              html.open("tr").element("td", issue);
              number(group.size());
              html.open("td").element("code", group.getFirst().id()).close("td");
              html.element("td", group.getFirst().reason()).close("tr");
            });
    html.close("tbody").close("table");
  }

  private void notRun(DeviceReport d) {
    List<CaseReport> cases = with(d, Status.NOT_RUN);
    if (cases.isEmpty()) {
      return;
    }
    html.element("h3", "Not run");
    html.open("table").open("thead").open("tr").element("th", "Reason");
    html.element("th", "Cases", "class", "n").element("th", "First case");
    html.close("tr").close("thead").open("tbody");
    groups(cases, CaseReport::reason)
        .forEach(
            (reason, group) -> {
              html.open("tr").element("td", reason);
              number(group.size());
              html.open("td").element("code", group.getFirst().id()).close("td").close("tr");
            });
    html.close("tbody").close("table");
  }

  private record Timed(String name, int cases, long nanos, CaseReport slowest) {}

  private void timing(DeviceReport d) {
    List<Timed> all = new ArrayList<>();
    groups(d.results(), HtmlReport::subject)
        .forEach(
            (name, group) ->
                all.add(
                    new Timed(
                        name,
                        group.size(),
                        group.stream().mapToLong(r -> r.time().toNanos()).sum(),
                        group.stream().max(Comparator.comparing(CaseReport::time)).orElseThrow())));
    if (all.isEmpty()) {
      return;
    }
    all.sort(Comparator.comparingLong(Timed::nanos).reversed());
    long most = Math.max(1, all.getFirst().nanos());
    html.element("h3", "Time");
    html.open("table").open("thead").open("tr").element("th", "Of");
    html.element("th", "Cases", "class", "n").element("th", "Seconds", "class", "n");
    html.element("th", "").element("th", "Slowest case").close("tr").close("thead");
    html.open("tbody");
    for (Timed t : all.subList(0, Math.min(OPERATORS_TIMED, all.size()))) {
      html.open("tr").element("td", t.name());
      number(t.cases());
      html.element("td", String.format(Locale.ROOT, "%.2f", t.nanos() * 1e-9), "class", "n");
      html.open("td");
      html.element(
          "span",
          "",
          "class",
          "share",
          "style",
          String.format(Locale.ROOT, "width:%.1fpx", 1 + 89.0 * t.nanos() / most));
      html.close("td").open("td").element("code", t.slowest().id());
      html.element("span", "  " + millis(t.slowest().time()), "class", "soft").close("td");
      html.close("tr");
    }
    html.close("tbody").close("table");
  }

  private static String millis(Duration time) {
    return String.format(Locale.ROOT, "%.1f ms", time.toNanos() * 1e-6);
  }

  private static String seconds(Duration time) {
    return String.format(Locale.ROOT, "%.1f s", time.toNanos() * 1e-9);
  }

  private void facts(DeviceReport d) {
    html.element("h3", "Device and host");
    DeviceDescription v = d.device();
    html.open("dl", "class", "facts");
    fact("Device", v.name() + " (" + v.kind() + "), " + v.computeUnits() + " compute units");
    fact("Driver", v.driver());
    fact(
        "Memory",
        gigabytes(v.memoryBytes()) + ", largest allocation " + gigabytes(v.maxAllocationBytes()));
    fact("Features", v.features().isEmpty() ? "none" : String.join(", ", v.features()));
    v.usages().values().stream()
        .flatMap(List::stream)
        .distinct()
        .sorted()
        .forEach(
            usage ->
                fact(
                    words(usage),
                    v.usages().entrySet().stream()
                        .filter(e -> e.getValue().contains(usage))
                        .map(Map.Entry::getKey)
                        .collect(Collectors.joining(", "))));
    fact("Host", run.host().cpu() + ", " + run.host().cores() + " cores, " + run.host().os());
    fact("Java", run.host().java());
    fact("Data", run.seeds());
    if (!run.options().isEmpty()) {
      fact("Options", String.join(" ", run.options()));
    }
    html.close("dl");
  }

  private static String gigabytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f GB", bytes * 1e-9);
  }

  private void fact(String name, String value) {
    html.element("dt", name).element("dd", value);
  }

  private void placement(DeviceReport d) {
    if (d.placement().isEmpty()) {
      return;
    }
    html.open("details", "class", "appendix");
    html.element("summary", "Placement: " + d.placement().size() + " distinct decisions");
    html.open("table").open("thead").open("tr");
    for (String h : List.of("Operator", "Placement", "Implementation", "Reason")) {
      html.element("th", h);
    }
    html.element("th", "Plans", "class", "n").close("tr").close("thead").open("tbody");
    d.placement()
        .forEach(
            p -> {
              html.open("tr").element("td", p.operator());
              html.element("td", p.placement().name().toLowerCase(Locale.ROOT));
              html.open("td").element("code", p.implementation()).close("td");
              html.element("td", p.reason());
              number(p.plans());
              html.close("tr");
            });
    html.close("tbody").close("table").close("details");
  }

  private void footer() {
    html.open("footer");
    html.text(
        "Made by halcyon conformance from results.json of the same run (schema "
            + run.schema()
            + "). Ids, seeds and bounds are the same on every machine; each case can be run again"
            + " by the command below it.");
    html.close("footer");
  }
}
