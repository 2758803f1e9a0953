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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Makes and caches plans for one device under one policy: native if the device supports the
 * operator on these types; else by decomposition; else on the host if the policy lists the
 * operator; else an error. Every decision is in {@link #report()}. Thread-safe.
 */
public final class Planner {
  private record Key(OperatorSpec spec, List<TensorType> types) {}

  private record Decided(Plan plan, String reason) {}

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
    Key key = new Key(spec, types);
    Decided found = plans.get(key);
    if (found != null) {
      return found.plan;
    }
    spec.check(types);
    List<TensorType> own = List.copyOf(types);
    Decided made = decide(spec, own);
    Decided raced = plans.putIfAbsent(new Key(spec, own), made);
    return (raced == null ? made : raced).plan;
  }

  /**
   * Plans all requests.
   *
   * @throws HalException {@code UNSUPPORTED_OPERATOR} naming ALL unsupported operators, with
   *     reasons
   */
  public List<Plan> planAll(List<Request> requests) {
    List<Plan> made = new ArrayList<>();
    Map<String, String> missing = new LinkedHashMap<>();
    for (Request r : requests) {
      try {
        made.add(plan(r.spec, r.types));
      } catch (HalException e) {
        if (e.code() != HalErrorCode.UNSUPPORTED_OPERATOR) {
          throw e;
        }
        // one line per operator and dtypes: a model asks for the same thing in many shapes
        missing.putIfAbsent(
            r.spec.name() + r.types.stream().map(t -> t.dtype() + ":" + t.quant()).toList(),
            e.what());
      }
    }
    if (!missing.isEmpty()) {
      throw unsupported(String.join("; ", missing.values()));
    }
    return made;
  }

  private Decided decide(OperatorSpec spec, List<TensorType> types) {
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
    List<String> missing = new ArrayList<>();
    if (spec instanceof CompositeSpec composite) {
      try {
        OperatorPlan steps = new DecompositionBuilder(this, composite, types).build();
        return decided(spec, types, Placement.DECOMPOSED, steps, reason);
      } catch (HalException e) {
        if (e.code() != HalErrorCode.UNSUPPORTED_OPERATOR) {
          throw e;
        }
        missing.add(e.what());
      }
    }
    if (policy.hostOperators().contains(spec.name()) && policy.host().isPresent()) {
      Planner host = new Planner(policy.host().get(), PlacementPolicy.DEFAULT);
      return decided(spec, types, Placement.HOST, new HostPlan(host, spec, types), reason);
    }
    String own = spec.name() + " on " + types + " (" + reason + ")";
    throw unsupported(missing.isEmpty() ? own : own + ", its decomposition needs " + missing);
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

  /** Every distinct decision so far. */
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
                  a.example(),
                  a.plans() + 1));
    }
    return new PlacementReport(device.uri().toString(), List.copyOf(distinct.values()));
  }
}
