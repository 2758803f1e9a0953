package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** Capture and replay: docs/spec/runtime.md, RT-GRAPH. */
final class GraphCases implements CaseSource {
  private static final int ROWS = 3;
  private static final int COLUMNS = 64;

  @Override
  public Stream<ConformanceCase> cases() {
    Stream<ConformanceCase> equal =
        Stream.of(Route.values())
            .map(
                r ->
                    of(
                            "graph:check=equal,via=" + r.name().toLowerCase(Locale.ROOT),
                            "RT-GRAPH-1",
                            "Three replays of a captured step give bitwise what three eager steps"
                                + " give.",
                            b -> replayEqualsEager(b, r))
                        .quick());
    return Stream.concat(
        equal,
        Stream.of(
            of(
                "graph:check=capture-only",
                "RT-GRAPH-1",
                "Capturing executes nothing.",
                GraphCases::captureExecutesNothing),
            of(
                "graph:check=order",
                "RT-GRAPH-1",
                "Replays keep their place among eager commands, also on another stream.",
                GraphCases::replaysKeepTheirPlace),
            of(
                "graph:check=values",
                "RT-GRAPH-2",
                "A replay uses what its inputs hold then: numbers and row indices.",
                GraphCases::valuesAreReadAtReplay),
            of(
                "graph:check=rebind",
                "RT-GRAPH-3",
                "After a rebind of input and output the graph reads and writes the new tensors"
                    + " only.",
                GraphCases::rebindReplacesOperands),
            of(
                "graph:check=rebind-refused",
                "RT-GRAPH-3",
                "A rebind to another type, of a stranger, or onto another operand is refused and"
                    + " changes nothing.",
                GraphCases::wrongRebindChangesNothing),
            of(
                "graph:check=reset",
                "RT-GRAPH-4",
                "A graph whose arena was reset or closed is refused; the stream goes on.",
                GraphCases::resetRefusesReplay),
            of(
                "graph:check=state",
                "RT-GRAPH-5",
                "Capture calls in the wrong state, and waits and transfers while capturing, are"
                    + " refused; the capture goes on.",
                GraphCases::captureStateIsChecked),
            of(
                "graph:check=abort",
                "RT-GRAPH-5",
                "An aborted capture leaves the stream as it was.",
                GraphCases::abortForgets),
            of(
                "graph:check=kind",
                "RT-GRAPH-6",
                "A device that claims NATIVE_GRAPHS makes a native graph of primitives, another one"
                    + " does not.",
                GraphCases::kindFollowsTheCapability),
            of(
                "graph:check=launches",
                "RT-LAUNCH-1",
                "A replay counts the launches of its plans.",
                GraphCases::replaysCountLaunches),
            of(
                "graph:check=empty",
                "RT-GRAPH-1",
                "A graph of nothing can be replayed.",
                GraphCases::emptyGraph),
            of(
                "graph:check=close",
                "RT-GRAPH-4",
                "A graph closed right after its replay was enqueued has still done its work.",
                GraphCases::closeWaitsForReplays)));
  }

  /** A step with state, products, reductions and indices, on tensors of its own. */
  private record Step(
      Tensor x,
      Tensor weight,
      Tensor state,
      Tensor hidden,
      Tensor lengths,
      Tensor best,
      Tensor ids,
      Tensor norm) {
    static Step make(Workbench b) {
      SplittableRandom random = new SplittableRandom(99);
      float[] x = new float[ROWS * COLUMNS];
      float[] w = new float[COLUMNS * COLUMNS];
      for (float[] a : List.of(x, w)) {
        for (int i = 0; i < a.length; i++) {
          a[i] = (float) random.nextDouble(-1, 1);
        }
      }
      Tensor norm = b.f32(COLUMNS);
      b.fill(b.stream(), norm, 0.75);
      return new Step(
          b.f32(x).reshape(ROWS, COLUMNS),
          b.f32(w).reshape(COLUMNS, COLUMNS),
          b.f32(ROWS, COLUMNS),
          b.f32(ROWS, COLUMNS),
          b.i32(COLUMNS, 17, 1),
          b.f32(ROWS, 5),
          b.arena().allocate(TensorType.of(DType.I32, ROWS, 5)),
          norm);
    }

    void enqueue(Planner planner, CommandStream s) {
      run(planner, s, new RmsNorm(1e-6), x, norm, hidden);
      run(planner, s, new Linear(Epilogue.RESIDUAL), hidden, weight, state, state);
      run(planner, s, new SwiGlu(), state, hidden, hidden);
      run(planner, s, new MaskedSoftmax(0.5), hidden, lengths, hidden);
      run(planner, s, new TopK(5), hidden, best, ids);
      run(planner, s, new Binary(Binary.Op.ADD), x, state, x);
    }

    private static void run(Planner planner, CommandStream s, OperatorSpec spec, Tensor... t) {
      s.enqueue(planner.plan(spec, Arrays.stream(t).map(Tensor::type).toList()), t);
    }

    List<Tensor> results() {
      return List.of(x, state, hidden, best, ids);
    }
  }

  private static void replayEqualsEager(Workbench b, Route route) {
    Planner planner = b.subject().planner(route);
    Step eager = Step.make(b);
    Step captured = Step.make(b);
    b.stream().beginCapture();
    captured.enqueue(planner, b.stream());
    CommandGraph g = b.endCapture(b.stream());
    for (int i = 0; i < 3; i++) {
      eager.enqueue(planner, b.stream());
      b.stream().replay(g);
      for (int r = 0; r < eager.results().size(); r++) {
        Check.equal(
            b.getBytes(eager.results().get(r)),
            b.getBytes(captured.results().get(r)),
            "result " + r + " of replay " + i + " (" + g.implementation() + ")");
      }
    }
  }

  private static CommandGraph capture(Workbench b, Runnable body) {
    b.stream().beginCapture();
    body.run();
    return b.endCapture(b.stream());
  }

  private static void captureExecutesNothing(Workbench b) {
    Tensor t = b.f32(100);
    CommandGraph g = capture(b, () -> b.fill(b.stream(), t, 4));
    Check.all(0, b.get(t), "tensor after the capture of a fill");
    b.stream().replay(g);
    Check.all(4, b.get(t), "tensor after the replay");
  }

  private static void replaysKeepTheirPlace(Workbench b) {
    Tensor one = b.f32(500);
    Tensor t = b.f32(500);
    b.fill(b.stream(), one, 1);
    CommandGraph g =
        capture(
            b,
            () -> {
              b.add(b.stream(), t, t);
              b.add(b.stream(), t, one);
            });
    float expected = 0;
    for (int i = 0; i < 6; i++) {
      b.add(b.stream(), t, one);
      b.stream().replay(g);
      expected = 2 * (expected + 1) + 1;
    }
    Check.all(expected, b.get(t), "tensor after eager commands and replays in turn");
    Fence done = b.stream().record();
    CommandStream other = b.newStream("other");
    other.waitFor(done);
    other.replay(g);
    Check.all(2 * expected + 1, b.get(other, t), "tensor after a replay on another stream");
  }

  private static void valuesAreReadAtReplay(Workbench b) {
    Tensor x = b.f32(8);
    Tensor twice = b.f32(8);
    Tensor table = b.f32(new float[] {10, 11, 12, 13}).reshape(4, 1);
    Tensor index = b.i32(0, 0);
    Tensor picked = b.f32(2, 1);
    CommandGraph g =
        capture(
            b,
            () -> {
              b.run(new Binary(Binary.Op.ADD), x, x, twice);
              b.run(new Gather(), table, index, picked);
            });
    for (int i = 1; i < 4; i++) {
      b.fill(b.stream(), x, i);
      b.stream().upload(MemorySegment.ofArray(new int[] {i, 3 - i}), index);
      b.stream().replay(g);
      Check.all(2 * i, b.get(twice), "sum of replay " + i);
      Check.equal(new float[] {10 + i, 13 - i}, b.get(picked), "rows of replay " + i);
    }
  }

  private static void rebindReplacesOperands(Workbench b) {
    Tensor x = b.f32(100);
    Tensor out = b.f32(100);
    Tensor otherX = b.f32(100);
    Tensor otherOut = b.f32(100);
    b.fill(b.stream(), x, 1);
    b.fill(b.stream(), otherX, 5);
    CommandGraph g =
        capture(
            b,
            () -> {
              b.run(new Copy(), x, out);
              b.add(b.stream(), out, x);
            });
    b.stream().replay(g);
    Check.all(2, b.get(out), "output before the rebind");
    g.rebind(x, otherX);
    b.stream().replay(g);
    Check.all(10, b.get(out), "output after the input was rebound");
    g.rebind(out, otherOut);
    b.fill(b.stream(), out, -1);
    b.stream().replay(g);
    Check.all(10, b.get(otherOut), "output that was rebound");
    Check.all(-1, b.get(out), "output that was replaced");
  }

  private static void wrongRebindChangesNothing(Workbench b) {
    Tensor x = b.f32(10);
    Tensor out = b.f32(10);
    b.fill(b.stream(), x, 3);
    CommandGraph g = capture(b, () -> b.run(new Copy(), x, out));
    Check.fails(
        HalErrorCode.SHAPE_MISMATCH, () -> g.rebind(x, b.f32(11)), "rebind to another shape");
    Check.fails(
        HalErrorCode.INVALID_ARGUMENT,
        () -> g.rebind(b.f32(10), b.f32(10)),
        "rebind of a tensor that was not captured");
    Check.fails(
        HalErrorCode.ALIASED_OPERANDS, () -> g.rebind(x, out), "rebind of the input to the output");
    b.stream().replay(g);
    Check.all(3, b.get(out), "output after refused rebinds");
  }

  private static void resetRefusesReplay(Workbench b) {
    MemoryArena scratch = b.newArena(MemoryArena.Kind.SCRATCH);
    Tensor kept = b.f32(10);
    Tensor t = scratch.allocate(TensorType.of(DType.F32, 10));
    CommandGraph g = capture(b, () -> b.run(new Copy(), t, kept));
    b.stream().replay(g);
    scratch.reset();
    Check.fails(HalErrorCode.USE_AFTER_CLOSE, () -> b.stream().replay(g), "replay after a reset");
    scratch.close();
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE,
        () -> b.stream().replay(g),
        "replay after the arena was closed");
    b.fill(b.stream(), kept, 2);
    Check.all(2, b.get(kept), "tensor after refused replays");
  }

  private static void captureStateIsChecked(Workbench b) {
    CommandStream s = b.stream();
    Tensor t = b.f32(10);
    Fence passed = s.record();
    CommandGraph empty = capture(b, () -> {});
    Check.fails(HalErrorCode.CAPTURE_STATE, s::endCapture, "endCapture without beginCapture");
    s.beginCapture();
    b.fill(s, t, 1);
    Check.fails(HalErrorCode.CAPTURE_STATE, s::beginCapture, "a second beginCapture");
    Check.fails(HalErrorCode.CAPTURE_STATE, () -> b.get(t), "download while capturing");
    Check.fails(
        HalErrorCode.CAPTURE_STATE, () -> b.put(s, t, new float[10]), "upload while capturing");
    Check.fails(HalErrorCode.CAPTURE_STATE, s::record, "record while capturing");
    Check.fails(HalErrorCode.CAPTURE_STATE, () -> s.waitFor(passed), "waitFor while capturing");
    Check.fails(HalErrorCode.CAPTURE_STATE, () -> s.replay(empty), "replay while capturing");
    Check.fails(
        HalErrorCode.CAPTURE_STATE,
        () -> s.synchronize(Subject.DEADLINE),
        "synchronize while capturing");
    b.add(s, t, t);
    CommandGraph g = b.endCapture(s);
    Check.equal(2, g.plans().size(), "captured plans");
    s.replay(g);
    Check.all(2, b.get(t), "tensor after the replay");
  }

  private static void abortForgets(Workbench b) {
    Tensor t = b.f32(10);
    b.stream().beginCapture();
    b.fill(b.stream(), t, 1);
    b.stream().abortCapture();
    b.stream().abortCapture();
    Check.fails(HalErrorCode.CAPTURE_STATE, b.stream()::endCapture, "endCapture after an abort");
    b.fill(b.stream(), t, 2);
    Check.all(2, b.get(t), "tensor");
  }

  private static void kindFollowsTheCapability(Workbench b) {
    Tensor t = b.f32(10);
    CommandGraph g = capture(b, () -> b.add(b.stream(), t, t));
    boolean claimed = b.device().capabilities().has(Feature.NATIVE_GRAPHS);
    boolean allowed = !"replay".equals(System.getProperty("halcyon.graph"));
    Check.equal(
        claimed && allowed ? CommandGraph.Kind.NATIVE : CommandGraph.Kind.REPLAYED,
        g.kind(),
        "kind of a graph on a device "
            + (claimed ? "that claims NATIVE_GRAPHS" : "without NATIVE_GRAPHS"));
  }

  private static void replaysCountLaunches(Workbench b) {
    Tensor t = b.f32(10);
    long before = b.stream().launches();
    b.add(b.stream(), t, t);
    b.fill(b.stream(), t, 1);
    long eager = b.stream().launches() - before;
    CommandGraph g =
        capture(
            b,
            () -> {
              b.add(b.stream(), t, t);
              b.fill(b.stream(), t, 1);
            });
    before = b.stream().launches();
    b.stream().replay(g);
    b.stream().replay(g);
    Check.equal(2 * eager, b.stream().launches() - before, "launches of two replays");
  }

  private static void emptyGraph(Workbench b) {
    CommandGraph g = capture(b, () -> {});
    b.stream().replay(g);
    b.stream().synchronize(Subject.DEADLINE);
  }

  private static void closeWaitsForReplays(Workbench b) {
    Tensor x = b.f32(1000);
    Tensor y = b.f32(1000);
    b.fill(b.stream(), x, 7);
    CommandGraph g = capture(b, () -> b.run(new Copy(), x, y));
    b.occupy(b.stream());
    b.stream().replay(g);
    g.close();
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE, () -> b.stream().replay(g), "replay of a closed graph");
    Check.all(7, b.get(y), "output of the replay");
  }
}
