package dev.halcyon.conformance.testing;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A case that does what a test says.
 *
 * @param id its name
 * @param script what it does
 */
public record ScriptedCase(CaseId id, Function<Subject, Outcome> script)
    implements ConformanceCase {
  /** A case that ends like this. */
  public static ScriptedCase of(String id, Outcome outcome) {
    return new ScriptedCase(CaseId.parse(id), s -> outcome);
  }

  /** A case that does this. */
  public static ScriptedCase doing(String id, Function<Subject, Outcome> script) {
    return new ScriptedCase(CaseId.parse(id), script);
  }

  /** A catalogue of these cases. */
  public static Catalogue catalogue(ConformanceCase... cases) {
    CaseSource source = () -> Stream.of(cases);
    return new Catalogue(List.of(source));
  }

  public static Outcome pass() {
    return new Outcome.Pass(evidence(0.25));
  }

  public static Outcome fail(String reason) {
    return new Outcome.Fail(reason, evidence(7));
  }

  /** Evidence of a native plan that used this share of its bound. */
  public static Evidence evidence(double headroom) {
    return new Evidence(
        OptionalDouble.of(headroom),
        OptionalDouble.of(1e-12),
        Optional.of("out[0, 3] is 2.0, expected 1.0"),
        "NATIVE",
        "kernel",
        1);
  }

  @Override
  public Set<Profile> profiles() {
    return Set.of(Profile.QUICK, Profile.OPERATORS);
  }

  @Override
  public Set<String> requirements() {
    return Set.of("OP-MATMUL-1");
  }

  @Override
  public String description() {
    return "Scripted.";
  }

  @Override
  public Outcome run(Subject subject) {
    return script.apply(subject);
  }
}
