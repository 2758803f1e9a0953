package dev.halcyon.backend.cpu;

import static dev.halcyon.backend.cpu.kernels.Raw.f32;
import static dev.halcyon.backend.cpu.kernels.Raw.i32;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** MoeGating, MoeDispatch and MoeCombine. */
final class Routing {
  private Routing() {}

  static Support support(CpuDevice device, MoeGating spec, List<TensorType> types) {
    int last = types.size() - 1;
    Limits l = new Limits(spec, types).adjacent(0).dense(last, last - 1);
    if (spec.choice() == MoeGating.Choice.BIASED) {
      l.dense(1);
    }
    return l.that(types.getFirst().dim(1) <= 65536, "shape", "more than 65536 experts")
        .verdict(device.tier().name() + " MOE_GATING");
  }

  static CpuPlan plan(CpuDevice device, MoeGating spec, List<TensorType> types) {
    TensorType logits = types.getFirst();
    long tokens = logits.dim(0);
    long experts = logits.dim(1);
    long chunk = Chunks.of(tokens, 1, 24.0 * experts, device.workers().threads());
    return CpuPlan.of(
        device.tier().name() + " MOE_GATING",
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, Linears.rowStride(t[0])).put(3, experts).put(4, spec.topK());
          s.put(5, spec.scoring() == MoeGating.Scoring.SIGMOID ? 1 : 0);
          s.put(6, spec.choice() == MoeGating.Choice.BIASED ? CpuTypes.address(t[1]) : 0);
          s.put(7, spec.groups()).put(8, spec.groupTopK());
          s.put(9, spec.groupRule() == MoeGating.GroupRule.SUM_TOP2 ? 1 : 0);
          s.put(10, spec.normalization() == MoeGating.Normalization.SUM ? 1 : 0);
          s.put(11, spec.scale()).put(12, t[t.length - 1]).put(13, t[t.length - 2]);
          return new KernelCommand(Kernels.MOE_GATING, s, tokens, chunk);
        });
  }

  static Support support(CpuDevice device, MoeDispatch spec, List<TensorType> types) {
    return new Limits(spec, types).dense(0, 1, 2).verdict("counting sort");
  }

  static CpuPlan plan(CpuDevice device, MoeDispatch spec, List<TensorType> types) {
    long n = types.getFirst().elementCount();
    return CpuPlan.of("counting sort", (t, w) -> new Dispatch(t, spec.experts(), n));
  }

  private static final class Dispatch implements BoundOperator, Region.Body {
    private final long ids;
    private final long offsets;
    private final long slots;
    private final long experts;
    private final long n;

    Dispatch(Tensor[] t, long experts, long n) {
      ids = CpuTypes.address(t[0]);
      offsets = CpuTypes.address(t[1]);
      slots = CpuTypes.address(t[2]);
      this.experts = experts;
      this.n = n;
    }

    @Override
    public void enqueue(BackendStream stream) {
      ((CpuStream) stream).loop(this, 1, 1);
    }

    @Override
    public void run(long scratch, long begin, long end) {
      NativeMemory.fill(offsets, 4 * (experts + 1), (byte) 0);
      for (long i = 0; i < n; i++) {
        int e = i32(ids + 4 * i);
        if (e < 0 || e >= experts) {
          throw CpuErrors.index("MoeDispatch", "ids", i, e, experts);
        }
        i32(offsets + 4 * (e + 1L), i32(offsets + 4 * (e + 1L)) + 1);
      }
      for (long e = 1; e <= experts; e++) {
        i32(offsets + 4 * e, i32(offsets + 4 * e) + i32(offsets + 4 * (e - 1)));
      }
      // offsets[e] serves as the next free slot of e, and ends as the beginning of e + 1
      for (long i = 0; i < n; i++) {
        long at = offsets + 4L * i32(ids + 4 * i);
        int slot = i32(at);
        i32(at, slot + 1);
        i32(slots + 4L * slot, (int) i);
      }
      for (long e = experts; e > 0; e--) {
        i32(offsets + 4 * e, i32(offsets + 4 * (e - 1)));
      }
      i32(offsets, 0);
    }
  }

  static Support support(CpuDevice device, MoeCombine spec, List<TensorType> types) {
    int last = types.size() - 1;
    Limits l = new Limits(spec, types).adjacent(0, last).dense(1, 2);
    if (spec.epilogue() == Epilogue.RESIDUAL) {
      l.adjacent(3);
    }
    return l.verdict("loop COMBINE");
  }

  static CpuPlan plan(CpuDevice device, MoeCombine spec, List<TensorType> types) {
    long pairs = types.get(1).dim(0);
    return new CpuPlan("loop COMBINE", 4 * pairs, (t, w) -> new Combine(device, spec, types, t, w));
  }

  private static final class Combine implements BoundOperator, Region.Body {
    private final long h;
    private final long hStride;
    private final long slots;
    private final long weights;
    private final long residual;
    private final long residualStride;
    private final long out;
    private final long outStride;
    private final long inverse;
    private final long tokens;
    private final long k;
    private final long n;
    private final long chunk;

    Combine(CpuDevice device, MoeCombine spec, List<TensorType> types, Tensor[] t, long workspace) {
      boolean adds = spec.epilogue() == Epilogue.RESIDUAL;
      Tensor last = t[t.length - 1];
      h = CpuTypes.address(t[0]);
      hStride = 4 * Linears.rowStride(t[0]);
      slots = CpuTypes.address(t[1]);
      weights = CpuTypes.address(t[2]);
      residual = adds ? CpuTypes.address(t[3]) : 0;
      residualStride = adds ? 4 * Linears.rowStride(t[3]) : 0;
      out = CpuTypes.address(last);
      outStride = 4 * Linears.rowStride(last);
      inverse = workspace;
      tokens = types.get(2).dim(0);
      k = types.get(2).dim(1);
      n = last.dim(1);
      chunk = Chunks.of(tokens, 1, 8.0 * k * n, device.workers().threads());
    }

    @Override
    public void enqueue(BackendStream stream) {
      for (long p = 0; p < tokens * k; p++) {
        int slot = i32(slots + 4 * p);
        if (slot < 0 || slot >= tokens * k) {
          throw CpuErrors.index("MoeCombine", "slots", p, slot, tokens * k);
        }
        i32(inverse + 4L * slot, (int) p);
      }
      ((CpuStream) stream).loop(this, tokens, chunk);
    }

    @Override
    public void run(long scratch, long begin, long end) {
      for (long t = begin; t < end; t++) {
        long y = out + t * outStride;
        long base = residual + t * residualStride;
        for (long j = 0; j < k; j++) {
          float weight = f32(weights + 4 * (t * k + j));
          long row = h + i32(inverse + 4 * (t * k + j)) * hStride;
          if (j > 0) {
            for (long i = 0; i < n; i++) {
              f32(y + 4 * i, f32(y + 4 * i) + weight * f32(row + 4 * i));
            }
          } else if (residual != 0) {
            for (long i = 0; i < n; i++) {
              f32(y + 4 * i, f32(base + 4 * i) + weight * f32(row + 4 * i));
            }
          } else {
            for (long i = 0; i < n; i++) {
              f32(y + 4 * i, weight * f32(row + 4 * i));
            }
          }
        }
      }
    }
  }
}
