package dev.halcyon.conformance.runtime;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.HalException;
import java.util.EnumSet;
import java.util.Set;

/**
 * A case about memory, streams, fences, graphs, errors or lifetimes: a body of checks on a
 * workbench of its own. A failure of the device that the body did not expect is a failed case.
 *
 * @param id its name, of area {@code hal:runtime}
 * @param description what it does and how it judges
 * @param requirements ids of docs/spec/runtime.md
 * @param profiles RUNTIME, and QUICK for a cross-section
 * @param body the checks
 */
record RuntimeCase(
    CaseId id, String description, Set<String> requirements, Set<Profile> profiles, Body body)
    implements ConformanceCase {
  /** The checks of a case. */
  interface Body {
    /**
     * Uses the device and throws {@link Unmet} for what is wrong.
     *
     * @param bench closed afterwards, with everything made through it
     */
    void check(Workbench bench);
  }

  RuntimeCase {
    requirements = Set.copyOf(requirements);
    profiles = Set.copyOf(profiles);
  }

  /** A case of the runtime profile; {@code id} is {@code topic:check=name}, without the area. */
  static RuntimeCase of(String id, String requirement, String description, Body body) {
    return new RuntimeCase(
        CaseId.parse("hal:runtime/" + id),
        description,
        Set.of(requirement),
        EnumSet.of(Profile.RUNTIME),
        body);
  }

  /** This case, in the quick profile too. */
  RuntimeCase quick() {
    return new RuntimeCase(
        id, description, requirements, EnumSet.of(Profile.QUICK, Profile.RUNTIME), body);
  }

  @Override
  public Outcome run(Subject subject) {
    try (Workbench bench = new Workbench(subject)) {
      body.check(bench);
      return new Outcome.Pass(Evidence.NONE);
    } catch (Unmet e) {
      return new Outcome.Fail(e.getMessage(), Evidence.NONE);
    } catch (Inapplicable e) {
      return e.outcome();
    } catch (HalException e) {
      return new Outcome.Fail("unexpected failure: " + e.getMessage(), Evidence.NONE);
    }
  }
}
