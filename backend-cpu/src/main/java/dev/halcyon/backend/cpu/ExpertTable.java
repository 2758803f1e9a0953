package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * The expert table of the MoE kernels: where the weights of each expert lie. Made when operands are
 * bound.
 */
final class ExpertTable {
  private static final int GATE = 0;
  private static final int UP = 2;
  private static final int DOWN = 4;
  private static final int INTER = 6;
  private static final int DOWN_ROW = 7;
  private static final int DOWN_SCALE_ROW = 8;

  private final SlotPool pool;
  private final long bytes;
  private final long address;

  /**
   * Elements from one row of gate and up scales to the next, the same for all; -1 before the first.
   */
  private long inputScaleRow = -1;

  ExpertTable(SlotPool pool, long entries) {
    this.pool = pool;
    this.bytes = 8L * Kernels.EXPERT_WORDS * entries;
    this.address = pool.take(bytes);
    NativeMemory.fill(address, bytes, (byte) 0);
  }

  long address() {
    return address;
  }

  long inputScaleRow() {
    return Math.max(0, inputScaleRow);
  }

  private void put(long entry, int word, long value) {
    Raw.i64(address + 8 * (entry * Kernels.EXPERT_WORDS + word), value);
  }

  /**
   * Entries from {@code first} on: the matrices of gate and up, [N, K] each or stacked [E, N, K].
   */
  void inputs(long first, Tensor gate, Tensor up) {
    each(first, gate, GATE, true);
    each(first, up, UP, true);
  }

  /** Entries from {@code first} on: the matrices of down. */
  void outputs(long first, Tensor down) {
    each(first, down, DOWN, false);
  }

  private void each(long first, Tensor weights, int word, boolean isInput) {
    List<Tensor> parts = weights.parts();
    if (!parts.isEmpty()) {
      for (int e = 0; e < parts.size(); e++) {
        Tensor p = parts.get(e);
        entry(first + e, word, CpuTypes.address(p), p.type(), isInput);
        if (p.scales().isPresent()) {
          Tensor s = p.scales().get();
          scales(first + e, word, CpuTypes.address(s), s.type(), isInput);
        }
      }
      return;
    }
    TensorType type = weights.type();
    boolean isStack = type.rank() == 3;
    long count = isStack ? type.dim(0) : 1;
    long base = CpuTypes.address(weights);
    long step = isStack ? type.strides().stride(0) * type.dtype().bits() / 8 : 0;
    for (long e = 0; e < count; e++) {
      entry(first + e, word, base + e * step, type, isInput);
    }
    if (weights.scales().isPresent()) {
      Tensor s = weights.scales().get();
      long scaleBase = CpuTypes.address(s);
      long scaleStep =
          isStack ? s.type().strides().stride(0) * CpuTypes.elementBytes(s.dtype()) : 0;
      for (long e = 0; e < count; e++) {
        scales(first + e, word, scaleBase + e * scaleStep, s.type(), isInput);
      }
    }
  }

  private void entry(long e, int word, long data, TensorType type, boolean isInput) {
    put(e, word, data);
    if (isInput) {
      put(e, INTER, type.dim(-2));
    } else {
      put(e, INTER, type.dim(-1));
      put(e, DOWN_ROW, CpuTypes.rowStrideBytes(type));
    }
  }

  private void scales(long e, int word, long data, TensorType type, boolean isInput) {
    put(e, word + 1, data);
    long row = CpuTypes.scaleRowStride(type);
    if (!isInput) {
      put(e, DOWN_SCALE_ROW, row);
      return;
    }
    if (type.dim(-2) == 1) {
      return; // one row of scales: its stride is never used
    }
    if (inputScaleRow >= 0 && inputScaleRow != row) {
      throw HalException.of(
              HalErrorCode.INVALID_ARGUMENT,
              "gate and up scales of experts have different row strides")
          .on("cpu://")
          .remedy("use dense scales")
          .build();
    }
    inputScaleRow = row;
  }

  void free() {
    pool.give(address, bytes);
  }

  /** Whether two kinds of weights can share a kernel call: the stored form of rows is the same. */
  static boolean alike(TensorType a, TensorType b) {
    return a.dtype() == b.dtype() && a.quant().equals(b.quant());
  }

  /** Scale type, block rows and block columns of weights, in three slots. */
  static void describeScales(Slots slots, int first, TensorType type, long columns) {
    if (type.quant() instanceof QuantScheme.Blocked b) {
      slots.put(first, CpuTypes.scaleType(b.scaleFormat()));
      slots.put(first + 1, b.blockRows());
      slots.put(first + 2, CpuTypes.blockColumns(b, columns));
    } else {
      slots.put(first, 0).put(first + 1, 1).put(first + 2, 1);
    }
  }
}
