package dev.halcyon.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The catalogue as a whole: ids, and their pairing with the specification. */
class CatalogueTest {
  private static final Pattern REQUIREMENT = Pattern.compile("(?m)^- \\*\\*(OP-[A-Z0-9-]+)\\*\\* ");

  @Test
  void idsAreDistinctReadableAndTheSameInEveryEnumeration() {
    Catalogue catalogue = Catalogue.standard();
    catalogue.requireDistinct();
    List<String> ids = catalogue.cases().map(c -> c.id().toString()).toList();
    assertEquals(ids, Catalogue.standard().cases().map(c -> c.id().toString()).toList());
    ids.forEach(id -> assertEquals(id, CaseId.parse(id).toString()));
    assertTrue(ids.size() > 19_626, () -> "only " + ids.size() + " cases");
  }

  /** Reports of different releases are compared by id: these must never vanish. */
  @Test
  void publishedIdsStay() {
    Set<String> ids =
        Catalogue.standard().cases().map(c -> c.id().toString()).collect(Collectors.toSet());
    for (String id :
        List.of(
            "hal:op/Cast:from=f16,to=f8_e4m3fn,data=codes,shape=65536,layout=dense",
            "hal:op/TopK:k=8,data=ties,shape=5x64,layout=mixed",
            "hal:op/MatMul:a=bf16,b=f32,data=uniform,m=3,k=64,n=33,layout=transposed",
            "hal:op/RmsNorm:weight=bf16,epsilon=1.0E-6,data=normal,t=3,n=100,layout=in_place",
            "hal:op/Linear:weight=i4_g64,epilogue=residual,data=whole,m=6,k=130,n=31,layout=dense,via=decomposition")) {
      assertTrue(ids.contains(id), id);
    }
  }

  @Test
  void everyOperatorCaseNamesRequirementsAndEveryRequirementHasACase() throws IOException {
    Set<String> checked =
        Catalogue.standard()
            .cases()
            .filter(c -> c.id().path().startsWith("hal:op/"))
            .peek(c -> assertFalse(c.requirements().isEmpty(), () -> c.id().toString()))
            .flatMap(c -> c.requirements().stream())
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(specified(), checked);
  }

  private static Set<String> specified() throws IOException {
    Path folder =
        Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../docs/spec");
    Set<String> found = new TreeSet<>();
    try (Stream<Path> pages = Files.list(folder)) {
      for (Path page : pages.filter(p -> p.toString().endsWith(".md")).toList()) {
        REQUIREMENT
            .matcher(Files.readString(page))
            .results()
            .forEach(m -> assertTrue(found.add(m.group(1)), () -> m.group(1) + " occurs twice"));
      }
    }
    return found;
  }
}
