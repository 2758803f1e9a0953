package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.Stream;

/** Closing and what comes after: docs/spec/runtime.md, RT-LIFE. */
final class LifetimeCases implements CaseSource {
  private static final int CYCLES = 30;

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
                "lifetime:check=use-after-close",
                "RT-LIFE-1",
                "Every call of a closed stream, arena, graph and device is refused; closing again"
                    + " does nothing.",
                LifetimeCases::closedThingsAreRefused)
            .quick(),
        of(
            "lifetime:check=close-order",
            "RT-LIFE-2",
            "A device with open children is not closed; the refusal names them, and all goes on.",
            LifetimeCases::parentsCloseLast),
        of(
            "lifetime:check=stream-before-graph",
            "RT-LIFE-2",
            "A graph outlives the stream it was captured on, except for rebinding.",
            LifetimeCases::graphsOutliveStreams),
        of(
            "lifetime:check=balance",
            "RT-LIFE-3",
            "Devices are opened, used and closed again and again with nothing left open.",
            LifetimeCases::openingsBalance),
        of(
            "lifetime:check=memory-comes-back",
            "RT-LIFE-3",
            "Memory of twice the device's size is allocated and freed, a part at a time.",
            LifetimeCases::memoryComesBack),
        of(
            "lifetime:check=graphs-come-back",
            "RT-LIFE-3",
            "Graphs with workspaces and their streams are made and closed without end.",
            LifetimeCases::graphsComeBack));
  }

  private static void closedThingsAreRefused(Workbench outer) {
    Workbench b = outer.fresh();
    CommandStream s = b.newStream("closed");
    Tensor t = b.f32(10);
    Fence f = s.record();
    s.beginCapture();
    b.fill(s, t, 1);
    CommandGraph g = b.endCapture(s);
    MemoryArena a = b.newArena(MemoryArena.Kind.SCRATCH);
    Tensor of = a.allocate(TensorType.of(DType.F32, 10));
    g.close();
    g.close();
    s.close();
    s.close();
    a.close();
    a.close();
    List<Check.Call> calls =
        List.of(
            () -> b.fill(s, t, 1),
            () -> b.get(s, t),
            () -> b.put(s, t, new float[10]),
            s::record,
            () -> s.waitFor(f),
            s::beginCapture,
            () -> s.synchronize(Subject.DEADLINE),
            () -> s.replay(g),
            () -> b.stream().replay(g),
            () -> g.rebind(t, t),
            () -> a.allocate(TensorType.of(DType.F32, 1)),
            a::reset,
            () -> a.importHost(Arena.ofAuto().allocate(4), TensorType.of(DType.F32, 1)),
            () -> b.fill(b.stream(), of, 1),
            () -> b.get(of));
    for (int i = 0; i < calls.size(); i++) {
      Check.fails(HalErrorCode.USE_AFTER_CLOSE, calls.get(i), "call " + i + " after close");
    }
    b.close();
    b.device().close();
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE,
        () -> b.device().newStream("late"),
        "a stream of a closed device");
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE,
        () -> b.device().newArena(MemoryArena.Kind.WEIGHTS, "late"),
        "an arena of a closed device");
  }

  private static void parentsCloseLast(Workbench outer) {
    Workbench b = outer.fresh();
    Tensor t = b.f32(10);
    b.stream().beginCapture();
    b.add(b.stream(), t, t);
    CommandGraph g = b.endCapture(b.stream());
    HalException e =
        Check.fails(HalErrorCode.CLOSE_ORDER, b.device()::close, "close before its children");
    for (Object child : List.of(b.stream(), b.arena(), g)) {
      Check.that(
          e.getMessage().contains(child.toString()),
          () -> child + " is not named: " + e.getMessage());
    }
    b.fill(b.stream(), t, 2);
    b.stream().replay(g);
    Check.all(4, b.get(t), "tensor after a refused close");
  }

  private static void graphsOutliveStreams(Workbench b) {
    CommandStream s = b.newStream("short-lived");
    Tensor t = b.f32(10);
    b.fill(b.stream(), t, 1);
    b.stream().synchronize(Subject.DEADLINE);
    s.beginCapture();
    b.add(s, t, t);
    CommandGraph g = b.endCapture(s);
    s.close();
    b.stream().replay(g);
    Check.all(2, b.get(t), "tensor after a replay on another stream");
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE,
        () -> g.rebind(t, b.f32(10)),
        "rebind after the stream of the capture was closed");
  }

  private static void openingsBalance(Workbench outer) {
    for (int i = 0; i < CYCLES; i++) {
      Workbench b = outer.fresh();
      Tensor t = b.f32(1000);
      b.stream().beginCapture();
      b.add(b.stream(), t, t);
      CommandGraph g = b.endCapture(b.stream());
      b.fill(b.stream(), t, i);
      b.stream().replay(g);
      Check.all(2 * i, b.get(t), "tensor of opening " + i);
      b.close();
      Check.equal(List.of(), b.device().liveChildren(), "children of a closed device");
    }
  }

  private static void memoryComesBack(Workbench outer) {
    DeviceInfo info = outer.device().info();
    if (info.kind() == DeviceInfo.Kind.CPU
        || outer.device().capabilities().has(Feature.UNIFIED_MEMORY)) {
      throw Inapplicable.notRun("the device's memory is the host's: its size says nothing here");
    }
    Workbench b = outer.fresh();
    long part = Math.min(b.device().capabilities().maxAllocationBytes(), info.memoryBytes() / 4);
    for (long sum = 0; sum < 2 * info.memoryBytes(); sum += part) {
      MemoryArena a = b.newArena(MemoryArena.Kind.WEIGHTS);
      long done = sum;
      try {
        a.allocate(TensorType.of(DType.U8, part));
      } catch (HalException e) {
        throw new Unmet(
            "after " + done + " bytes were allocated and freed again: " + e.getMessage());
      }
      a.close();
    }
  }

  private static void graphsComeBack(Workbench b) {
    Tensor x = b.f32(64, 256);
    Tensor weight = b.f32(256);
    Tensor out = b.f32(64, 256);
    Plan plan =
        b.subject()
            .planner(Route.DECOMPOSED)
            .plan(new RmsNorm(1e-6), x.type(), weight.type(), out.type());
    for (int i = 0; i < 300; i++) {
      CommandStream s = b.device().newStream("cycle " + i);
      s.beginCapture();
      s.enqueue(plan, x, weight, out);
      CommandGraph g = s.endCapture();
      s.replay(g);
      g.close();
      s.close();
    }
    Check.all(0, b.get(out), "norm of zeros");
  }
}
