package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** GroupedMatMul, GatedMlp and MoeFfn over the kernels of the mixture of experts. */
final class Experts {
  private Experts() {}

  static Support support(CpuDevice device, GroupedMatMul spec, List<TensorType> types) {
    return new Limits(spec, types)
        .adjacent(0, 3)
        .dense(1)
        .weight(2)
        .verdict(device.tier().name() + " MOE_DOWN");
  }

  static CpuPlan plan(CpuDevice device, GroupedMatMul spec, List<TensorType> types) {
    TensorType weights = types.get(2);
    long rows = types.getFirst().dim(0);
    long experts = weights.dim(0);
    ExpertPass pass =
        ExpertPass.of(
            device,
            rows,
            weights.dim(1),
            experts,
            rows,
            Math.min(rows, experts),
            weights.dim(2),
            weights,
            weights);
    return CpuPlan.of(
        device.tier().name() + " MOE_DOWN " + device.compute().describe(weights),
        (t, w) -> new Grouped(device, pass, t));
  }

  /** Every row is a token of weight 1, in the order it comes. */
  private static final class Grouped implements BoundOperator {
    private final SlotPool pool;
    private final ExpertPass pass;
    private final ExpertTable table;
    private final long identity;
    private final long offsets;
    private final Slots slots;

    Grouped(CpuDevice device, ExpertPass pass, Tensor[] t) {
      this.pool = device.pool();
      this.pass = pass;
      table = new ExpertTable(pool, pass.entries());
      table.outputs(0, t[2]);
      identity = pool.take(8 * pass.tokens());
      long ones = identity + 4 * pass.tokens();
      fillIdentity(identity, ones, pass.tokens());
      offsets = CpuTypes.address(t[1]);
      slots =
          pass.down(
              pool,
              CpuTypes.address(t[0]),
              Linears.rowStride(t[0]),
              table,
              offsets,
              identity,
              ones,
              t[3],
              0,
              0);
    }

    @Override
    public void enqueue(BackendStream stream) {
      long before = 0;
      for (long e = 0; e <= pass.entries(); e++) {
        int at = Raw.i32(offsets + 4 * e);
        if (at < before || at > pass.tokens()) {
          throw CpuErrors.index("GroupedMatMul", "offsets", e, at, pass.tokens() + 1);
        }
        before = at;
      }
      pass.runDown((CpuStream) stream, slots);
    }

    @Override
    public void close() {
      slots.free();
      table.free();
      pool.give(identity, 8 * pass.tokens());
    }
  }

  private static void fillIdentity(long rows, long weights, long n) {
    for (long i = 0; i < n; i++) {
      Raw.i32(rows + 4 * i, (int) i);
      Raw.f32(weights + 4 * i, 1);
    }
  }

  private static final String UNLIKE = "gate and up differ in dtype, scales or strides";

  private static boolean pair(TensorType gate, TensorType up) {
    return ExpertTable.alike(gate, up)
        && CpuTypes.rowStrideBytes(gate) == CpuTypes.rowStrideBytes(up);
  }

  static Support support(CpuDevice device, GatedMlp spec, List<TensorType> types) {
    Limits l =
        new Limits(spec, types)
            .adjacent(0)
            .weight(1, 2, 3)
            .that(pair(types.get(1), types.get(2)), "layout", UNLIKE);
    for (int i = 4; i < types.size(); i++) {
      l.adjacent(i);
    }
    return l.verdict(device.tier().name() + " MOE_GATE_UP, MOE_DOWN");
  }

  static CpuPlan plan(CpuDevice device, GatedMlp spec, List<TensorType> types) {
    ExpertPass pass = dense(device, types.getFirst(), types.get(1), types.get(3));
    return new CpuPlan(
        device.tier().name() + " MOE_GATE_UP, MOE_DOWN " + device.compute().describe(types.get(1)),
        pass.hiddenBytes(),
        (t, w) ->
            new DenseMlp(
                device,
                pass,
                t[0],
                new Tensor[] {t[1], t[2], t[3]},
                spec.epilogue() == Epilogue.RESIDUAL ? t[4] : t[t.length - 1],
                spec.epilogue(),
                t[t.length - 1],
                w));
  }

  private static ExpertPass dense(
      CpuDevice device, TensorType x, TensorType gate, TensorType down) {
    return ExpertPass.of(device, x.dim(0), x.dim(1), 1, x.dim(0), 1, gate.dim(0), gate, down);
  }

  /** One expert that takes every token: nothing to route, so the tables are made at bind. */
  private static final class DenseMlp implements BoundOperator {
    private final SlotPool pool;
    private final ExpertPass pass;
    private final ExpertTable table;
    private final long memory;
    private final long bytes;
    private final Slots gateUp;
    private final Slots down;

    DenseMlp(
        CpuDevice device,
        ExpertPass pass,
        Tensor x,
        Tensor[] weights,
        Tensor base,
        Epilogue epilogue,
        Tensor out,
        long workspace) {
      this.pool = device.pool();
      this.pass = pass;
      long n = pass.tokens();
      long blocks = pass.blocks(pass.widest());
      table = new ExpertTable(pool, 1);
      table.inputs(0, weights[0], weights[1]);
      table.outputs(0, weights[2]);
      bytes = 16 + 8 * n + 8 * blocks;
      memory = pool.take(bytes);
      // count, two offsets, then rows, weights and tasks
      Raw.i32(memory, (int) blocks);
      Raw.i32(memory + 4, 0);
      Raw.i32(memory + 8, (int) n);
      long rows = memory + 16;
      long ones = rows + 4 * n;
      fillIdentity(rows, ones, n);
      long tasks = ones + 4 * n;
      for (long b = 0; b < blocks; b++) {
        Raw.i32(tasks + 8 * b, 0);
        Raw.i32(tasks + 8 * b + 4, (int) b);
      }
      gateUp = pass.gateUp(pool, x, table, memory + 4, rows, tasks, memory, workspace);
      boolean adds = epilogue == Epilogue.RESIDUAL;
      down =
          pass.down(
              pool,
              workspace,
              pass.widest(),
              table,
              memory + 4,
              rows,
              ones,
              out,
              adds ? CpuTypes.address(base) : 0,
              adds ? Linears.rowStride(base) : 0);
    }

    @Override
    public void enqueue(BackendStream stream) {
      CpuStream s = (CpuStream) stream;
      pass.runGateUp(s, gateUp, pass.blocks(pass.widest()));
      pass.runDown(s, down);
    }

    @Override
    public void close() {
      gateUp.free();
      down.free();
      table.free();
      pool.give(memory, bytes);
    }
  }

  static Support support(CpuDevice device, MoeFfn spec, List<TensorType> types) {
    Limits l =
        new Limits(spec, types)
            .adjacent(0)
            .dense(1, 2)
            .weight(3, 4, 5)
            .that(pair(types.get(3), types.get(4)), "layout", UNLIKE);
    int next = 6;
    if (spec.shared() == MoeFfn.Shared.SHARED) {
      l.weight(6, 7, 8).that(pair(types.get(6), types.get(7)), "layout", "shared " + UNLIKE);
      next = 9;
    }
    for (int i = next; i < types.size(); i++) {
      l.adjacent(i);
    }
    return l.verdict(device.tier().name() + " MOE_ROUTE, MOE_GATE_UP, MOE_DOWN");
  }

  static CpuPlan plan(CpuDevice device, MoeFfn spec, List<TensorType> types) {
    TensorType x = types.get(0);
    TensorType gate = types.get(3);
    TensorType down = types.get(5);
    long tokens = x.dim(0);
    long k = types.get(1).dim(1);
    long experts = gate.dim(0);
    boolean hasShared = spec.shared() == MoeFfn.Shared.SHARED;
    boolean joins = hasShared && pair(gate, types.get(6)) && ExpertTable.alike(down, types.get(8));
    long shared = joins ? 1 : 0;
    long widest = joins ? Math.max(gate.dim(1), types.get(6).dim(0)) : gate.dim(1);
    ExpertPass pass =
        ExpertPass.of(
            device,
            tokens,
            x.dim(1),
            experts + shared,
            tokens * (k + shared),
            Math.min(tokens * k, experts) + shared,
            widest,
            gate,
            down);
    Routed.Form form =
        new Routed.Form(
            pass,
            k,
            experts,
            shared,
            experts * pass.blocks(gate.dim(1)) + shared * pass.blocks(widest));
    String how =
        device.tier().name()
            + " MOE_ROUTE, MOE_GATE_UP, MOE_DOWN "
            + device.compute().describe(gate);
    if (!hasShared || joins) {
      return new CpuPlan(
          how, form.workspaceBytes(), (t, w) -> new Routed(device, spec, form, t, w));
    }
    // the shared expert is stored differently: a pass of its own adds to the first
    ExpertPass own = dense(device, x, types.get(6), types.get(8));
    return new CpuPlan(
        how + " and " + device.compute().describe(types.get(6)),
        Math.max(form.workspaceBytes(), own.hiddenBytes()),
        (t, w) -> {
          Tensor out = t[t.length - 1];
          Tensor[] weights = {t[6], t[7], t[8]};
          return new CpuPlan.Sequence(
              new Routed(device, spec, form, t, w),
              new DenseMlp(device, own, t[0], weights, out, Epilogue.RESIDUAL, out, w));
        });
  }

  /** Routing, then the chosen experts. */
  private static final class Routed implements BoundOperator {
    /** What follows from the types. */
    record Form(ExpertPass pass, long k, long experts, long shared, long maxTasks) {
      long offsetBytes() {
        return Linears.align(4 * (pass.entries() + 1));
      }

      long slotBytes() {
        return Linears.align(4 * pass.slots());
      }

      long taskBytes() {
        return Linears.align(8 * maxTasks);
      }

      long workspaceBytes() {
        return 64 + offsetBytes() + 2 * slotBytes() + taskBytes() + pass.hiddenBytes();
      }
    }

    private final ExpertPass pass;
    private final ExpertTable table;
    private final Slots route;
    private final Slots gateUp;
    private final Slots down;
    private final long count;

    Routed(CpuDevice device, MoeFfn spec, Form f, Tensor[] t, long workspace) {
      SlotPool pool = device.pool();
      pass = f.pass();
      table = new ExpertTable(pool, pass.entries());
      table.inputs(0, t[3], t[4]);
      table.outputs(0, t[5]);
      if (f.shared() == 1) {
        table.inputs(f.experts(), t[6], t[7]);
        table.outputs(f.experts(), t[8]);
      }
      count = workspace;
      long offsets = count + 64;
      long rows = offsets + f.offsetBytes();
      long weights = rows + f.slotBytes();
      long tasks = weights + f.slotBytes();
      long h = tasks + f.taskBytes();
      route = new Slots(pool);
      route.put(1, t[2]).put(2, t[1]).put(3, pass.tokens()).put(4, f.k()).put(5, f.experts());
      route.put(6, f.shared()).put(7, offsets).put(8, rows).put(9, weights);
      route.put(10, table.address()).put(11, pass.block()).put(12, tasks).put(13, count);
      gateUp = pass.gateUp(pool, t[0], table, offsets, rows, tasks, count, h);
      Tensor out = t[t.length - 1];
      boolean adds = spec.epilogue() == Epilogue.RESIDUAL;
      Tensor base = adds ? t[t.length - 2] : out;
      down =
          pass.down(
              pool,
              h,
              pass.widest(),
              table,
              offsets,
              rows,
              weights,
              out,
              adds ? CpuTypes.address(base) : 0,
              adds ? Linears.rowStride(base) : 0);
    }

    @Override
    public void enqueue(BackendStream stream) {
      CpuStream s = (CpuStream) stream;
      s.kernel(Kernels.MOE_ROUTE, route, 1, 1);
      pass.runGateUp(s, gateUp, Raw.i32(count));
      pass.runDown(s, down);
    }

    @Override
    public void close() {
      route.free();
      gateUp.free();
      down.free();
      table.free();
    }
  }
}
