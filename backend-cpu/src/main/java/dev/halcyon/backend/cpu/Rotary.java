package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.RotaryEmbedding.Layout;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** RotaryEmbedding and KvCacheAppend. */
final class Rotary {
  private Rotary() {}

  static Support support(CpuDevice device, RotaryEmbedding spec, List<TensorType> types) {
    return new Limits(spec, types)
        .adjacent(0, 4)
        .dense(1, 2, 3)
        .verdict(device.tier().name() + " ROPE");
  }

  static CpuPlan plan(CpuDevice device, RotaryEmbedding spec, List<TensorType> types) {
    TensorType x = types.get(0);
    TensorType out = types.get(4);
    long tokens = x.dim(0);
    long heads = x.dim(1);
    long table = types.get(2).dim(0);
    long chunk = Chunks.of(tokens, 1, 24.0 * heads * x.dim(2), device.workers().threads());
    return new CpuPlan(
        device.tier().name() + " ROPE",
        4 * tokens,
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, x.strides().stride(0)).put(3, x.strides().stride(1));
          s.put(4, heads).put(5, spec.rotaryOffset()).put(6, spec.rotaryDim());
          s.put(7, t[4]).put(8, out.strides().stride(0)).put(9, out.strides().stride(1));
          s.put(10, spec.rotaryOffset()).put(11, t[2]).put(12, t[3]).put(13, w);
          s.put(14, spec.layout() == Layout.INTERLEAVED ? 1 : 0).put(15, 0);
          BoundOperator rotate =
              new Rotation(
                  new KernelCommand(Kernels.ROPE, s, tokens, chunk),
                  t[4].slice(2, spec.rotaryOffset(), spec.rotaryDim()),
                  CpuTypes.address(t[1]),
                  table,
                  w);
          boolean inPlace = CpuTypes.address(t[0]) == CpuTypes.address(t[4]);
          return inPlace ? rotate : withOthers(rotate, spec, t);
        });
  }

  /**
   * The rotation with positions that were looked at on their way into a dense array. A negative
   * position has no angle: like a gathered row of zeros it makes the rotated dims 0.
   */
  private record Rotation(
      KernelCommand kernel, Tensor rotated, long positions, long table, long checked)
      implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      boolean hasNegative = false;
      for (long t = 0; t < rotated.dim(0); t++) {
        int p = Raw.i32(positions + 4 * t);
        if (p >= table) {
          throw CpuErrors.index("RotaryEmbedding", "positions", t, p, table);
        }
        hasNegative |= p < 0;
        Raw.i32(checked + 4 * t, Math.max(0, p));
      }
      kernel.enqueue(stream);
      for (long t = 0; hasNegative && t < rotated.dim(0); t++) {
        if (Raw.i32(positions + 4 * t) < 0) {
          clear(t);
        }
      }
    }

    private void clear(long token) {
      long row = CpuTypes.address(rotated) + 4 * token * rotated.type().strides().stride(0);
      for (long h = 0; h < rotated.dim(1); h++) {
        long at = row + 4 * h * rotated.type().strides().stride(1);
        NativeMemory.fill(at, 4 * rotated.dim(2), (byte) 0);
      }
    }

    @Override
    public void close() {
      kernel.close();
    }
  }

  /** The rotation, then copies of the dims before and behind it. */
  private static BoundOperator withOthers(BoundOperator rotate, RotaryEmbedding spec, Tensor[] t) {
    long end = spec.rotaryOffset() + spec.rotaryDim();
    return new CpuPlan.Sequence(
        rotate, copy(t[0], t[4], 0, spec.rotaryOffset()), copy(t[0], t[4], end, t[0].dim(2) - end));
  }

  private static BoundOperator copy(Tensor from, Tensor to, long start, long length) {
    if (length == 0) {
      return stream -> {};
    }
    Tensor a = from.slice(2, start, length);
    Tensor b = to.slice(2, start, length);
    return Moves.copy(List.of(a.type(), b.type())).binder().bind(new Tensor[] {a, b}, 0);
  }

  /**
   * The append after a look at the slots and positions the kernel trusts; skipped tokens may have
   * any position.
   */
  private record Append(
      KernelCommand kernel, long tokens, long positions, long table, long slots, long rows)
      implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      for (long t = 0; t < tokens; t++) {
        int slot = Raw.i32(slots + 4 * t);
        int p = Raw.i32(positions + 4 * t);
        if (slot >= rows) {
          throw CpuErrors.index("KvCacheAppend", "slots", t, slot, rows);
        }
        if (slot >= 0 && (p < 0 || p >= table)) {
          throw CpuErrors.index("KvCacheAppend", "positions", t, p, table);
        }
      }
      kernel.enqueue(stream);
    }

    @Override
    public void close() {
      kernel.close();
    }
  }

  static Support support(CpuDevice device, KvCacheAppend spec, List<TensorType> types) {
    return new Limits(spec, types)
        .that(
            spec.layout() == Layout.INTERLEAVED,
            "operator",
            "the kernel rotates interleaved pairs only")
        .adjacent(0, 6)
        .dense(1, 2, 3, 4, 5)
        .that(types.getFirst().dim(1) <= Kernels.SCRATCH_BYTES / 4, "shape", "rows are too long")
        .verdict(device.tier().name() + " KV_APPEND");
  }

  static CpuPlan plan(CpuDevice device, KvCacheAppend spec, List<TensorType> types) {
    TensorType raw = types.get(0);
    TensorType weight = types.get(1);
    TensorType cache = types.get(6);
    long tokens = raw.dim(0);
    long chunk = Chunks.of(tokens, 1, 16.0 * raw.dim(1), device.workers().threads());
    return CpuPlan.of(
        device.tier().name() + " KV_APPEND",
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, Linears.rowStride(t[0])).put(3, weight.dim(0));
          s.put(4, raw.dim(1) - weight.dim(0)).put(5, t[1]);
          s.put(6, CpuTypes.weightType(weight.dtype())).put(7, spec.epsilon());
          s.put(8, t[2]).put(9, t[3]).put(10, t[4]).put(11, t[5]).put(12, t[6]);
          s.put(13, CpuTypes.rowStrideBytes(cache)).put(14, CpuTypes.weightType(cache.dtype()));
          return new Append(
              new KernelCommand(Kernels.KV_APPEND, s, tokens, chunk),
              tokens,
              CpuTypes.address(t[4]),
              types.get(2).dim(0),
              CpuTypes.address(t[5]),
              cache.dim(0));
        });
  }
}
