package dev.halcyon.conformance.operator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.oracle.Accuracy;
import dev.halcyon.conformance.oracle.AccuracyTable;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The table of accuracies covers the catalogue, and its page is up to date. */
class AccuracyTableTest {
  private static final AccuracyTable TABLE = AccuracyTable.standard();

  @Test
  void everyRowIsJustifiedAndNamesKnownParts() {
    Set<String> names = TABLE.rows().stream().map(Accuracy::operator).collect(Collectors.toSet());
    Set<String> seen = new HashSet<>();
    for (Accuracy a : TABLE.rows()) {
      assertTrue(a.justification().length() > 20, a::operator);
      for (DType d : a.dtypes()) {
        assertTrue(seen.add(a.operator() + " " + d), () -> a.operator() + " " + d + " twice");
      }
      switch (a.kind()) {
        case EXACT, CORRECTLY_ROUNDED -> assertEquals("", a.parameter(), a.operator());
        case ULP -> assertTrue(a.ulps() > 0, a.operator());
        case BOUND -> assertTrue(!a.parameter().isEmpty(), a.operator());
        case INHERITED -> {
          for (String part : a.parameter().split(",")) {
            assertTrue(names.contains(part), () -> a.operator() + " names unknown " + part);
          }
        }
      }
    }
  }

  @Test
  void everyOperatorHasARow() {
    Set<String> listed =
        TABLE.rows().stream()
            .map(a -> a.operator().replaceAll("\\..*", ""))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> operators =
        Stream.of(OperatorSpec.class.getPermittedSubclasses())
            .flatMap(c -> Stream.of(c.getPermittedSubclasses()))
            .map(Class::getSimpleName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(operators, listed);
  }

  @Test
  void everyDtypeOfTheCatalogueHasARow() {
    Set<String> missing = new TreeSet<>();
    Catalogue.standard()
        .cases()
        .filter(OperatorCase.class::isInstance)
        .map(c -> ((OperatorCase) c).definition())
        .forEach(
            d -> {
              String name = AccuracyTable.nameOf(d.spec());
              d.types().stream()
                  .filter(t -> TABLE.find(name, t.dtype()).isEmpty())
                  .forEach(t -> missing.add(name + " " + t.dtype()));
            });
    assertEquals(Set.of(), missing);
  }

  /** With {@code -Dhalcyon.docs=write} the page is written instead of compared. */
  @Test
  void thePageShowsTheTable() throws IOException {
    Path page =
        Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../docs/accuracy.md");
    if (System.getProperty("halcyon.docs", "").equals("write")) {
      Files.writeString(page, TABLE.toMarkdown());
    }
    assertEquals(
        TABLE.toMarkdown(),
        Files.readString(page),
        "docs/accuracy.md is out of date: run this test with -Dhalcyon.docs=write");
  }
}
