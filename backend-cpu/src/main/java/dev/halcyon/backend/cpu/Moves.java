package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Fill, Iota, Copy and Cast. */
final class Moves {
  private Moves() {}

  static CpuPlan fill(Fill spec, List<TensorType> types) {
    TensorType type = types.getFirst();
    Nest nest = Nest.elements(type.shape(), type);
    int bytes = CpuTypes.elementBytes(type.dtype());
    long bits = Scalars.bitsOf(spec.value(), type.dtype());
    return CpuPlan.of("loop FILL", (t, w) -> new FillLoop(nest, List.of(t), bytes, bits));
  }

  static CpuPlan iota(List<TensorType> types) {
    TensorType type = types.getFirst();
    Nest nest = Nest.rows(type.shape(), type);
    boolean isFloat = type.dtype() == DType.F32;
    return CpuPlan.of("loop IOTA", (t, w) -> new IotaLoop(nest, List.of(t), isFloat));
  }

  static CpuPlan copy(List<TensorType> types) {
    TensorType in = types.get(0);
    TensorType out = types.get(1);
    CpuPlan data = copyPlain(in, out);
    if (!in.isQuantized() || !in.quant().equals(out.quant())) {
      return data;
    }
    // the same scheme on both sides: the scales are part of the value
    return CpuPlan.of(
        "loop COPY",
        (t, w) -> {
          Tensor from = t[0].scales().orElseThrow();
          Tensor to = t[1].scales().orElseThrow();
          return new CpuPlan.Sequence(
              data.binder().bind(t, 0),
              copyPlain(from.type(), to.type()).binder().bind(new Tensor[] {from, to}, 0));
        });
  }

  private static CpuPlan copyPlain(TensorType in, TensorType out) {
    TensorType from = in;
    TensorType to = out;
    if (in.dtype() == DType.I4) {
      from = TensorType.of(DType.U8, in.byteSize());
      to = from;
    }
    Nest nest = Nest.elements(to.shape(), from, to);
    int bytes = CpuTypes.elementBytes(to.dtype());
    return CpuPlan.of("loop COPY", (t, w) -> new CopyLoop(nest, List.of(t), bytes));
  }

  static CpuPlan cast(CpuDevice device, List<TensorType> types) {
    TensorType in = types.get(0);
    TensorType out = types.get(1);
    Nest nest = Nest.elements(out.shape(), in, out);
    int inBytes = CpuTypes.elementBytes(in.dtype());
    int outBytes = CpuTypes.elementBytes(out.dtype());
    if (in.dtype().isFloating()
        && out.dtype().isFloating()
        && nest.rows() == 1
        && nest.innerStride(0) == inBytes
        && nest.innerStride(1) == outBytes) {
      long chunk = Chunks.of(nest.inner(), 1024, inBytes + outBytes, device.workers().threads());
      return CpuPlan.of(
          device.tier().name() + " CONVERT",
          (t, w) ->
              new KernelCommand(
                  Kernels.CONVERT,
                  new Slots(device.pool())
                      .put(1, t[0])
                      .put(2, CpuTypes.weightType(in.dtype()))
                      .put(3, t[1])
                      .put(4, CpuTypes.weightType(out.dtype())),
                  nest.inner(),
                  chunk));
    }
    return CpuPlan.of(
        "loop CAST", (t, w) -> new CastLoop(nest, List.of(t), in.dtype(), out.dtype()));
  }

  /** Moves elements of 1, 2, 4 or 8 bytes. */
  static void move(long from, long fromStep, long to, long toStep, long n, int bytes) {
    if (n > 1 && fromStep == bytes && toStep == bytes || n == 1) {
      NativeMemory.copy(from, to, n * bytes);
      return;
    }
    switch (bytes) {
      case 1 -> {
        for (long i = 0; i < n; i++) {
          Raw.i8(to + i * toStep, Raw.i8(from + i * fromStep));
        }
      }
      case 2 -> {
        for (long i = 0; i < n; i++) {
          Raw.i16(to + i * toStep, Raw.i16(from + i * fromStep));
        }
      }
      case 4 -> {
        for (long i = 0; i < n; i++) {
          Raw.i32(to + i * toStep, Raw.i32(from + i * fromStep));
        }
      }
      default -> {
        for (long i = 0; i < n; i++) {
          Raw.i64(to + i * toStep, Raw.i64(from + i * fromStep));
        }
      }
    }
  }

  private static final class FillLoop extends StridedLoop {
    private final int bytes;
    private final long bits;

    FillLoop(Nest nest, List<Tensor> operands, int bytes, long bits) {
      super(nest, operands);
      this.bytes = bytes;
      this.bits = bits;
    }

    @Override
    int operands() {
      return 1;
    }

    @Override
    void row(long y, long b, long c, long d, long n) {
      long step = step(0);
      if (bits == 0 && step == bytes) {
        NativeMemory.fill(y, n * bytes, (byte) 0);
        return;
      }
      switch (bytes) {
        case 1 -> {
          for (long i = 0; i < n; i++) {
            Raw.i8(y + i * step, (byte) bits);
          }
        }
        case 2 -> {
          for (long i = 0; i < n; i++) {
            Raw.i16(y + i * step, (short) bits);
          }
        }
        case 4 -> {
          for (long i = 0; i < n; i++) {
            Raw.i32(y + i * step, (int) bits);
          }
        }
        default -> {
          for (long i = 0; i < n; i++) {
            Raw.i64(y + i * step, bits);
          }
        }
      }
    }
  }

  private static final class IotaLoop extends StridedLoop {
    private final boolean isFloat;

    IotaLoop(Nest nest, List<Tensor> operands, boolean isFloat) {
      super(nest, operands);
      this.isFloat = isFloat;
    }

    @Override
    int operands() {
      return 1;
    }

    @Override
    void row(long y, long b, long c, long d, long n) {
      long step = step(0);
      for (long i = 0; i < n; i++) {
        Raw.i32(y + i * step, isFloat ? Float.floatToRawIntBits(i) : (int) i);
      }
    }
  }

  private static final class CopyLoop extends StridedLoop {
    private final int bytes;

    CopyLoop(Nest nest, List<Tensor> operands, int bytes) {
      super(nest, operands);
      this.bytes = bytes;
    }

    @Override
    int operands() {
      return 2;
    }

    @Override
    void row(long x, long y, long c, long d, long n) {
      move(x, step(0), y, step(1), n, bytes);
    }
  }

  private static final class CastLoop extends StridedLoop {
    private final DType from;
    private final DType to;

    CastLoop(Nest nest, List<Tensor> operands, DType from, DType to) {
      super(nest, operands);
      this.from = from;
      this.to = to;
    }

    @Override
    int operands() {
      return 2;
    }

    @Override
    void row(long x, long y, long c, long d, long n) {
      long sx = step(0);
      long sy = step(1);
      if (from.isFloating()) {
        for (long i = 0; i < n; i++) {
          Scalars.store(to, y + i * sy, Scalars.loadFloat(from, x + i * sx));
        }
      } else {
        for (long i = 0; i < n; i++) {
          Scalars.store(to, y + i * sy, Scalars.loadLong(from, x + i * sx));
        }
      }
    }
  }
}
