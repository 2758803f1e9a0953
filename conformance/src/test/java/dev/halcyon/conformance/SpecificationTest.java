package dev.halcyon.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class SpecificationTest {
  @Test
  void everyRequirementOfModelsHasACaseAndEveryCaseARequirement() {
    Set<String> written =
        Specification.load().requirements().keySet().stream()
            .filter(id -> id.startsWith("MODEL-"))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> checked =
        Catalogue.standard()
            .cases()
            .filter(c -> c.id().path().startsWith("hal:model/"))
            .flatMap(c -> c.requirements().stream())
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(written, checked);
    assertTrue(checked.size() > 5, checked::toString);
  }

  @Test
  void sentencesAreWholeAndOnOneLine() {
    String sentence = Specification.load().find("OP-MATMUL-1").orElseThrow();
    assertTrue(sentence.endsWith("an empty sum is 0."), sentence);
    assertTrue(!sentence.contains("\n") && !sentence.contains("OP-MATMUL-2"), sentence);
  }
}
