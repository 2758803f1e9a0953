package dev.halcyon.backend.cpu;

import static dev.halcyon.backend.cpu.kernels.Raw.f32;
import static dev.halcyon.backend.cpu.kernels.Raw.i32;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;

/** Reduce, TopK and ArgMax: along the last axis. */
final class Reductions {
  private Reductions() {}

  static CpuPlan reduce(Reduce spec, List<TensorType> types) {
    Nest nest = Nest.rows(types.get(0).shape(), types.get(0), types.get(1));
    boolean isInt = types.get(0).dtype() == DType.I32;
    return CpuPlan.of(
        "loop REDUCE " + spec.op(), (t, w) -> new ReduceLoop(nest, List.of(t), spec.op(), isInt));
  }

  static CpuPlan topK(TopK spec, List<TensorType> types) {
    Nest nest = Nest.rows(types.get(0).shape(), types.get(0), types.get(1), types.get(2));
    return CpuPlan.of("loop TOP_K", (t, w) -> new TopKLoop(nest, List.of(t), spec.k()));
  }

  static CpuPlan argMax(CpuDevice device, List<TensorType> types) {
    TensorType in = types.get(0);
    OptionalLong ld = CpuTypes.evenRows(in);
    long rows = in.shape().rows();
    if (ld.isPresent() && types.get(1).isContiguous()) {
      return new CpuPlan(
          device.tier().name() + " ARGMAX",
          4 * rows,
          (t, w) ->
              new ArgMaxCommand(
                  new KernelCommand(
                      Kernels.ARGMAX,
                      new Slots(device.pool())
                          .put(1, t[0])
                          .put(2, ld.getAsLong())
                          .put(3, in.dim(-1))
                          .put(4, t[1])
                          .put(5, w),
                      rows,
                      Chunks.of(rows, 1, 4.0 * in.dim(-1), device.workers().threads())),
                  CpuTypes.address(t[1]),
                  w,
                  rows));
    }
    Nest nest = Nest.rows(in.shape(), in, types.get(1));
    return CpuPlan.of("loop ARG_MAX", (t, w) -> new ArgMaxLoop(nest, List.of(t)));
  }

  private static final class ReduceLoop extends StridedLoop {
    private final Reduce.Op op;
    private final boolean isInt;

    ReduceLoop(Nest nest, List<Tensor> operands, Reduce.Op op, boolean isInt) {
      super(nest, operands);
      this.op = op;
      this.isInt = isInt;
    }

    @Override
    int operands() {
      return 2;
    }

    @Override
    void row(long x, long y, long c, long d, long n) {
      if (isInt) {
        i32(y, ints(x, n));
      } else {
        f32(y, floats(x, n));
      }
    }

    private int ints(long x, long n) {
      long s = step(0);
      int r =
          switch (op) {
            case SUM -> 0;
            case MAX -> Integer.MIN_VALUE;
            case MIN -> Integer.MAX_VALUE;
          };
      for (long i = 0; i < n; i++) {
        int v = i32(x + i * s);
        r =
            switch (op) {
              case SUM -> r + v;
              case MAX -> Math.max(r, v);
              case MIN -> Math.min(r, v);
            };
      }
      return r;
    }

    private float floats(long x, long n) {
      long s = step(0);
      switch (op) {
        case SUM -> {
          double a = 0;
          double b = 0;
          double e = 0;
          double g = 0;
          long i = 0;
          for (; i + 4 <= n; i += 4) {
            a += f32(x + i * s);
            b += f32(x + (i + 1) * s);
            e += f32(x + (i + 2) * s);
            g += f32(x + (i + 3) * s);
          }
          for (; i < n; i++) {
            a += f32(x + i * s);
          }
          return (float) (a + b + (e + g));
        }
        case MAX -> {
          float r = Float.NEGATIVE_INFINITY;
          for (long i = 0; i < n; i++) {
            r = Math.max(r, f32(x + i * s));
          }
          return r;
        }
        case MIN -> {
          float r = Float.POSITIVE_INFINITY;
          for (long i = 0; i < n; i++) {
            r = Math.min(r, f32(x + i * s));
          }
          return r;
        }
      }
      throw new IllegalStateException(op.toString());
    }
  }

  private static float orLowest(float v) {
    return Float.isNaN(v) ? Float.NEGATIVE_INFINITY : v;
  }

  /**
   * NaN as -inf: the kernel looks for numbers only, so a row without any above -inf is put right.
   */
  private record ArgMaxCommand(KernelCommand kernel, long ids, long values, long rows)
      implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      kernel.enqueue(stream);
      for (long r = 0; r < rows; r++) {
        if (orLowest(f32(values + 4 * r)) == Float.NEGATIVE_INFINITY) {
          i32(ids + 4 * r, 0);
        }
      }
    }

    @Override
    public void close() {
      kernel.close();
    }
  }

  private static final class ArgMaxLoop extends StridedLoop {
    ArgMaxLoop(Nest nest, List<Tensor> operands) {
      super(nest, operands);
    }

    @Override
    int operands() {
      return 2;
    }

    @Override
    void row(long x, long y, long c, long d, long n) {
      float best = Float.NEGATIVE_INFINITY;
      int at = 0;
      for (long i = 0; i < n; i++) {
        float v = f32(x + i * step(0));
        if (v > best) {
          best = v;
          at = (int) i;
        }
      }
      i32(y, at);
    }
  }

  private static final class TopKLoop extends StridedLoop {
    /** Up to here the best are kept in a sorted list, beyond the whole row is sorted. */
    private static final int LIST = 64;

    private final int k;

    TopKLoop(Nest nest, List<Tensor> operands, int k) {
      super(nest, operands);
      this.k = k;
    }

    @Override
    int operands() {
      return 3;
    }

    @Override
    void row(long x, long values, long indices, long d, long n) {
      int[] best = k <= LIST ? list(x, n) : sorted(x, n);
      for (int j = 0; j < k; j++) {
        f32(values + j * step(1), orLowest(f32(x + best[j] * step(0))));
        i32(indices + j * step(2), best[j]);
      }
    }

    private int[] list(long x, long n) {
      int[] ids = new int[k];
      float[] keys = new float[k];
      int have = 0;
      for (long i = 0; i < n; i++) {
        float v = orLowest(f32(x + i * step(0)));
        if (have == k && !(v > keys[k - 1])) {
          continue;
        }
        int at = have < k ? have++ : k - 1;
        while (at > 0 && v > keys[at - 1]) {
          keys[at] = keys[at - 1];
          ids[at] = ids[at - 1];
          at--;
        }
        keys[at] = v;
        ids[at] = (int) i;
      }
      return ids;
    }

    private int[] sorted(long x, long n) {
      long[] keys = new long[Math.toIntExact(n)];
      for (int i = 0; i < keys.length; i++) {
        // adding 0 makes -0 and 0 the same; ascending keys are descending values, then ascending
        // indices
        int bits = Float.floatToIntBits(orLowest(f32(x + i * step(0))) + 0f);
        int ascending = bits ^ (bits >> 31 & 0x7fffffff);
        keys[i] = (long) ~ascending << 32 | i;
      }
      Arrays.sort(keys);
      int[] ids = new int[k];
      for (int j = 0; j < k; j++) {
        ids[j] = (int) keys[j];
      }
      return ids;
    }
  }
}
