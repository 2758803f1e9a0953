package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Route;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.stream.Stream;

/** Arenas: docs/spec/runtime.md, RT-ARENA. */
final class ArenaCases implements CaseSource {
  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
                "arena:check=reset",
                "RT-ARENA-1",
                "After a reset the tensors of before are refused, new ones work.",
                ArenaCases::resetEndsTensors)
            .quick(),
        of(
            "arena:check=reuse",
            "RT-ARENA-2",
            "A step that allocates the same after each reset does not take more memory.",
            ArenaCases::steadyStepsDoNotGrow),
        of(
            "arena:check=growth",
            "RT-ARENA-2",
            "Steps that need a little more each time do not keep the memory of all of them.",
            ArenaCases::growingStepsGiveBack),
        of(
            "arena:check=order",
            "RT-ARENA-1",
            "Memory taken back by a reset while work on it is pending is written by later work"
                + " only.",
            ArenaCases::resetKeepsOrder),
        of(
            "arena:check=close",
            "RT-ARENA-3",
            "Closing an arena waits for the work that reads it.",
            ArenaCases::closeWaits),
        of(
            "arena:check=workspace",
            "RT-ARENA-3",
            "A plan that needs more scratch memory than the last one does not disturb it.",
            ArenaCases::growingWorkspaceIsSafe),
        of(
            "arena:check=quantized",
            "RT-MEM-2",
            "A quantised tensor comes with zeroed scales of the shape of its scheme.",
            ArenaCases::quantizedTensorsHaveScales));
  }

  private static void resetEndsTensors(Workbench b) {
    MemoryArena scratch = b.newArena(MemoryArena.Kind.SCRATCH);
    Tensor old = scratch.allocate(TensorType.of(DType.F32, 10));
    b.fill(b.stream(), old, 1);
    scratch.reset();
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE,
        () -> b.fill(b.stream(), old, 2),
        "fill of a tensor from before a reset");
    Check.fails(
        HalErrorCode.USE_AFTER_CLOSE, () -> b.get(old), "download of a tensor from before a reset");
    Tensor next = scratch.allocate(TensorType.of(DType.F32, 10));
    b.fill(b.stream(), next, 3);
    Check.all(3, b.get(next), "tensor after the reset");
    Check.fails(HalErrorCode.INVALID_ARGUMENT, b.arena()::reset, "reset of a PERSISTENT arena");
  }

  private static void steadyStepsDoNotGrow(Workbench b) {
    MemoryArena scratch = b.newArena(MemoryArena.Kind.SCRATCH);
    long size = 0;
    for (int step = 0; step < 50; step++) {
      for (int n : new int[] {5, 70_000, 300, 200_000}) {
        Tensor t = scratch.allocate(TensorType.of(DType.F32, n));
        b.fill(b.stream(), t, step);
        if (step % 10 == 9) {
          Check.all(step, b.get(t), "tensor of step " + step);
        }
      }
      size = step == 0 ? scratch.byteSize() : size;
      Check.equal(size, scratch.byteSize(), "bytes held in step " + step);
      scratch.reset();
    }
  }

  private static void growingStepsGiveBack(Workbench b) {
    MemoryArena scratch = b.newArena(MemoryArena.Kind.SCRATCH);
    int last = 0;
    for (int step = 1; step <= 40; step++) {
      last = step * 60_000;
      Tensor t = scratch.allocate(TensorType.of(DType.F32, last));
      b.fill(b.stream(), t, step);
      scratch.reset();
    }
    long needed = 4L * last;
    Check.that(
        scratch.byteSize() <= 4 * needed,
        () -> scratch.byteSize() + " bytes are held for " + needed);
  }

  private static void resetKeepsOrder(Workbench b) {
    MemoryArena scratch = b.newArena(MemoryArena.Kind.SCRATCH);
    Tensor kept = b.f32(4000);
    b.occupy(b.stream());
    Tensor first = scratch.allocate(TensorType.of(DType.F32, 4000));
    b.fill(b.stream(), first, 5);
    b.run(new Copy(), first, kept);
    scratch.reset();
    Tensor second = scratch.allocate(TensorType.of(DType.F32, 4000));
    b.fill(b.stream(), second, 6);
    Check.all(5, b.get(kept), "copy made before the reset");
    Check.all(6, b.get(second), "tensor after the reset");
  }

  private static void closeWaits(Workbench b) {
    CommandStream s = b.newStream("late");
    MemoryArena weights = b.newArena(MemoryArena.Kind.WEIGHTS);
    Tensor source = weights.allocate(TensorType.of(DType.F32, 100_000));
    Tensor target = b.f32(100_000);
    b.fill(s, source, 4);
    s.synchronize(Subject.DEADLINE);
    b.occupy(s);
    b.run(s, new Copy(), source, target);
    weights.close();
    MemoryArena next = b.newArena(MemoryArena.Kind.WEIGHTS);
    b.fill(b.stream(), next.allocate(TensorType.of(DType.F32, 100_000)), 9);
    s.synchronize(Subject.DEADLINE);
    Check.all(4, b.get(target), "copy of a tensor whose arena was closed meanwhile");
  }

  private static void growingWorkspaceIsSafe(Workbench b) {
    float[] row = new float[64];
    for (int i = 0; i < row.length; i++) {
      row[i] = i % 2 == 0 ? 3 : -3;
    }
    Tensor weight = b.f32(row.length);
    b.fill(b.stream(), weight, 1);
    OperatorSpec norm = new RmsNorm(0);
    b.occupy(b.stream());
    Tensor[] outs = new Tensor[6];
    Planner decomposed = b.subject().planner(Route.DECOMPOSED);
    for (int i = 0; i < outs.length; i++) {
      int rows = 1 << 2 * i;
      Tensor x = b.f32(rows, row.length);
      outs[i] = b.f32(rows, row.length);
      b.fill(b.stream(), x, 3);
      b.stream()
          .enqueue(
              decomposed.plan(norm, x.type(), weight.type(), outs[i].type()), x, weight, outs[i]);
    }
    for (Tensor out : outs) {
      float[] values = b.get(out);
      for (float v : values) {
        Check.that(Math.abs(v - 1) < 1e-5, () -> "a norm of equal numbers is " + v);
      }
    }
  }

  private static void quantizedTensorsHaveScales(Workbench b) {
    QuantScheme.Blocked scheme = new QuantScheme.Blocked(2, 4, QuantScheme.ScaleFormat.F32);
    Tensor t = b.arena().allocate(TensorType.of(DType.I8, 5, 9).withQuant(scheme));
    Tensor scales = t.scales().orElseThrow(() -> new Unmet("the tensor has no scales"));
    Check.equal(TensorType.of(DType.F32, 3, 3), scales.type(), "type of the scales");
    Check.all(0, b.get(scales), "scales");
  }
}
