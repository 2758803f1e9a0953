package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.QuantizedLinear;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Linear, QuantizedLinear, HeadMatMul and EmbeddingLookup. */
final class Linears {
  private Linears() {}

  static Support support(CpuDevice device, Linear spec, List<TensorType> types) {
    int out = types.size() - 1;
    Limits l = new Limits(spec, types).adjacent(0, out).weight(1);
    switch (spec.epilogue()) {
      case NONE -> {}
      case BIAS -> l.dense(2);
      case RESIDUAL -> l.adjacent(2);
    }
    return l.verdict(device.tier().name() + " LINEAR");
  }

  static CpuPlan plan(CpuDevice device, Linear spec, List<TensorType> types) {
    TensorType weight = types.get(1);
    long m = types.getFirst().dim(0);
    long chunk = chunk(device, weight, m);
    return CpuPlan.of(
        device.tier().name() + " LINEAR " + device.compute().describe(weight),
        (t, w) -> {
          Tensor out = t[t.length - 1];
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, rowStride(t[0])).put(3, m);
          s.put(4, weight.dim(0)).put(5, weight.dim(1));
          s.put(6, out).put(7, rowStride(out));
          boolean hasResidual = spec.epilogue() == Epilogue.RESIDUAL;
          s.put(8, spec.epilogue() == Epilogue.BIAS ? CpuTypes.address(t[2]) : 0);
          s.put(9, hasResidual ? CpuTypes.address(t[2]) : 0);
          s.put(10, hasResidual ? rowStride(t[2]) : 0);
          s.weight(11, t[1], device.compute());
          return new KernelCommand(Kernels.LINEAR, s, weight.dim(0), chunk);
        });
  }

  /** Rows of the weight per chunk for {@code m} rows of x. */
  static long chunk(CpuDevice device, TensorType weight, long m) {
    double k = weight.dim(-1);
    double perRow = Math.max(Weights.rowBytes(weight), Chunks.flopBytes(2 * m * k));
    return Chunks.of(weight.dim(-2), 24, perRow, device.workers().threads());
  }

  /** Elements from one row of a matrix to the next. */
  static long rowStride(Tensor matrix) {
    return matrix.type().strides().stride(-2);
  }

  static Support support(CpuDevice device, QuantizedLinear spec, List<TensorType> types) {
    ScaleFormat format = spec.scheme().scaleFormat();
    return new Limits(spec, types)
        .that(
            spec.activation() == DType.F8_E4M3FN && spec.scheme().blockColumns() == 128,
            "dtype",
            "only f8_e4m3fn activations in blocks of 128, not "
                + spec.activation()
                + " "
                + spec.scheme())
        .that(
            format == ScaleFormat.F32 || format == ScaleFormat.UE8M0,
            "dtype",
            "only f32 or ue8m0 activation scales, not " + format)
        .adjacent(0, 2)
        .weight(1)
        .verdict(device.tier().name() + " ACT_QUANT_FP8, DEQUANT, LINEAR");
  }

  static CpuPlan plan(CpuDevice device, QuantizedLinear spec, List<TensorType> types) {
    TensorType weight = types.get(1);
    long m = types.getFirst().dim(0);
    long k = weight.dim(1);
    long groups = Math.ceilDiv(k, 128);
    long scaleBytes = align(4 * m * groups);
    long quantBytes = align(m * k);
    int threads = device.workers().threads();
    long rows = Chunks.of(m, 1, 8.0 * k, threads);
    long chunk = chunk(device, weight, m);
    return new CpuPlan(
        device.tier().name() + " ACT_QUANT_FP8, DEQUANT, LINEAR " + Weights.describe(weight),
        scaleBytes + quantBytes + 4 * m * k,
        (t, w) -> {
          long q = w + scaleBytes;
          long x = q + quantBytes;
          Slots quantize = new Slots(device.pool());
          quantize.put(1, t[0]).put(2, rowStride(t[0])).put(3, k).put(4, q).put(5, k);
          quantize.put(6, w).put(7, groups);
          quantize.put(8, spec.scheme().scaleFormat() == ScaleFormat.UE8M0 ? 1 : 0);
          Slots back = new Slots(device.pool());
          back.put(1, 0).put(2, k).put(3, x).put(4, k);
          back.put(5, q).put(6, k).put(7, Kernels.F8).put(8, w).put(9, Kernels.SCALE_F32);
          back.put(10, 1).put(11, 128).put(12, groups).put(13, 0);
          Slots product = new Slots(device.pool());
          product.put(1, x).put(2, k).put(3, m).put(4, weight.dim(0)).put(5, k);
          product.put(6, t[2]).put(7, rowStride(t[2])).put(8, 0).put(9, 0).put(10, 0);
          product.weight(11, t[1]);
          return new CpuPlan.Sequence(
              new KernelCommand(Kernels.ACT_QUANT_FP8, quantize, m, rows),
              new KernelCommand(Kernels.DEQUANT, back, m, rows),
              new KernelCommand(Kernels.LINEAR, product, weight.dim(0), chunk));
        });
  }

  static long align(long bytes) {
    return (bytes + 63) & -64;
  }

  static Support support(CpuDevice device, HeadMatMul spec, List<TensorType> types) {
    return new Limits(spec, types)
        .adjacent(0, 2)
        .weight(1)
        .verdict(device.tier().name() + " HEAD_MATMUL");
  }

  static CpuPlan plan(CpuDevice device, HeadMatMul spec, List<TensorType> types) {
    TensorType weight = types.get(1);
    long tokens = types.getFirst().dim(0);
    long heads = types.getFirst().dim(1);
    long c = weight.dim(1);
    boolean transposed = spec.orientation() == HeadMatMul.Orientation.ROWS_IN;
    Compute compute = transposed ? Compute.F32 : device.compute();
    int threads = device.workers().threads();
    // parts of 64 outputs at least, several for each thread
    long outputs = transposed ? c : spec.rows();
    long blocks = Math.clamp(Math.ceilDiv(8L * threads, heads), 1, Math.ceilDiv(outputs, 64));
    double perIndex =
        Math.max(
                Weights.rowBytes(weight) * (double) spec.rows(),
                Chunks.flopBytes(2.0 * tokens * spec.rows() * c))
            / blocks;
    long chunk = Chunks.of(heads * blocks, 1, perIndex, threads);
    return CpuPlan.of(
        device.tier().name() + " HEAD_MATMUL " + compute.describe(weight),
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, t[0].type().strides().stride(0));
          s.put(3, t[0].type().strides().stride(1)).put(4, tokens).put(5, heads);
          s.put(6, spec.rows()).put(7, c);
          s.put(8, t[2]).put(9, t[2].type().strides().stride(0));
          s.put(10, t[2].type().strides().stride(1)).put(11, transposed ? 1 : 0);
          s.put(12, spec.rowsPerHead()).put(13, spec.rowOffset()).put(14, blocks);
          s.weight(15, t[1], compute);
          return new KernelCommand(Kernels.HEAD_MATMUL, s, heads * blocks, chunk);
        });
  }

  static Support support(CpuDevice device, EmbeddingLookup spec, List<TensorType> types) {
    return new Limits(spec, types).adjacent(0, 2).verdict(device.tier().name() + " DEQUANT");
  }

  static CpuPlan plan(CpuDevice device, EmbeddingLookup spec, List<TensorType> types) {
    TensorType table = types.get(0);
    TensorType ids = types.get(1);
    long n = ids.dim(0);
    long width = table.dim(1);
    long chunk = Chunks.of(n, 1, 6.0 * width, device.workers().threads());
    return new CpuPlan(
        device.tier().name() + " DEQUANT " + Weights.describe(table),
        4 * n,
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, w).put(2, width).put(3, t[2]).put(4, rowStride(t[2]));
          s.weight(5, t[0]);
          return new Lookup(
              new KernelCommand(Kernels.DEQUANT, s, n, chunk),
              CpuTypes.address(t[1]),
              4 * ids.strides().stride(0),
              n,
              table.dim(0),
              w);
        });
  }

  /** Checks the ids, which the kernel trusts, on their way into a dense array. */
  private record Lookup(
      KernelCommand kernel, long ids, long idStride, long n, long rows, long checked)
      implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      for (long i = 0; i < n; i++) {
        int id = Raw.i32(ids + i * idStride);
        if (id < 0 || id >= rows) {
          throw CpuErrors.index("EmbeddingLookup", "ids", i, id, rows);
        }
        Raw.i32(checked + 4 * i, id);
      }
      kernel.enqueue(stream);
    }

    @Override
    public void close() {
      kernel.close();
    }
  }

  /** Facts about weight types. */
  static final class Weights {
    private Weights() {}

    static double rowBytes(TensorType weight) {
      return weight.dim(-1) * weight.dtype().bits() / 8.0;
    }

    /** The dtype and scheme, for reports. */
    static String describe(TensorType weight) {
      String dtype = weight.dtype().name().toLowerCase(java.util.Locale.ROOT);
      return weight.quant() instanceof QuantScheme.Blocked b ? dtype + " " + b : dtype;
    }
  }
}
