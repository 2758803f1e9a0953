package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.Operand;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * An operator on operands of certain types with certain contents: one case for each memory layout
 * and route that it allows.
 *
 * @param id without layout and route
 * @param description what is particular about it, in a sentence
 * @param requirements ids of docs/spec
 * @param spec the operator
 * @param types dense types of all operands, in the order of the spec
 * @param freedoms which layouts each operand allows, in the same order
 * @param contents makes the inputs
 * @param oracle gives the outputs
 * @param extent which variants are made
 */
public record OperatorDefinition(
    CaseId id,
    String description,
    Set<String> requirements,
    OperatorSpec spec,
    List<TensorType> types,
    List<Freedom> freedoms,
    ContentSource contents,
    Oracle oracle,
    Extent extent) {
  /** Which variants of a definition are made. */
  public enum Extent {
    /** Every layout, and among the quick cases dense and mixed. */
    QUICK,
    /** Every layout. */
    LAYOUTS,
    /** Dense only: for large operands, and for many contents of the same shapes. */
    DENSE
  }

  public OperatorDefinition {
    requirements = Set.copyOf(requirements);
    types = List.copyOf(types);
    freedoms = List.copyOf(freedoms);
    if (types.size() != spec.operands().size() || freedoms.size() != types.size()) {
      throw new IllegalArgumentException(id + " has " + types.size() + " operands for " + spec);
    }
  }

  /** Operands of any strides. */
  public static OperatorDefinition free(
      CaseId id,
      String description,
      Set<String> requirements,
      OperatorSpec spec,
      List<TensorType> types,
      ContentSource contents,
      Oracle oracle,
      Extent extent) {
    List<Freedom> freedoms = Collections.nCopies(types.size(), Freedom.ANY);
    return new OperatorDefinition(
        id, description, requirements, spec, types, freedoms, contents, oracle, extent);
  }

  /** All its cases. */
  public Stream<ConformanceCase> cases() {
    List<ConformanceCase> cases = new ArrayList<>();
    for (Layout layout : layouts()) {
      cases.add(new OperatorCase(this, layout, Route.PREFERRED, profiles(layout)));
    }
    if (spec instanceof CompositeSpec) {
      cases.add(
          new OperatorCase(this, Layout.DENSE, Route.DECOMPOSED, EnumSet.of(Profile.OPERATORS)));
      if (extent != Extent.DENSE) {
        cases.add(
            new OperatorCase(this, Layout.MIXED, Route.DECOMPOSED, EnumSet.of(Profile.OPERATORS)));
      }
    }
    return cases.stream();
  }

  private Set<Profile> profiles(Layout layout) {
    boolean quick = extent == Extent.QUICK && (layout == Layout.DENSE || layout == Layout.MIXED);
    return quick ? EnumSet.of(Profile.QUICK, Profile.OPERATORS) : EnumSet.of(Profile.OPERATORS);
  }

  private List<Layout> layouts() {
    if (extent == Extent.DENSE) {
      return List.of(Layout.DENSE);
    }
    List<Layout> layouts = new ArrayList<>();
    for (Layout layout : Layout.values()) {
      if (layout == Layout.DENSE
          || layout == Layout.MIXED
          || layout == Layout.IN_PLACE && inPlace().length == 2
          || layout != Layout.IN_PLACE && someOperandCan(layout)) {
        layouts.add(layout);
      }
    }
    return layouts;
  }

  private boolean someOperandCan(Layout layout) {
    for (int i = 0; i < types.size(); i++) {
      if (can(i, layout)) {
        return true;
      }
    }
    return false;
  }

  /** Whether an operand may lie in a layout. */
  boolean can(int operand, Layout layout) {
    TensorType t = types.get(operand);
    Freedom freedom = freedoms.get(operand);
    int rank = t.rank();
    boolean whole = t.dtype().bits() >= 8;
    return switch (layout) {
      case DENSE, OFFSET, MISALIGNED -> true;
      case SLICED ->
          freedom != Freedom.DENSE
              && rank >= (t.isQuantized() ? 2 : 1)
              && (whole || t.isQuantized() && beginsAtByte(t));
      case TRANSPOSED -> freedom == Freedom.ANY && rank >= 2 && whole && !t.isQuantized();
      case BROADCAST ->
          freedom == Freedom.ANY
              && rank >= 2
              && whole
              && !t.isQuantized()
              && t.dim(0) > 1
              && !spec.operands().get(operand).role().isWritten();
      case STACKED -> freedom == Freedom.PARTS && t.dim(0) > 0;
      case MIXED, IN_PLACE -> false;
    };
  }

  /** Whether the second block of rows begins with a whole byte. */
  private static boolean beginsAtByte(TensorType t) {
    return t.quant() instanceof QuantScheme.Blocked b
        && (t.dtype().bits() >= 8 || b.blockRows() * t.dim(-1) % 2 == 0 && t.dim(-1) > 0);
  }

  /** Input and output that may be the same view, or nothing. */
  int[] inPlace() {
    for (int i = 0; i < types.size(); i++) {
      if (spec.operands().get(i).role() != Operand.Role.IN_PLACE) {
        continue;
      }
      for (int o = 0; o < types.size(); o++) {
        if (spec.operands().get(o).role() == Operand.Role.OUT
            && types.get(o).equals(types.get(i))) {
          return new int[] {i, o};
        }
      }
    }
    return new int[0];
  }

  /** Inputs of the case, repeated along axis 0 where the layout needs it. */
  Contents contentsFor(List<Layout> layouts) {
    Contents c = contents.generate(new Draw(id.seed()));
    for (int i = 0; i < layouts.size(); i++) {
      if (layouts.get(i) == Layout.BROADCAST) {
        c = c.with(i, repeatFirst(c.get(i)));
      }
    }
    return c;
  }

  private static HostTensor repeatFirst(HostTensor t) {
    double[] values = t.stored().clone();
    int part = Math.toIntExact(t.size() / t.shape().dim(0));
    for (int i = part; i < values.length; i++) {
      values[i] = values[i % part];
    }
    return new HostTensor(t.type(), values, t.scales());
  }
}
