package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** The accuracy that conforming devices owe, by operator and dtype. Immutable. */
public final class AccuracyTable {
  private static final AccuracyTable STANDARD = parse(resource());

  private final List<Accuracy> rows;

  private AccuracyTable(List<Accuracy> rows) {
    this.rows = rows;
  }

  /** The table that ships with Halcyon. */
  public static AccuracyTable standard() {
    return STANDARD;
  }

  /** All rows, in the order of the file. */
  public List<Accuracy> rows() {
    return rows;
  }

  /** The row of an operator for operands of {@code dtype}, if there is one. */
  public Optional<Accuracy> find(String operator, DType dtype) {
    return rows.stream()
        .filter(r -> r.operator().equals(operator) && r.dtypes().contains(dtype))
        .findFirst();
  }

  /**
   * The units in the last place of f32 that an operator may err by.
   *
   * @throws IllegalStateException if the table does not say
   */
  public double ulps(String operator) {
    return find(operator, DType.F32)
        .orElseThrow(() -> new IllegalStateException("no accuracy of " + operator + " for f32"))
        .ulps();
  }

  /** The name under which the table lists a spec. */
  public static String nameOf(OperatorSpec spec) {
    return switch (spec) {
      case Unary u -> "Unary." + u.op();
      case Binary b -> "Binary." + b.op();
      case Reduce r -> "Reduce." + r.op();
      default -> spec.name();
    };
  }

  private static AccuracyTable parse(String text) {
    return new AccuracyTable(
        text.lines()
            .filter(line -> !line.startsWith("#"))
            .skip(1)
            .map(line -> row(line.split("\t", -1)))
            .toList());
  }

  private static Accuracy row(String[] cells) {
    if (cells.length != 5) {
      throw new IllegalStateException("accuracy.tsv: not five cells: " + Arrays.toString(cells));
    }
    List<DType> dtypes =
        Arrays.stream(cells[1].split(","))
            .map(d -> DType.valueOf(d.toUpperCase(Locale.ROOT)))
            .toList();
    return new Accuracy(cells[0], dtypes, Accuracy.Kind.valueOf(cells[2]), cells[3], cells[4]);
  }

  /** The page docs/accuracy.md. */
  public String toMarkdown() {
    StringBuilder page =
        new StringBuilder(
            """
            # Accuracy

            What results of a conforming device may differ from the exact ones by. This page is written from
            `conformance/src/main/resources/dev/halcyon/conformance/accuracy.tsv`, which the oracle reads; a test compares
            the two. No number here is tuned: each follows from a standard or from an analysis of rounding errors.

            - `EXACT`: nothing is rounded.
            - `CORRECTLY_ROUNDED`: the nearest number of the dtype, ties to even.
            - `ULP`: within so many units in the last place of the exact result.
            - `BOUND`: within an analytic bound that depends on the data; elementwise.
            - `INHERITED`: the running error analysis of the parts named, evaluated with the data of the case.

            Where a device does not keep subnormal numbers (no `SUBNORMALS` among its features), a subnormal operand or
            result may count as zero.

            | operator | dtypes | kind | parameter | justification |
            |---|---|---|---|---|
            """);
    for (Accuracy a : rows) {
      String dtypes =
          a.dtypes().stream()
              .map(d -> d.name().toLowerCase(Locale.ROOT))
              .collect(Collectors.joining(", "));
      page.append(
          String.join(
              " | ",
              "| " + a.operator(),
              dtypes,
              a.kind().name(),
              a.parameter().replace(",", ", "),
              a.justification() + " |\n"));
    }
    return page.toString();
  }

  private static String resource() {
    String name = "/dev/halcyon/conformance/accuracy.tsv";
    try (InputStream in = AccuracyTable.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("the resource " + name + " is missing");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
