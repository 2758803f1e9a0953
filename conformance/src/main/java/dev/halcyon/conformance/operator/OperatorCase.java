package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.conformance.operator.Placed.Access;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Operand;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;

/** An operator definition in one memory layout by one route. */
final class OperatorCase implements ConformanceCase {
  private static final Layout[] CHOICE = {
    Layout.DENSE,
    Layout.OFFSET,
    Layout.MISALIGNED,
    Layout.SLICED,
    Layout.TRANSPOSED,
    Layout.BROADCAST
  };

  private final OperatorDefinition definition;
  private final Layout layout;
  private final Route route;
  private final Set<Profile> profiles;

  OperatorCase(OperatorDefinition definition, Layout layout, Route route, Set<Profile> profiles) {
    this.definition = definition;
    this.layout = layout;
    this.route = route;
    this.profiles = profiles;
  }

  @Override
  public CaseId id() {
    CaseId id = definition.id().with("layout", layout.name().toLowerCase(Locale.ROOT));
    return route == Route.PREFERRED ? id : id.with("via", "decomposition");
  }

  @Override
  public Set<Profile> profiles() {
    return profiles;
  }

  @Override
  public Set<String> requirements() {
    return definition.requirements();
  }

  @Override
  public String description() {
    return definition.spec() + " on " + definition.types() + ". " + definition.description();
  }

  @Override
  public Outcome run(Subject subject) {
    List<Layout> layouts = layouts();
    Contents contents = definition.contentsFor(layouts);
    List<Placed> placed = place(subject, layouts, contents);
    Tensor[] operands = placed.stream().map(Placed::view).toArray(Tensor[]::new);
    List<TensorType> types = placed.stream().map(p -> p.view().type()).toList();
    Plan plan;
    try {
      plan = subject.planner(route).plan(definition.spec(), types);
    } catch (HalException e) {
      if (e.code() == HalErrorCode.UNSUPPORTED_OPERATOR) {
        return new Outcome.NotSupported(e.what());
      }
      throw e;
    }
    long launches = subject.stream().launches();
    subject.stream().enqueue(plan, operands);
    subject.stream().synchronize(Subject.DEADLINE);
    launches = subject.stream().launches() - launches;
    Evidence evidence =
        new Evidence(
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            Optional.empty(),
            plan.placement().name(),
            plan.implementation().implementation(),
            launches);
    if (launches == 0 && plan.placement() != Placement.HOST && writesSomething()) {
      return new Outcome.Fail(
          plan.placement() + " plan '" + evidence.implementation() + "' gave the device no work",
          evidence);
    }
    return judge(subject, contents, placed, evidence);
  }

  private boolean writesSomething() {
    for (int i = 0; i < definition.types().size(); i++) {
      if (role(i).isWritten() && definition.types().get(i).elementCount() > 0) {
        return true;
      }
    }
    return false;
  }

  private String name(int operand) {
    return definition.spec().operands().get(operand).name();
  }

  private Operand.Role role(int operand) {
    return definition.spec().operands().get(operand).role();
  }

  /** The layout of each operand: what was asked for where it is allowed, else the next best. */
  private List<Layout> layouts() {
    SplittableRandom random = new SplittableRandom(id().seed());
    List<Layout> layouts = new ArrayList<>();
    for (int i = 0; i < definition.types().size(); i++) {
      Layout wanted = layout == Layout.MIXED ? CHOICE[random.nextInt(CHOICE.length)] : layout;
      if (!definition.can(i, wanted) && wanted == Layout.TRANSPOSED) {
        wanted = Layout.SLICED;
      }
      layouts.add(definition.can(i, wanted) ? wanted : Layout.DENSE);
    }
    return layouts;
  }

  private List<Placed> place(Subject subject, List<Layout> layouts, Contents contents) {
    List<Placed> placed = new ArrayList<>();
    for (int i = 0; i < layouts.size(); i++) {
      placed.add(
          contents.operands().get(i).isPresent()
              ? Placed.of(subject.stream(), subject.scratch(), contents.get(i), layouts.get(i))
              : Placed.output(
                  subject.stream(), subject.scratch(), definition.types().get(i), layouts.get(i)));
    }
    if (layout == Layout.IN_PLACE) {
      int[] same = definition.inPlace();
      placed.set(same[1], placed.get(same[0]));
    }
    return placed;
  }

  private Outcome judge(
      Subject subject, Contents contents, List<Placed> placed, Evidence evidence) {
    Iterator<Expected> expected = definition.oracle().expect(contents).iterator();
    Judgement judgement = new Judgement(subject.stream());
    for (int i = 0; i < placed.size(); i++) {
      boolean written =
          role(i).isWritten() || layout == Layout.IN_PLACE && i == definition.inPlace()[0];
      judgement.guards(name(i), placed.get(i), written ? Access.WRITTEN : Access.READ);
      if (role(i).isWritten()) {
        judgement.values(name(i), placed.get(i), expected.next());
        for (Placed scales : placed.get(i).scales()) {
          judgement.values(name(i) + " scales", scales, expected.next());
        }
      }
    }
    return judgement.outcome(evidence);
  }
}
