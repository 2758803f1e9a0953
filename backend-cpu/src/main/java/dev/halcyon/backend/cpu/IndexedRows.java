package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.Strides;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;

/** Gather, ScatterUpdate and ScatterAdd: rows by number. */
final class IndexedRows {
  private IndexedRows() {}

  static CpuPlan gather(CpuDevice device, List<TensorType> types) {
    TensorType table = types.get(0);
    TensorType indices = types.get(1);
    TensorType out = types.get(2);
    int lead = indices.rank();
    Nest numbers = Nest.elements(indices.shape(), indices, axes(out, 0, lead));
    TensorType outRow = axes(out, lead, out.rank());
    Nest row = Nest.elements(outRow.shape(), axes(table, 1, table.rank()), outRow);
    int bytes = CpuTypes.elementBytes(out.dtype());
    long chunk =
        Chunks.of(
            indices.elementCount(),
            1,
            2.0 * bytes * outRow.elementCount(),
            device.workers().threads());
    long tableStride = table.strides().stride(0) * bytes;
    return CpuPlan.of(
        "loop GATHER",
        (t, w) ->
            new GatherLoop(
                t, numbers, row, bytes, table.dim(0), tableStride, indices.elementCount(), chunk));
  }

  static CpuPlan scatterUpdate(CpuDevice device, List<TensorType> types) {
    TensorType source = types.get(1);
    TensorType out = types.get(2);
    int bytes = CpuTypes.elementBytes(out.dtype());
    Nest row = Nest.elements(Shape.of(out.dim(1)), axes(source, 1, 2), axes(out, 1, 2));
    long chunk = Chunks.of(source.dim(0), 1, 2.0 * bytes * out.dim(1), device.workers().threads());
    return CpuPlan.of("loop SCATTER_UPDATE", (t, w) -> new UpdateLoop(t, types, row, bytes, chunk));
  }

  static CpuPlan scatterAdd(CpuDevice device, List<TensorType> types) {
    TensorType source = types.get(1);
    // columns are independent, rows must add in order
    long chunk = Chunks.of(source.dim(1), 16, 12.0 * source.dim(0), device.workers().threads());
    return CpuPlan.of("loop SCATTER_ADD", (t, w) -> new AddLoop(t, types, chunk));
  }

  /** The axes {@code [from, to)} of a type alone. */
  static TensorType axes(TensorType type, int from, int to) {
    return TensorType.of(
        type.dtype(),
        Shape.of(Arrays.copyOfRange(type.shape().dims(), from, to)),
        Strides.of(Arrays.copyOfRange(type.strides().toArray(), from, to)),
        QuantScheme.NONE);
  }

  /** Moves the elements of one row. */
  private static void moveRow(Nest row, long from, long to, int bytes) {
    long fromStep = row.innerStride(0);
    long toStep = row.innerStride(1);
    for (long r = 0; r < row.rows(); r++) {
      Moves.move(
          from + row.offset(0, r), fromStep, to + row.offset(1, r), toStep, row.inner(), bytes);
    }
  }

  private static final class GatherLoop implements BoundOperator, Region.Body {
    private final Nest numbers;
    private final Nest row;
    private final int bytes;
    private final long tableRows;
    private final long tableStride;
    private final long count;
    private final long chunk;
    private final long table;
    private final long indices;
    private final long out;

    GatherLoop(
        Tensor[] t,
        Nest numbers,
        Nest row,
        int bytes,
        long tableRows,
        long tableStride,
        long count,
        long chunk) {
      this.numbers = numbers;
      this.row = row;
      this.bytes = bytes;
      this.tableRows = tableRows;
      this.tableStride = tableStride;
      this.count = count;
      this.chunk = chunk;
      table = CpuTypes.address(t[0]);
      indices = CpuTypes.address(t[1]);
      out = CpuTypes.address(t[2]);
    }

    @Override
    public void enqueue(BackendStream stream) {
      ((CpuStream) stream).loop(this, count, chunk);
    }

    @Override
    public void run(long scratch, long begin, long end) {
      long inner = numbers.inner();
      for (long i = begin; i < end; i++) {
        long outer = i / inner;
        long within = i - outer * inner;
        int index = Raw.i32(indices + numbers.offset(0, outer) + within * numbers.innerStride(0));
        long to = out + numbers.offset(1, outer) + within * numbers.innerStride(1);
        if (index >= tableRows) {
          throw CpuErrors.index("Gather", "indices", i, index, tableRows);
        }
        if (index >= 0) {
          moveRow(row, table + index * tableStride, to, bytes);
        } else {
          clearRow(to);
        }
      }
    }

    private void clearRow(long to) {
      for (long r = 0; r < row.rows(); r++) {
        long at = to + row.offset(1, r);
        if (row.innerStride(1) == bytes) {
          NativeMemory.fill(at, row.inner() * bytes, (byte) 0);
          continue;
        }
        for (long i = 0; i < row.inner(); i++) {
          NativeMemory.fill(at + i * row.innerStride(1), bytes, (byte) 0);
        }
      }
    }
  }

  private static final class UpdateLoop implements BoundOperator, Region.Body {
    private final Nest row;
    private final int bytes;
    private final long chunk;
    private final long count;
    private final long limit;
    private final long indices;
    private final long indexStride;
    private final long source;
    private final long sourceStride;
    private final long out;
    private final long outStride;

    UpdateLoop(Tensor[] t, List<TensorType> types, Nest row, int bytes, long chunk) {
      this.row = row;
      this.bytes = bytes;
      this.chunk = chunk;
      count = types.get(1).dim(0);
      limit = types.get(2).dim(0);
      indices = CpuTypes.address(t[0]);
      indexStride = 4 * types.get(0).strides().stride(0);
      source = CpuTypes.address(t[1]);
      sourceStride = bytes * types.get(1).strides().stride(0);
      out = CpuTypes.address(t[2]);
      outStride = bytes * types.get(2).strides().stride(0);
    }

    @Override
    public void enqueue(BackendStream stream) {
      ((CpuStream) stream).loop(this, count, chunk);
    }

    @Override
    public void run(long scratch, long begin, long end) {
      for (long i = begin; i < end; i++) {
        int index = Raw.i32(indices + i * indexStride);
        if (index >= limit) {
          throw CpuErrors.index("ScatterUpdate", "indices", i, index, limit);
        }
        if (index >= 0) {
          moveRow(row, source + i * sourceStride, out + index * outStride, bytes);
        }
      }
    }
  }

  private static final class AddLoop implements BoundOperator, Region.Body {
    private final boolean isFloat;
    private final long chunk;
    private final long count;
    private final long width;
    private final long limit;
    private final long indices;
    private final long indexStride;
    private final long source;
    private final long sourceRow;
    private final long sourceStep;
    private final long out;
    private final long outRow;
    private final long outStep;

    AddLoop(Tensor[] t, List<TensorType> types, long chunk) {
      this.chunk = chunk;
      isFloat = types.get(2).dtype() == DType.F32;
      count = types.get(1).dim(0);
      width = types.get(1).dim(1);
      limit = types.get(2).dim(0);
      indices = CpuTypes.address(t[0]);
      indexStride = 4 * types.get(0).strides().stride(0);
      source = CpuTypes.address(t[1]);
      sourceRow = 4 * types.get(1).strides().stride(0);
      sourceStep = 4 * types.get(1).strides().stride(1);
      out = CpuTypes.address(t[2]);
      outRow = 4 * types.get(2).strides().stride(0);
      outStep = 4 * types.get(2).strides().stride(1);
    }

    @Override
    public void enqueue(BackendStream stream) {
      ((CpuStream) stream).loop(this, width, chunk);
    }

    @Override
    public void run(long scratch, long begin, long end) {
      for (long i = 0; i < count; i++) {
        int index = Raw.i32(indices + i * indexStride);
        if (index >= limit) {
          throw CpuErrors.index("ScatterAdd", "indices", i, index, limit);
        }
        if (index < 0) {
          continue;
        }
        long from = source + i * sourceRow;
        long to = out + index * outRow;
        if (isFloat) {
          for (long c = begin; c < end; c++) {
            long at = to + c * outStep;
            Raw.f32(at, Raw.f32(at) + Raw.f32(from + c * sourceStep));
          }
        } else {
          for (long c = begin; c < end; c++) {
            long at = to + c * outStep;
            Raw.i32(at, Raw.i32(at) + Raw.i32(from + c * sourceStep));
          }
        }
      }
    }
  }
}
