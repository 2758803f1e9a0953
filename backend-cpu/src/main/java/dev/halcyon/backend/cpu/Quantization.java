package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.OptionalLong;

/** Quantize and Dequantize: kernels for the layouts weights come in, loops for the others. */
final class Quantization {
  private Quantization() {}

  static CpuPlan quantize(CpuDevice device, List<TensorType> types) {
    TensorType in = types.get(0);
    TensorType out = types.get(1);
    QuantScheme.Blocked scheme = (QuantScheme.Blocked) out.quant();
    long k = in.dim(-1);
    OptionalLong ldIn = CpuTypes.evenRows(in);
    OptionalLong ldOut = CpuTypes.evenRows(out);
    boolean rows = ldIn.isPresent() && ldOut.isPresent() && scheme.blockRows() == 1;
    boolean isInt = out.dtype() != DType.F8_E4M3FN;
    long group = CpuTypes.blockColumns(scheme, k);
    boolean packs = out.dtype() != DType.I4 || group % 2 == 0 && (ldOut.orElse(0) & 1) == 0;
    long n = in.shape().rows();
    long chunk = Chunks.of(n, 1, 8.0 * k, device.workers().threads());
    if (rows && isInt && packs && scheme.scaleFormat() == ScaleFormat.F16 && k <= 500_000) {
      return CpuPlan.of(
          device.tier().name() + " QUANTIZE",
          (t, w) -> {
            Tensor scales = t[1].scales().orElseThrow();
            OptionalLong ldScale = CpuTypes.evenRows(scales.type());
            if (ldScale.isEmpty()) {
              return new QuantizeLoop(t, scheme);
            }
            Slots s = new Slots(device.pool());
            s.put(1, k).put(2, group).put(3, t[1]);
            s.put(4, ldOut.getAsLong() * out.dtype().bits() / 8);
            s.put(5, CpuTypes.weightType(out.dtype()));
            s.put(6, scales).put(7, ldScale.getAsLong());
            s.weight(8, t[0]).put(9, ldIn.getAsLong() * 4);
            return new KernelCommand(Kernels.QUANTIZE, s, n, chunk);
          });
    }
    if (rows && !isInt && group == 128 && scheme.scaleFormat() == ScaleFormat.F32) {
      return CpuPlan.of(
          device.tier().name() + " ACT_QUANT_FP8",
          (t, w) -> {
            Tensor scales = t[1].scales().orElseThrow();
            OptionalLong ldScale = CpuTypes.evenRows(scales.type());
            if (ldScale.isEmpty()) {
              return new QuantizeLoop(t, scheme);
            }
            Slots s = new Slots(device.pool());
            s.put(1, t[0]).put(2, ldIn.getAsLong()).put(3, k).put(4, t[1]);
            s.put(5, ldOut.getAsLong());
            s.put(6, scales).put(7, ldScale.getAsLong()).put(8, 0);
            return new KernelCommand(Kernels.ACT_QUANT_FP8, s, n, chunk);
          });
    }
    return CpuPlan.of("loop QUANTIZE", (t, w) -> new QuantizeLoop(t, scheme));
  }

  static CpuPlan dequantize(CpuDevice device, List<TensorType> types) {
    TensorType in = types.get(0);
    TensorType out = types.get(1);
    QuantScheme.Blocked scheme = (QuantScheme.Blocked) in.quant();
    if (in.rank() <= 2 && Limits.isKernelWeight(in) && out.isRowContiguous()) {
      long n = in.shape().rows();
      long k = in.dim(-1);
      long ldOut = out.rank() < 2 ? k : out.strides().stride(0);
      long chunk = Chunks.of(n, 1, 6.0 * k, device.workers().threads());
      return CpuPlan.of(
          device.tier().name() + " DEQUANT",
          (t, w) ->
              new KernelCommand(
                  Kernels.DEQUANT,
                  new Slots(device.pool())
                      .put(1, 0)
                      .put(2, k)
                      .put(3, t[1])
                      .put(4, ldOut)
                      .weight(5, t[0]),
                  n,
                  chunk));
    }
    return CpuPlan.of("loop DEQUANTIZE", (t, w) -> new DequantizeLoop(t, scheme));
  }

  /** Data, scales and plain numbers of equal matrices along leading axes. */
  private abstract static class BlockLoop implements BoundOperator, Region.Body {
    final QuantScheme.Blocked scheme;
    final DType dtype;
    final long rows;
    final long columns;
    final long blockColumns;
    private final Nest lead;
    private final long dataBase;
    private final long scaleBase;
    private final long plainBase;
    private final long dataRow;
    private final long dataStep;
    private final long scaleRow;
    private final long scaleStep;
    private final long plainRow;
    private final long plainStep;
    private final boolean sharesBytes;

    BlockLoop(Tensor data, Tensor plain, QuantScheme.Blocked scheme) {
      this.scheme = scheme;
      Tensor scales = data.scales().orElseThrow();
      TensorType d = data.type();
      dtype = d.dtype();
      int rank = d.rank();
      int outer = Math.max(0, rank - 2);
      rows = rank < 2 ? 1 : d.dim(-2);
      columns = d.dim(-1);
      blockColumns = scheme.effectiveBlockColumns(columns);
      TensorType dataLead = IndexedRows.axes(d, 0, outer);
      // nibbles are counted, not addressed: the nest counts bytes of u8 "elements"
      lead =
          Nest.elements(
              dataLead.shape(),
              dataLead.withDtype(DType.U8),
              IndexedRows.axes(scales.type(), 0, outer),
              IndexedRows.axes(plain.type(), 0, outer));
      dataBase = CpuTypes.address(data);
      scaleBase = CpuTypes.address(scales);
      plainBase = CpuTypes.address(plain);
      dataRow = rank < 2 ? 0 : d.strides().stride(-2);
      dataStep = d.strides().stride(-1);
      int scaleBytes = CpuTypes.elementBytes(scales.dtype());
      scaleRow = rank < 2 ? 0 : scaleBytes * scales.type().strides().stride(-2);
      scaleStep = scaleBytes * scales.type().strides().stride(-1);
      plainRow = rank < 2 ? 0 : 4 * plain.type().strides().stride(-2);
      plainStep = 4 * plain.type().strides().stride(-1);
      sharesBytes = dtype == DType.I4 && rank >= 2 && (dataRow & 1) != 0;
    }

    private long batches() {
      return lead.rows() * lead.inner();
    }

    final long blockRowsPerMatrix() {
      return scheme.scaleRows(rows);
    }

    private long blockRows() {
      return batches() * blockRowsPerMatrix();
    }

    final long chunk(int threads) {
      double bytes = 8.0 * scheme.blockRows() * columns;
      return sharesBytes ? Math.max(1, blockRows()) : Chunks.of(blockRows(), 1, bytes, threads);
    }

    final void enqueue(CpuStream stream) {
      stream.loop(this, blockRows(), chunk(stream.device().workers().threads()));
    }

    final long leadOffset(int operand, long batch) {
      long outer = batch / lead.inner();
      return lead.offset(operand, outer)
          + (batch - outer * lead.inner()) * lead.innerStride(operand);
    }

    final long plainAt(long batch, long row, long column) {
      return plainBase + leadOffset(2, batch) + row * plainRow + column * plainStep;
    }

    final long scaleAt(long batch, long blockRow, long block) {
      return scaleBase + leadOffset(1, batch) + blockRow * scaleRow + block * scaleStep;
    }

    /** Element number of a stored element, from the first of the tensor. */
    final long dataIndex(long batch, long row, long column) {
      return leadOffset(0, batch) + row * dataRow + column * dataStep;
    }

    final long dataBase() {
      return dataBase;
    }

    @Override
    public final void run(long scratch, long begin, long end) {
      long perMatrix = blockRowsPerMatrix();
      for (long u = begin; u < end; u++) {
        long batch = u / perMatrix;
        long blockRow = u - batch * perMatrix;
        for (long b = 0; b * blockColumns < columns; b++) {
          block(batch, blockRow, b);
        }
      }
    }

    abstract void block(long batch, long blockRow, long block);
  }

  private static final class QuantizeLoop extends BlockLoop {
    QuantizeLoop(Tensor[] t, QuantScheme.Blocked scheme) {
      super(t[1], t[0], scheme);
    }

    @Override
    public void enqueue(BackendStream stream) {
      enqueue((CpuStream) stream);
    }

    @Override
    void block(long batch, long blockRow, long block) {
      long r0 = blockRow * scheme.blockRows();
      long r1 = Math.min(rows, r0 + scheme.blockRows());
      long c0 = block * blockColumns;
      long c1 = Math.min(columns, c0 + blockColumns);
      float extreme = 0;
      for (long r = r0; r < r1; r++) {
        for (long c = c0; c < c1; c++) {
          float v = Raw.f32(plainAt(batch, r, c));
          if (Math.abs(v) > Math.abs(extreme)) {
            extreme = v;
          }
        }
      }
      float scale = storeScale(scaleAt(batch, blockRow, block), scaleFor(extreme));
      for (long r = r0; r < r1; r++) {
        for (long c = c0; c < c1; c++) {
          float v = Raw.f32(plainAt(batch, r, c));
          store(dataIndex(batch, r, c), scale == 0 ? 0 : v / scale);
        }
      }
    }

    private float scaleFor(float extreme) {
      float amax = Math.abs(extreme);
      return switch (dtype) {
        case F8_E4M3FN -> Math.max(amax, 1e-4f) / Float8.MAX;
        case I8 -> amax / 127;
        // a power of two has no sign
        default -> (scheme.scaleFormat() == ScaleFormat.UE8M0 ? amax : -extreme) / 8;
      };
    }

    private float storeScale(long at, float scale) {
      switch (scheme.scaleFormat()) {
        case F32 -> {
          Raw.f32(at, scale);
          return scale;
        }
        case F16 -> {
          short bits = Float.floatToFloat16(scale);
          Raw.i16(at, bits);
          return Float.float16ToFloat(bits);
        }
        case BF16 -> {
          short bits = BFloat16.fromFloat(scale);
          Raw.i16(at, bits);
          return BFloat16.toFloat(bits);
        }
        case UE8M0 -> {
          int exponent = Math.getExponent(scale);
          if (scale > Math.scalb(1f, exponent)) {
            exponent++;
          }
          int biased = Math.clamp(exponent + 127, 0, 254);
          Raw.i8(at, (byte) biased);
          return Math.scalb(1f, biased - 127);
        }
      }
      throw new IllegalStateException(scheme.toString());
    }

    private void store(long index, float value) {
      switch (dtype) {
        case F8_E4M3FN -> Raw.i8(dataBase() + index, Float8.fromFloat(value));
        case I8 ->
            Raw.i8(dataBase() + index, (byte) Math.clamp((long) Math.rint(value), -128, 127));
        default ->
            Scalars.storeNibble(dataBase(), index, Math.clamp((long) Math.rint(value), -8, 7));
      }
    }
  }

  private static final class DequantizeLoop extends BlockLoop {
    DequantizeLoop(Tensor[] t, QuantScheme.Blocked scheme) {
      super(t[0], t[1], scheme);
    }

    @Override
    public void enqueue(BackendStream stream) {
      enqueue((CpuStream) stream);
    }

    @Override
    void block(long batch, long blockRow, long block) {
      long r1 = Math.min(rows, (blockRow + 1) * scheme.blockRows());
      long c1 = Math.min(columns, (block + 1) * blockColumns);
      float scale = scale(scaleAt(batch, blockRow, block));
      for (long r = blockRow * scheme.blockRows(); r < r1; r++) {
        for (long c = block * blockColumns; c < c1; c++) {
          Raw.f32(plainAt(batch, r, c), load(dataIndex(batch, r, c)) * scale);
        }
      }
    }

    private float scale(long at) {
      return switch (scheme.scaleFormat()) {
        case UE8M0 -> {
          int b = Raw.i8(at) & 0xff;
          yield b == 255 ? Float.NaN : Math.scalb(1f, b - 127);
        }
        case F32, F16, BF16 -> Scalars.loadFloat(scheme.scaleFormat().dtype(), at);
      };
    }

    private float load(long index) {
      if (dtype == DType.I4) {
        return Scalars.loadNibble(dataBase(), index);
      }
      long at = dataBase() + index * CpuTypes.elementBytes(dtype);
      return dtype.isFloating()
          ? Scalars.loadFloat(dtype, at)
          : (float) Scalars.loadLong(dtype, at);
    }
  }
}
