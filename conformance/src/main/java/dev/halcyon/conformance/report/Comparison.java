package dev.halcyon.conformance.report;

import dev.halcyon.conformance.Status;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/** The same cases on several devices. */
public final class Comparison {
  /** Shares of a bound that are closer than this are equal. */
  private static final double NOTABLE = 0.1;

  private static final String CHOICES = "choices.";

  private final List<DeviceReport> devices;
  private final List<String> names;
  private final List<SupportMatrix> matrices;
  private final List<Map<String, CaseReport>> byId = new ArrayList<>();

  public Comparison(List<DeviceReport> devices) {
    this.devices = List.copyOf(devices);
    this.names = names(devices);
    this.matrices = devices.stream().map(SupportMatrix::new).toList();
    for (DeviceReport d : devices) {
      Map<String, CaseReport> cases = new LinkedHashMap<>();
      d.results().forEach(r -> cases.put(r.id(), r));
      byId.add(cases);
    }
  }

  /** URIs, numbered where two runs have the same. */
  private static List<String> names(List<DeviceReport> devices) {
    List<String> names = new ArrayList<>();
    for (DeviceReport d : devices) {
      String uri = d.device().uri();
      int n = 1;
      String name = uri;
      while (names.contains(name)) {
        name = uri + " (" + ++n + ")";
      }
      names.add(name);
    }
    return names;
  }

  /** What the devices are called here, in the order they were given. */
  public List<String> names() {
    return names;
  }

  /**
   * An operator with operands of a dtype.
   *
   * @param operator its name
   * @param dtype column of {@link SupportMatrix}
   * @param cells one text per device: routes, failures, largest share of a bound
   */
  public record Row(String operator, String dtype, List<String> cells) {}

  /** All operators and dtypes that some device was asked for. */
  public List<Row> rows() {
    TreeSet<String> operators = new TreeSet<>();
    matrices.forEach(m -> operators.addAll(m.operators()));
    List<String> dtypes = SupportMatrix.columns(matrices.stream());
    List<Row> rows = new ArrayList<>();
    for (String operator : operators) {
      for (String dtype : dtypes) {
        List<Optional<SupportMatrix.Cell>> cells =
            matrices.stream().map(m -> m.cell(operator, dtype)).toList();
        if (cells.stream().anyMatch(Optional::isPresent)) {
          rows.add(
              new Row(
                  operator,
                  dtype,
                  cells.stream().map(c -> c.map(Comparison::text).orElse("-")).toList()));
        }
      }
    }
    return rows;
  }

  private static String text(SupportMatrix.Cell cell) {
    StringBuilder s = new StringBuilder(cell.routes());
    long failed = cell.count(Status.FAIL) + cell.count(Status.ERROR);
    if (failed > 0) {
      s.append(s.isEmpty() ? "" : ", ").append(failed).append(" FAILED");
    }
    cell.headroom().ifPresent(h -> s.append(String.format(Locale.ROOT, " %.2f", h)));
    return s.isEmpty() ? "not run" : s.toString();
  }

  /**
   * A case with different verdicts.
   *
   * @param id of the case
   * @param verdicts one text per device
   */
  public record Difference(String id, List<String> verdicts) {}

  /**
   * The cases that ran on at least two devices and ended differently, PASS and WARN being equal.
   */
  public List<Difference> verdicts() {
    List<Difference> found = new ArrayList<>();
    for (String id : ids()) {
      List<Optional<CaseReport>> results = results(id);
      long kinds =
          results.stream()
              .flatMap(Optional::stream)
              .map(r -> r.status() == Status.WARN ? Status.PASS : r.status())
              .distinct()
              .count();
      if (kinds > 1) {
        found.add(
            new Difference(
                id, results.stream().map(r -> r.map(Comparison::verdict).orElse("-")).toList()));
      }
    }
    return found;
  }

  private static String verdict(CaseReport r) {
    return r.status() + (r.reason().isEmpty() ? "" : ": " + r.reason());
  }

  private List<String> ids() {
    Map<String, Boolean> ids = new LinkedHashMap<>();
    byId.forEach(m -> m.keySet().forEach(id -> ids.put(id, true)));
    return List.copyOf(ids.keySet());
  }

  private List<Optional<CaseReport>> results(String id) {
    return byId.stream().map(m -> Optional.ofNullable(m.get(id))).toList();
  }

  /**
   * An operator or model check on the devices that use most and least of its bounds.
   *
   * @param id operator and dtype, or the case
   * @param most largest share of a bound
   * @param mostOn its device
   * @param least largest share of a bound on the device where that is smallest
   * @param leastOn its device
   */
  public record Spread(String id, double most, String mostOn, double least, String leastOn) {}

  /** Where devices use notably different shares of a bound, the largest difference first. */
  public List<Spread> headroom() {
    List<Spread> spreads = new ArrayList<>();
    for (Row row : rows()) {
      Map<String, Double> used = new LinkedHashMap<>();
      for (int i = 0; i < names.size(); i++) {
        String name = names.get(i);
        matrices
            .get(i)
            .cell(row.operator(), row.dtype())
            .ifPresent(c -> c.headroom().ifPresent(h -> used.put(name, h)));
      }
      spread(row.operator() + " " + row.dtype(), used).ifPresent(spreads::add);
    }
    for (String id : ids()) {
      if (id.startsWith("hal:model/")) {
        Map<String, Double> used = new LinkedHashMap<>();
        List<Optional<CaseReport>> results = results(id);
        for (int i = 0; i < names.size(); i++) {
          String name = names.get(i);
          results.get(i).ifPresent(r -> r.headroom().ifPresent(h -> used.put(name, h)));
        }
        spread(id, used).ifPresent(spreads::add);
      }
    }
    spreads.sort(Comparator.comparingDouble((Spread s) -> s.most() - s.least()).reversed());
    return spreads;
  }

  private static Optional<Spread> spread(String id, Map<String, Double> used) {
    Comparator<Map.Entry<String, Double>> byShare = Map.Entry.comparingByValue();
    return used.entrySet().stream()
        .max(byShare)
        .flatMap(
            most ->
                used.entrySet().stream()
                    .min(byShare)
                    .filter(least -> most.getValue() - least.getValue() > NOTABLE)
                    .map(
                        least ->
                            new Spread(
                                id,
                                most.getValue(),
                                most.getKey(),
                                least.getValue(),
                                least.getKey())));
  }

  /**
   * The choices of experts of one model on two devices.
   *
   * @param id of the case
   * @param left a device
   * @param right another
   * @param decisions tokens times layers
   * @param divergent those with another set of experts
   */
  public record Routing(String id, String left, String right, long decisions, long divergent) {}

  /** Every pair of devices for every model that recorded its choices on both. */
  public List<Routing> routings() {
    List<Routing> found = new ArrayList<>();
    for (String id : ids()) {
      List<Optional<CaseReport>> results = results(id);
      for (int a = 0; a < devices.size(); a++) {
        for (int b = a + 1; b < devices.size(); b++) {
          if (results.get(a).isPresent() && results.get(b).isPresent()) {
            routing(id, a, results.get(a).get(), b, results.get(b).get()).ifPresent(found::add);
          }
        }
      }
    }
    return found;
  }

  private Optional<Routing> routing(String id, int a, CaseReport left, int b, CaseReport right) {
    long decisions = 0;
    long divergent = 0;
    for (Map.Entry<String, String> fact : left.facts().entrySet()) {
      if (fact.getKey().startsWith(CHOICES)) {
        String[] l = fact.getValue().split("[;,]");
        String[] r = right.facts().getOrDefault(fact.getKey(), "").split("[;,]");
        for (int i = 0; i < Math.max(l.length, r.length); i++) {
          decisions++;
          divergent += i < l.length && i < r.length && l[i].equals(r[i]) ? 0 : 1;
        }
      }
    }
    return decisions == 0
        ? Optional.empty()
        : Optional.of(new Routing(id, names.get(a), names.get(b), decisions, divergent));
  }
}
