package dev.halcyon.conformance.runtime;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import java.util.List;
import java.util.stream.Stream;

/** Everything but operators and models: docs/spec/runtime.md. */
public final class RuntimeCases implements CaseSource {
  private static final List<CaseSource> TOPICS =
      List.of(
          new MemoryCases(),
          new ImportCases(),
          new ArenaCases(),
          new StreamCases(),
          new FenceCases(),
          new FailureCases(),
          new GraphCases(),
          new ErrorCases(),
          new LifetimeCases(),
          new ThreadCases());

  @Override
  public Stream<ConformanceCase> cases() {
    return TOPICS.stream().flatMap(CaseSource::cases);
  }
}
