package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;

/** The argument array of one kernel call, in native memory; slot 0 belongs to whoever runs it. */
final class Slots {
  private static final long BYTES = 8L * Kernels.MAX_SLOTS;

  private final SlotPool pool;
  private final long address;
  private int count = 1;

  Slots(SlotPool pool) {
    this.pool = pool;
    this.address = pool.take(BYTES);
  }

  long address() {
    return address;
  }

  /** One more than the highest slot written. */
  int count() {
    return count;
  }

  Slots put(int slot, long value) {
    Raw.i64(address + 8L * slot, value);
    count = Math.max(count, slot + 1);
    return this;
  }

  Slots put(int slot, double value) {
    return put(slot, Double.doubleToRawLongBits(value));
  }

  /** The address of a tensor's first element. */
  Slots put(int slot, Tensor tensor) {
    return put(slot, CpuTypes.address(tensor));
  }

  /**
   * The nine slots of a weight descriptor of a matrix {@code [N, K]}, or of each matrix of a larger
   * tensor.
   */
  Slots weight(int first, Tensor matrix) {
    TensorType type = matrix.type();
    put(first, matrix);
    put(first + 1, CpuTypes.rowStrideBytes(type));
    put(first + 2, CpuTypes.weightType(type.dtype()));
    long scales = 0;
    if (matrix.scales().isPresent()) {
      Tensor s = matrix.scales().get();
      scales = CpuTypes.address(s);
      QuantScheme.Blocked scheme = (QuantScheme.Blocked) type.quant();
      put(first + 4, CpuTypes.scaleType(scheme.scaleFormat()));
      put(first + 5, scheme.blockRows());
      put(first + 6, CpuTypes.blockColumns(scheme, type.dim(-1)));
      put(first + 7, CpuTypes.scaleRowStride(s.type()));
      put(first + 8, 0);
    } else {
      put(first + 4, 0).put(first + 5, 1).put(first + 6, 1).put(first + 7, 0).put(first + 8, 0);
    }
    return put(first + 3, scales);
  }

  /** The same descriptor for a product, whose activations may be rounded. */
  Slots weight(int first, Tensor matrix, Compute compute) {
    return weight(first, matrix).put(first + 2, CpuTypes.productType(matrix.type(), compute));
  }

  void free() {
    pool.give(address, BYTES);
  }
}
