package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.conformance.operator.Judgement.Subnormals;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.DeviceCapabilities.Feature;
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
import java.util.TreeSet;

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
    Set<String> all = new TreeSet<>(definition.requirements());
    all.add("OP-OPERANDS-1");
    if (layout != Layout.DENSE) {
      all.add(layout == Layout.IN_PLACE ? "OP-OPERANDS-3" : "OP-OPERANDS-2");
    }
    if (route == Route.DECOMPOSED) {
      all.add("OP-OPERANDS-4");
    }
    return all;
  }

  @Override
  public String description() {
    return definition.spec() + " on " + definition.types() + ". " + definition.description();
  }

  @Override
  public Outcome run(Subject subject) {
    if (layout == Layout.STACKED && !subject.device().capabilities().has(Feature.STACKED_PARTS)) {
      return new Outcome.NotSupported("the device has no " + Feature.STACKED_PARTS);
    }
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

  /** An output has elements; an updated operand counts only if there is something to update by. */
  private boolean writesSomething() {
    boolean anyEmpty = definition.types().stream().anyMatch(t -> t.elementCount() == 0);
    for (int i = 0; i < definition.types().size(); i++) {
      if (role(i) == Operand.Role.OUT && definition.types().get(i).elementCount() > 0
          || role(i) == Operand.Role.INOUT && !anyEmpty) {
        return true;
      }
    }
    return false;
  }

  /** What it runs. */
  OperatorDefinition definition() {
    return definition;
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
    Stage stage = new Stage();
    int[] same = layout == Layout.IN_PLACE ? definition.inPlace() : new int[0];
    for (int i = 0; i < layouts.size(); i++) {
      if (contents.operands().get(i).isPresent()) {
        stage.add(contents.get(i), layouts.get(i));
      } else if (same.length == 0 || i != same[1]) {
        stage.add(definition.types().get(i), layouts.get(i));
      }
    }
    List<Placed> placed = new ArrayList<>(stage.set(subject.stream(), subject.scratch()));
    if (same.length > 0) {
      placed.add(same[1], placed.get(same[0]));
    }
    return placed;
  }

  private Outcome judge(
      Subject subject, Contents contents, List<Placed> placed, Evidence evidence) {
    Iterator<Expected> expected = definition.oracle().expect(contents).iterator();
    boolean keeps = subject.device().capabilities().has(Feature.SUBNORMALS);
    Judgement judgement =
        new Judgement(
            placed.getFirst().read(subject.stream()), keeps ? Subnormals.KEPT : Subnormals.FLUSHED);
    List<Placed> written = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < placed.size(); i++) {
      names.add(name(i));
      if (role(i).isWritten()) {
        written.add(placed.get(i));
        judgement.values(name(i), placed.get(i), expected.next());
        for (Placed scales : placed.get(i).scales()) {
          judgement.values(name(i) + " scales", scales, expected.next());
        }
      }
    }
    judgement.guards(names, placed, written);
    return judgement.outcome(evidence);
  }
}
