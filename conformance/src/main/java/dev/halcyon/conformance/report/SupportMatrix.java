package dev.halcyon.conformance.report;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.Status;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.tensor.DType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Which operators a device has for which dtype, by what route, and how much of the bounds they use.
 * A case with operands of several dtypes counts for the narrowest of them, the first of equals.
 */
public final class SupportMatrix {
  /** The column of cases whose id names no dtype. */
  public static final String ANY = "any";

  private static final String OPERATORS = "hal:op/";

  /** From wide to narrow, floating first: the order of the columns. */
  private static final List<DType> ORDER =
      List.of(
          DType.F32,
          DType.F16,
          DType.BF16,
          DType.F8_E4M3FN,
          DType.I64,
          DType.I32,
          DType.I8,
          DType.U8,
          DType.I4);

  /** What the cases of one operator and dtype came to. */
  public static final class Cell {
    private final Map<Placement, Long> placements = new EnumMap<>(Placement.class);
    private final Map<Placement, Long> densePlacements = new EnumMap<>(Placement.class);
    private final Map<Status, Long> statuses = new EnumMap<>(Status.class);
    private OptionalDouble headroom = OptionalDouble.empty();
    private long exact;

    private void add(CaseReport r) {
      statuses.merge(r.status(), 1L, Long::sum);
      if (!r.caseId().parameters().containsKey("via") && !r.placement().isEmpty()) {
        Placement placement = Placement.valueOf(r.placement());
        placements.merge(placement, 1L, Long::sum);
        if (r.caseId().parameter("layout").equals("dense")) {
          densePlacements.merge(placement, 1L, Long::sum);
        }
      }
      if (r.headroom().isPresent()) {
        headroom = OptionalDouble.of(Math.max(headroom.orElse(0), r.headroom().getAsDouble()));
      } else if (r.status() == Status.PASS) {
        exact++;
      }
    }

    /** Cases that the device preferred to run like this; those told to decompose do not count. */
    public long count(Placement placement) {
      return placements.getOrDefault(placement, 0L);
    }

    /** Whether every case with dense operands ran natively, and there was one. */
    public boolean isDenseNative() {
      return densePlacements.keySet().equals(Set.of(Placement.NATIVE));
    }

    public long count(Status status) {
      return statuses.getOrDefault(status, 0L);
    }

    /** All cases. */
    public long total() {
      return statuses.values().stream().mapToLong(Long::longValue).sum();
    }

    /** The largest share of a bound that was used; empty where everything is exact. */
    public OptionalDouble headroom() {
      return headroom;
    }

    /** Whether cases without a bound passed. */
    public boolean hasExact() {
      return exact > 0;
    }

    /**
     * The routes in words, for example {@code native} or {@code native, decomposed}; {@code not
     * supported} if there is none, empty if nothing ran.
     */
    public String routes() {
      List<String> words = new ArrayList<>();
      for (Placement p : Placement.values()) {
        if (count(p) > 0) {
          words.add(p.name().toLowerCase(Locale.ROOT));
        }
      }
      if (count(Status.NOT_SUPPORTED) > 0) {
        words.add(words.isEmpty() ? "not supported" : "partly not supported");
      }
      return String.join(", ", words);
    }
  }

  private final Map<String, Map<String, Cell>> rows = new LinkedHashMap<>();

  /** The matrix of a device's operator cases. */
  public SupportMatrix(DeviceReport device) {
    for (CaseReport r : device.results()) {
      CaseId id = r.caseId();
      if (id.path().startsWith(OPERATORS)) {
        rows.computeIfAbsent(id.subject(), x -> new LinkedHashMap<>())
            .computeIfAbsent(dtype(id), x -> new Cell())
            .add(r);
      }
    }
  }

  /** Operators, in alphabetical order. */
  public List<String> operators() {
    return List.copyOf(new TreeSet<>(rows.keySet()));
  }

  /** The columns that have a cell, wide dtypes first. */
  public List<String> dtypes() {
    return columns(Stream.of(this));
  }

  /** The columns that have a cell in any of several matrices. */
  public static List<String> columns(Stream<SupportMatrix> matrices) {
    return matrices
        .flatMap(m -> m.rows.values().stream())
        .flatMap(row -> row.keySet().stream())
        .distinct()
        .sorted(Comparator.comparingInt(SupportMatrix::rank).thenComparing(c -> c))
        .toList();
  }

  private static int rank(String column) {
    return ORDER.stream()
        .filter(d -> name(d).equals(column))
        .findFirst()
        .map(ORDER::indexOf)
        .orElse(ORDER.size());
  }

  public Optional<Cell> cell(String operator, String dtype) {
    return Optional.ofNullable(rows.getOrDefault(operator, Map.of()).get(dtype));
  }

  /** The column of a case. */
  public static String dtype(CaseId id) {
    Optional<DType> narrowest = Optional.empty();
    for (String value : id.parameters().values()) {
      Optional<DType> d = parse(value);
      if (d.isPresent() && narrowest.map(n -> d.get().bits() < n.bits()).orElse(true)) {
        narrowest = d;
      }
    }
    return narrowest.map(SupportMatrix::name).orElse(ANY);
  }

  /**
   * A dtype's name, alone or followed by its scheme: {@code i8_rows}; {@code fp8} is the one format
   * of 8 bits.
   */
  private static Optional<DType> parse(String value) {
    String begin = value.split("[_.+-]", 2)[0];
    if (begin.equals("fp8")) {
      return Optional.of(DType.F8_E4M3FN);
    }
    return ORDER.stream().filter(d -> value.equals(name(d)) || begin.equals(name(d))).findFirst();
  }

  private static String name(DType d) {
    return d.name().toLowerCase(Locale.ROOT);
  }
}
