package dev.halcyon.hal.plan;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Makes and caches plans for one device under one policy: native if the device supports the
 * operator on these types; else by decomposition; else on the host if the policy lists the
 * operator; else an error. Every decision is in {@link #report()}. Thread-safe.
 */
public final class Planner {
  private record Key(OperatorSpec spec, List<TensorType> types) {}

  /** What became of a request. */
  private sealed interface Outcome permits Decided, Missing {}

  private record Decided(Plan plan, String reason) implements Outcome {}

  /**
   * An operator that cannot be executed.
   *
   * @param reason why not natively, and where the policy allows it why not on the host
   * @param parts what its decomposition lacks; empty for a primitive
   */
  record Missing(OperatorSpec spec, List<TensorType> types, String reason, List<Missing> parts)
      implements Outcome {
    /** The operator, the reason, and what its decomposition lacks. */
    String text() {
      String own = spec.name() + " on " + types + " (" + reason + ")";
      return parts.isEmpty()
          ? own
          : own
              + ", its decomposition needs "
              + parts.stream().map(Missing::text).distinct().toList();
    }
  }

  /**
   * A spec with the operand types it is needed for.
   *
   * @param spec the operator
   * @param types its operands' types
   */
  public record Request(OperatorSpec spec, List<TensorType> types) {
    public Request {
      types = List.copyOf(types);
    }
  }

  private final Device device;
  private final PlacementPolicy policy;
  private final Map<Key, Decided> plans = new ConcurrentHashMap<>();

  /** What was asked for in vain; parts of decompositions are inside. */
  private final Map<Key, Missing> missing = new ConcurrentHashMap<>();

  public Planner(Device device, PlacementPolicy policy) {
    this.device = device;
    this.policy = policy;
  }

  public Device device() {
    return device;
  }

  public PlacementPolicy policy() {
    return policy;
  }

  /** The plan of {@code spec} on operands of {@code types}. */
  public Plan plan(OperatorSpec spec, TensorType... types) {
    return plan(spec, List.of(types));
  }

  /**
   * The plan of {@code spec} on operands of {@code types}; made on the first call, from the cache
   * afterwards.
   *
   * @throws HalException {@code SHAPE_MISMATCH} or {@code DTYPE_MISMATCH} if the spec rejects the
   *     types, {@code UNSUPPORTED_OPERATOR} naming every part that is missing
   */
  public Plan plan(OperatorSpec spec, List<TensorType> types) {
    return switch (find(spec, types)) {
      case Decided d -> d.plan;
      case Missing m -> {
        missing.put(new Key(m.spec, m.types), m);
        throw unsupported(m.text());
      }
    };
  }

  /**
   * Plans all requests.
   *
   * @throws HalException as {@link #plan}; {@code UNSUPPORTED_OPERATOR} names ALL operators that
   *     the device lacks for these requests, each with its reason and what it is needed by
   */
  public List<Plan> planAll(Collection<Request> requests) {
    List<Plan> made = new ArrayList<>();
    List<Missing> lacking = new ArrayList<>();
    for (Request r : requests) {
      switch (find(r.spec, r.types)) {
        case Decided d -> made.add(d.plan);
        case Missing m -> {
          missing.put(new Key(m.spec, m.types), m);
          lacking.add(m);
        }
      }
    }
    if (lacking.isEmpty()) {
      return made;
    }
    List<PlacementReport.Missing> causes = PlacementReport.Missing.causes(lacking);
    throw unsupported(
        (causes.size() == 1
                ? "one operator is missing: "
                : causes.size() + " operators are missing: ")
            + String.join("; ", causes.stream().map(PlacementReport.Missing::toString).toList()));
  }

  /** Plans in the cache, the steps of decompositions included. */
  public int planCount() {
    return plans.size();
  }

  private Outcome find(OperatorSpec spec, List<TensorType> types) {
    Decided found = plans.get(new Key(spec, types));
    if (found != null) {
      return found;
    }
    spec.check(types);
    List<TensorType> own = List.copyOf(types);
    Outcome made = decide(spec, own);
    if (made instanceof Decided d) {
      Decided raced = plans.putIfAbsent(new Key(spec, own), d);
      return raced == null ? d : raced;
    }
    return made;
  }

  /** The plan of a step of a decomposition; adds to {@code lacking} if there is none. */
  Optional<Plan> step(OperatorSpec spec, List<TensorType> types, List<Missing> lacking) {
    return switch (find(spec, types)) {
      case Decided d -> Optional.of(d.plan);
      case Missing m -> {
        lacking.add(m);
        yield Optional.empty();
      }
    };
  }

  private Outcome decide(OperatorSpec spec, List<TensorType> types) {
    OperatorLibrary library = device.backend().operators();
    String reason = "native version turned off";
    if (policy.allowsNative(device.uri().scheme(), spec)) {
      switch (library.support(spec, types)) {
        case Support.Native n -> {
          return decided(spec, types, Placement.NATIVE, library.plan(spec, types), "");
        }
        case Support.Unsupported u -> reason = u.reason() + ": " + u.detail();
      }
    }
    List<Missing> parts = List.of();
    if (spec instanceof CompositeSpec composite) {
      DecompositionBuilder builder = new DecompositionBuilder(this, composite, types);
      parts = builder.missing();
      if (parts.isEmpty()) {
        return decided(spec, types, Placement.DECOMPOSED, builder.build(), reason);
      }
    }
    if (policy.hostOperators().contains(spec.name()) && policy.host().isPresent()) {
      Planner host = new Planner(policy.host().get(), PlacementPolicy.DEFAULT);
      try {
        return decided(spec, types, Placement.HOST, new HostPlan(host, spec, types), reason);
      } catch (HalException e) {
        if (e.code() != HalErrorCode.UNSUPPORTED_OPERATOR) {
          throw e;
        }
        reason += "; " + e.what();
      }
    }
    return new Missing(spec, types, reason, parts);
  }

  private Decided decided(
      OperatorSpec spec,
      List<TensorType> types,
      Placement where,
      OperatorPlan plan,
      String reason) {
    return new Decided(new Plan(device, spec, types, where, plan), reason);
  }

  private HalException unsupported(String what) {
    return HalException.of(HalErrorCode.UNSUPPORTED_OPERATOR, what)
        .on(device.uri().toString())
        .remedy("choose another dtype or device, or allow these operators on the host by policy")
        .build();
  }

  /** Every distinct decision so far, and what was asked for in vain. */
  public PlacementReport report() {
    Map<String, PlacementReport.Decision> distinct = new TreeMap<>();
    for (Decided d : plans.values()) {
      Plan p = d.plan;
      String how = p.implementation().implementation();
      distinct.merge(
          p.spec().name() + "|" + p.placement() + "|" + how + "|" + d.reason,
          new PlacementReport.Decision(
              p.spec().name(), p.placement(), how, d.reason, p.types().toString(), 1),
          (a, b) ->
              new PlacementReport.Decision(
                  a.operator(),
                  a.placement(),
                  a.implementation(),
                  a.reason(),
                  // the same in every run, in whatever order the cache lists its plans
                  a.example().compareTo(b.example()) <= 0 ? a.example() : b.example(),
                  a.plans() + 1));
    }
    return new PlacementReport(
        device.uri().toString(),
        List.copyOf(distinct.values()),
        PlacementReport.Missing.causes(missing.values()));
  }
}
