package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;

/** RmsNorm, AddRmsNorm, MaskedSoftmax and SwiGlu: one row at a time. */
final class Norms {
  private Norms() {}

  static Support support(CpuDevice device, RmsNorm spec, List<TensorType> types) {
    return new Limits(spec, types)
        .adjacent(0, 2)
        .dense(1)
        .verdict(device.tier().name() + " RMSNORM");
  }

  static CpuPlan plan(CpuDevice device, RmsNorm spec, List<TensorType> types) {
    TensorType x = types.getFirst();
    long chunk = rowChunk(device, x, 8);
    return CpuPlan.of(
        device.tier().name() + " RMSNORM",
        (t, w) -> {
          Slots s = norm(device, t[0], t[2], t[1], spec.epsilon());
          s.put(9, 0).put(10, 0).put(11, 0).put(12, 0);
          return new KernelCommand(Kernels.RMSNORM, s, x.dim(0), chunk);
        });
  }

  private static long rowChunk(CpuDevice device, TensorType x, double bytesPerElement) {
    double perRow = bytesPerElement * x.dim(-1);
    return Chunks.of(x.shape().rows(), 1, perRow, device.workers().threads());
  }

  private static Slots norm(CpuDevice device, Tensor x, Tensor y, Tensor weight, double epsilon) {
    return new Slots(device.pool())
        .put(1, x)
        .put(2, Linears.rowStride(x))
        .put(3, x.dim(-1))
        .put(4, y)
        .put(5, Linears.rowStride(y))
        .put(6, weight)
        .put(7, CpuTypes.weightType(weight.dtype()))
        .put(8, epsilon);
  }

  static Support support(CpuDevice device, AddRmsNorm spec, List<TensorType> types) {
    return new Limits(spec, types)
        .adjacent(0, 2, 3)
        .dense(1)
        .verdict(device.tier().name() + " RMSNORM");
  }

  static CpuPlan plan(CpuDevice device, AddRmsNorm spec, List<TensorType> types) {
    TensorType x = types.getFirst();
    long chunk = rowChunk(device, x, 16);
    return CpuPlan.of(
        device.tier().name() + " RMSNORM",
        (t, w) -> {
          Tensor residual = t[2];
          Slots s = norm(device, t[0], t[3], t[1], spec.epsilon());
          s.put(9, residual).put(10, Linears.rowStride(residual));
          s.put(11, residual).put(12, Linears.rowStride(residual));
          return new KernelCommand(Kernels.RMSNORM, s, x.dim(0), chunk);
        });
  }

  static Support support(CpuDevice device, SwiGlu spec, List<TensorType> types) {
    return new Limits(spec, types).adjacent(0, 1, 2).verdict(device.tier().name() + " SWIGLU");
  }

  static CpuPlan plan(CpuDevice device, SwiGlu spec, List<TensorType> types) {
    TensorType x = types.getFirst();
    long chunk = rowChunk(device, x, 16);
    return CpuPlan.of(
        device.tier().name() + " SWIGLU",
        (t, w) ->
            new KernelCommand(
                Kernels.SWIGLU,
                new Slots(device.pool())
                    .put(1, t[0])
                    .put(2, Linears.rowStride(t[0]))
                    .put(3, t[1])
                    .put(4, Linears.rowStride(t[1]))
                    .put(5, t[2])
                    .put(6, Linears.rowStride(t[2]))
                    .put(7, x.dim(1)),
                x.dim(0),
                chunk));
  }

  static Support support(CpuDevice device, MaskedSoftmax spec, List<TensorType> types) {
    return new Limits(spec, types).evenRows(0, 2).verdict(device.tier().name() + " SOFTMAX");
  }

  static CpuPlan plan(CpuDevice device, MaskedSoftmax spec, List<TensorType> types) {
    TensorType x = types.get(0);
    TensorType lengths = types.get(1);
    long rows = x.shape().rows();
    long chunk = rowChunk(device, x, 16);
    long[] dims = x.shape().dims();
    var rowShape = dev.halcyon.hal.tensor.Shape.of(Arrays.copyOf(dims, dims.length - 1));
    Nest nest = Nest.elements(rowShape, lengths);
    return new CpuPlan(
        device.tier().name() + " SOFTMAX",
        4 * rows,
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, CpuTypes.evenRows(x).getAsLong()).put(3, x.dim(-1));
          s.put(4, t[2]).put(5, CpuTypes.evenRows(types.get(2)).getAsLong());
          s.put(6, w).put(7, spec.scale());
          return new Softmax(
              new KernelCommand(Kernels.SOFTMAX, s, rows, chunk),
              nest,
              CpuTypes.address(t[1]),
              x.dim(-1),
              w);
        });
  }

  /** Writes out the broadcast lengths, within the row, before the kernel runs. */
  private record Softmax(KernelCommand kernel, Nest nest, long lengths, long n, long spread)
      implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      long at = spread;
      for (long r = 0; r < nest.rows(); r++) {
        long from = lengths + nest.offset(0, r);
        for (long i = 0; i < nest.inner(); i++) {
          int length = Raw.i32(from + i * nest.innerStride(0));
          Raw.i32(at, (int) Math.clamp((long) length, 0, n));
          at += 4;
        }
      }
      kernel.enqueue(stream);
    }

    @Override
    public void close() {
      kernel.close();
    }
  }
}
