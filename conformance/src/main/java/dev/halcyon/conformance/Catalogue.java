package dev.halcyon.conformance;

import dev.halcyon.conformance.model.ModelCases;
import dev.halcyon.models.ModelLocator;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** Every case there is. Immutable; enumerated anew on each call. */
public final class Catalogue {
  private final List<CaseSource> sources;

  public Catalogue(List<CaseSource> sources) {
    this.sources = List.copyOf(sources);
  }

  /** The cases that ship with Halcyon; the demo model is looked for as this process would. */
  public static Catalogue standard() {
    return standard(ModelLocator.ofProcess());
  }

  /** The cases that ship with Halcyon; {@code models} finds the demo model. */
  public static Catalogue standard(ModelLocator models) {
    return new Catalogue(StandardSources.all()).with(ModelCases.demo(models));
  }

  /** These cases and those of one more source, last. */
  public Catalogue with(CaseSource source) {
    List<CaseSource> all = new ArrayList<>(sources);
    all.add(source);
    return new Catalogue(all);
  }

  /** All cases, in the order of the sources. */
  public Stream<ConformanceCase> cases() {
    return sources.stream().flatMap(CaseSource::cases);
  }

  /** The cases of a profile that {@code query} chooses. */
  public Stream<ConformanceCase> cases(Profile profile, CaseQuery query) {
    return cases()
        .filter(c -> profile == Profile.FULL || c.profiles().contains(profile))
        .filter(c -> query.matches(c.id()));
  }

  /**
   * Checks that ids are unique.
   *
   * @throws IllegalStateException naming an id that occurs twice
   */
  public void requireDistinct() {
    Set<String> seen = new HashSet<>();
    cases()
        .forEach(
            c -> {
              if (!seen.add(c.id().toString())) {
                throw new IllegalStateException("two cases are called " + c.id());
              }
            });
  }
}
