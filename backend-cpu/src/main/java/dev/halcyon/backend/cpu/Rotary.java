package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
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
    return CpuPlan.of(
        device.tier().name() + " ROPE",
        (t, w) -> {
          Slots s = new Slots(device.pool());
          s.put(1, t[0]).put(2, x.strides().stride(0)).put(3, x.strides().stride(1));
          s.put(4, heads).put(5, spec.rotaryOffset()).put(6, spec.rotaryDim());
          s.put(7, t[4]).put(8, out.strides().stride(0)).put(9, out.strides().stride(1));
          s.put(10, spec.rotaryOffset()).put(11, t[2]).put(12, t[3]).put(13, t[1]);
          s.put(14, spec.layout() == Layout.INTERLEAVED ? 1 : 0).put(15, 0);
          BoundOperator rotate =
              new Checked(
                  new KernelCommand(Kernels.ROPE, s, tokens, chunk),
                  "RotaryEmbedding",
                  new Bound("positions", CpuTypes.address(t[1]), tokens, 0, table));
          boolean inPlace = CpuTypes.address(t[0]) == CpuTypes.address(t[4]);
          return inPlace ? rotate : withOthers(rotate, spec, t);
        });
  }

  /** The rotation, then copies of the dims before and behind it. */
  private static BoundOperator withOthers(BoundOperator rotate, RotaryEmbedding spec, Tensor[] t) {
    long end = spec.rotaryOffset() + spec.rotaryDim();
    return new CpuPlan.Sequence(
        rotate,
        copy(t[0], t[4], 0, spec.rotaryOffset()),
        copy(t[0], t[4], end, t[0].dim(2) - end));
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
   * Device values a kernel uses as indices.
   *
   * @param operand its name
   * @param address dense i32
   * @param count how many
   * @param lowest the lowest valid value, for which the kernel may have a meaning
   * @param limit the lowest value that is too high
   */
  record Bound(String operand, long address, long count, long lowest, long limit) {
    void check(String operator) {
      for (long i = 0; i < count; i++) {
        int v = NativeMemory.i32(address + 4 * i);
        if (v >= limit || v < lowest) {
          throw CpuErrors.index(operator, operand, i, v, limit);
        }
      }
    }
  }

  /** A kernel call after a look at the values it trusts. */
  record Checked(KernelCommand kernel, String operator, Bound... bounds) implements BoundOperator {
    @Override
    public void enqueue(BackendStream stream) {
      for (Bound b : bounds) {
        b.check(operator);
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
          return new Checked(
              new KernelCommand(Kernels.KV_APPEND, s, tokens, chunk),
              "KvCacheAppend",
              new Bound("positions", CpuTypes.address(t[4]), tokens, 0, types.get(2).dim(0)),
              new Bound(
                  "slots", CpuTypes.address(t[5]), tokens, Integer.MIN_VALUE, cache.dim(0)));
        });
  }
}
