package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.KernelTier;
import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * MatMul over the LINEAR kernel: operands that lie as it wants them are used in place, others are
 * packed part by part into the thread's scratch.
 */
final class MatrixProduct implements BoundOperator, Region.Body {
  /** Everything that follows from the types. */
  private record Form(
      KernelTier tier,
      Nest batches,
      long m,
      long n,
      long k,
      DType aType,
      DType bType,
      long aRow,
      long aStep,
      long bRow,
      long bStep,
      long outRow,
      long outStep,
      boolean aDirect,
      boolean bDirect,
      boolean outDirect,
      long block,
      long blocks,
      long chunk) {}

  private static final long SLOT_BYTES = 512;
  private static final long PANEL_FLOATS = 256 << 10;
  private static final long ROWS_FLOATS = 128 << 10;
  private static final long OUT_FLOATS = 96 << 10;

  private final Form f;
  private final long a;
  private final long b;
  private final long out;

  private MatrixProduct(Form form, Tensor[] t) {
    f = form;
    a = CpuTypes.address(t[0]);
    b = CpuTypes.address(t[1]);
    out = CpuTypes.address(t[2]);
  }

  static CpuPlan plan(CpuDevice device, List<TensorType> types) {
    TensorType a = types.get(0);
    TensorType b = types.get(1);
    TensorType out = types.get(2);
    int lead = a.rank() - 2;
    long m = a.dim(-2);
    long k = a.dim(-1);
    long n = b.dim(-1);
    if (out.elementCount() == 0) {
      return CpuPlan.nothing();
    }
    Nest batches =
        Nest.elements(
            IndexedRows.axes(out, 0, lead).shape(),
            IndexedRows.axes(a, 0, lead),
            IndexedRows.axes(b, 0, lead),
            IndexedRows.axes(out, 0, lead));
    long count = batches.rows() * batches.inner();
    int threads = device.workers().threads();
    int bBytes = CpuTypes.elementBytes(b.dtype());
    double perColumn = Math.max(k * bBytes, Chunks.flopBytes(2.0 * m * k));
    long block = count >= 8L * threads ? n : Chunks.of(n, 24, perColumn, threads);
    long blocks = Math.ceilDiv(n, block);
    Form form =
        new Form(
            device.tier(),
            batches,
            m,
            n,
            k,
            a.dtype(),
            b.dtype(),
            CpuTypes.elementBytes(a.dtype()) * a.strides().stride(-2),
            CpuTypes.elementBytes(a.dtype()) * a.strides().stride(-1),
            bBytes * b.strides().stride(-1),
            bBytes * b.strides().stride(-2),
            4 * out.strides().stride(-2),
            4 * out.strides().stride(-1),
            a.dtype() == DType.F32 && (a.strides().stride(-1) == 1 || k == 1),
            b.strides().stride(-2) == 1 || k == 1,
            out.strides().stride(-1) == 1 || n == 1,
            block,
            blocks,
            Chunks.of(count * blocks, 1, perColumn * block, threads));
    String how = form.aDirect && form.bDirect && form.outDirect ? " LINEAR" : " LINEAR, packed";
    return CpuPlan.of(device.tier().name() + how, (t, w) -> new MatrixProduct(form, t));
  }

  @Override
  public void enqueue(BackendStream stream) {
    ((CpuStream) stream).loop(this, f.batches.rows() * f.batches.inner() * f.blocks, f.chunk);
  }

  @Override
  public void run(long scratch, long begin, long end) {
    long inner = f.batches.inner();
    for (long u = begin; u < end; u++) {
      long batch = u / f.blocks;
      long n0 = (u - batch * f.blocks) * f.block;
      long outer = batch / inner;
      long within = batch - outer * inner;
      product(
          scratch,
          a + f.batches.offset(0, outer) + within * f.batches.innerStride(0),
          b + f.batches.offset(1, outer) + within * f.batches.innerStride(1),
          out + f.batches.offset(2, outer) + within * f.batches.innerStride(2),
          n0,
          Math.min(f.n, n0 + f.block));
    }
  }

  private void product(long scratch, long x, long w, long y, long n0, long n1) {
    if (f.k == 0 || !f.bDirect && f.k > PANEL_FLOATS || !f.aDirect && f.k > ROWS_FLOATS) {
      plain(x, w, y, n0, n1);
      return;
    }
    long panel = scratch + SLOT_BYTES;
    long step = f.bDirect ? n1 - n0 : Math.min(n1 - n0, PANEL_FLOATS / f.k);
    for (long n = n0; n < n1; n += step) {
      long columns = Math.min(step, n1 - n);
      if (f.bDirect) {
        rows(scratch, x, w + n * f.bRow, f.bRow, CpuTypes.weightType(f.bType), y, n, columns);
      } else {
        pack(w + n * f.bRow, f.bRow, f.bStep, f.bType, columns, panel);
        rows(scratch, x, panel, 4 * f.k, Kernels.F32, y, n, columns);
      }
    }
  }

  /** All rows of a with {@code columns} rows of the weight. */
  private void rows(
      long scratch, long x, long w, long wRow, int wType, long y, long n, long columns) {
    long packedRows = scratch + SLOT_BYTES + 4 * PANEL_FLOATS;
    long packedOut = packedRows + 4 * ROWS_FLOATS;
    long step = f.m;
    if (!f.aDirect) {
      step = Math.min(step, ROWS_FLOATS / f.k);
    }
    long width = columns;
    if (!f.outDirect) {
      width = Math.min(width, OUT_FLOATS);
      step = Math.min(step, OUT_FLOATS / width);
    }
    for (long m = 0; m < f.m; m += step) {
      long count = Math.min(step, f.m - m);
      long from = x + m * f.aRow;
      long ldx = f.aRow / 4;
      if (!f.aDirect) {
        pack(from, f.aRow, f.aStep, f.aType, count, packedRows);
        from = packedRows;
        ldx = f.k;
      }
      for (long c = 0; c < columns; c += width) {
        long take = Math.min(width, columns - c);
        long to = y + m * f.outRow + (n + c) * f.outStep;
        if (f.outDirect) {
          linear(scratch, from, ldx, count, w + c * wRow, wRow, wType, take, to, f.outRow / 4);
          continue;
        }
        linear(scratch, from, ldx, count, w + c * wRow, wRow, wType, take, packedOut, take);
        for (long i = 0; i < count; i++) {
          Moves.move(packedOut + 4 * i * take, 4, to + i * f.outRow, f.outStep, take, 4);
        }
      }
    }
  }

  private void linear(
      long slots,
      long x,
      long ldx,
      long m,
      long w,
      long wRow,
      int wType,
      long n,
      long y,
      long ldy) {
    Raw.i64(slots, 0);
    Raw.i64(slots + 8, x);
    Raw.i64(slots + 16, ldx);
    Raw.i64(slots + 24, m);
    Raw.i64(slots + 32, n);
    Raw.i64(slots + 40, f.k);
    Raw.i64(slots + 48, y);
    Raw.i64(slots + 56, ldy);
    Raw.i64(slots + 64, 0);
    Raw.i64(slots + 72, 0);
    Raw.i64(slots + 80, 0);
    Raw.i64(slots + 88, w);
    Raw.i64(slots + 96, wRow);
    Raw.i64(slots + 104, wType);
    for (int i = 0; i < NO_SCALES.length; i++) {
      Raw.i64(slots + 112 + 8 * i, NO_SCALES[i]);
    }
    f.tier.run(Kernels.LINEAR, slots, 0, n);
  }

  /** Scales, their type, block rows and columns, row stride, row offset of a plain weight. */
  private static final long[] NO_SCALES = {0, 0, 1, 1, 0, 0};

  /** Rows of f32, one after the other. */
  private void pack(long from, long row, long step, DType type, long rows, long to) {
    for (long r = 0; r < rows; r++) {
      long source = from + r * row;
      long target = to + 4 * r * f.k;
      if (type == DType.F32) {
        Moves.move(source, step, target, 4, f.k, 4);
      } else if (type == DType.BF16) {
        for (long i = 0; i < f.k; i++) {
          Raw.i32(target + 4 * i, Raw.i16(source + i * step) << 16);
        }
      } else {
        for (long i = 0; i < f.k; i++) {
          Raw.f32(target + 4 * i, Scalars.loadFloat(type, source + i * step));
        }
      }
    }
  }

  /** Any size, one element at a time. */
  private void plain(long x, long w, long y, long n0, long n1) {
    for (long m = 0; m < f.m; m++) {
      for (long n = n0; n < n1; n++) {
        double sum = 0;
        for (long i = 0; i < f.k; i++) {
          sum +=
              (double) Scalars.loadFloat(f.aType, x + m * f.aRow + i * f.aStep)
                  * Scalars.loadFloat(f.bType, w + n * f.bRow + i * f.bStep);
        }
        Raw.f32(y + m * f.outRow + n * f.outStep, (float) sum);
      }
    }
  }
}
