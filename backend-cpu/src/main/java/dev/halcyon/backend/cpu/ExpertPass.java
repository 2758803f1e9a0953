package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.TensorType;

/**
 * The two kernel calls of gated experts, GATE_UP and DOWN, over slots sorted by expert.
 *
 * @param tokens T
 * @param hidden H
 * @param entries experts, with shared ones
 * @param slots most (token, expert) pairs there can be
 * @param active most experts that can have tokens
 * @param widest largest intermediate size
 * @param input type of gate, representative for all
 * @param output type of down
 * @param block intermediate columns of a task
 * @param device where it runs
 */
record ExpertPass(
    long tokens,
    long hidden,
    long entries,
    long slots,
    long active,
    long widest,
    TensorType input,
    TensorType output,
    long block,
    CpuDevice device) {

  static ExpertPass of(
      CpuDevice device,
      long tokens,
      long hidden,
      long entries,
      long slots,
      long active,
      long widest,
      TensorType input,
      TensorType output) {
    return new ExpertPass(
        tokens,
        hidden,
        entries,
        slots,
        active,
        widest,
        input,
        output,
        block(slots, active, widest, device.workers().threads()),
        device);
  }

  /**
   * Intermediate columns of a task. With few rows an expert is a stream of weights: equal parts
   * near 64 rows keep the threads together to the end. With many it is a product in tiles: the
   * larger block reuses more, the smaller one gives every thread several.
   */
  private static long block(long slots, long active, long widest, int threads) {
    if (slots <= 4 * active) {
      long parts = Math.ceilDiv(widest, 64);
      return Math.ceilDiv(Math.ceilDiv(widest, parts), 16) * 16;
    }
    return active * Math.ceilDiv(widest, 96) >= 8L * threads ? 96 : 48;
  }

  /** Bytes of the intermediate activations. */
  long hiddenBytes() {
    return Linears.align(4 * slots * widest);
  }

  long blocks(long inter) {
    return Math.ceilDiv(inter, block);
  }

  /**
   * Arguments of GATE_UP.
   *
   * @param offsets slots of each entry
   * @param rows token of each slot
   * @param tasks pairs of entry and block
   * @param count number of tasks
   * @param h intermediate activations
   */
  Slots gateUp(
      SlotPool pool,
      Tensor x,
      ExpertTable table,
      long offsets,
      long rows,
      long tasks,
      long count,
      long h) {
    Slots s = new Slots(pool);
    s.put(1, x).put(2, Linears.rowStride(x)).put(3, hidden).put(4, table.address());
    s.put(5, offsets).put(6, rows).put(7, tasks).put(8, count).put(9, block);
    s.put(10, h).put(11, widest).put(12, CpuTypes.productType(input, device.compute()));
    s.put(13, CpuTypes.rowStrideBytes(input)).put(17, table.inputScaleRow());
    ExpertTable.describeScales(s, 14, input, hidden);
    return s;
  }

  /**
   * Arguments of DOWN.
   *
   * @param h intermediate activations, {@code ldh} apart
   * @param weights of each slot
   * @param y output, with base added if it is not 0
   */
  Slots down(
      SlotPool pool,
      long h,
      long ldh,
      ExpertTable table,
      long offsets,
      long rows,
      long weights,
      Tensor y,
      long base,
      long ldb) {
    Slots s = new Slots(pool);
    s.put(1, h).put(2, ldh).put(3, tokens).put(4, hidden).put(5, table.address());
    s.put(6, entries).put(7, offsets).put(8, rows).put(9, weights);
    s.put(10, y).put(11, Linears.rowStride(y)).put(12, base).put(13, ldb);
    s.put(14, CpuTypes.productType(output, device.compute()));
    ExpertTable.describeScales(s, 15, output, widest);
    return s;
  }

  void runGateUp(CpuStream stream, Slots arguments, long tasks) {
    double perTask =
        2
            * block
            * Math.max(
                Linears.Weights.rowBytes(input), Chunks.flopBytes(2.0 * hidden * perExpert()));
    stream.kernel(Kernels.MOE_GATE_UP, arguments, tasks, Chunks.of(tasks, 1, perTask, threads()));
  }

  void runDown(CpuStream stream, Slots arguments) {
    double perColumn =
        Math.max(active * Linears.Weights.rowBytes(output), Chunks.flopBytes(2.0 * slots * widest));
    stream.kernel(Kernels.MOE_DOWN, arguments, hidden, Chunks.of(hidden, 24, perColumn, threads()));
  }

  private int threads() {
    return device.workers().threads();
  }

  private double perExpert() {
    return (double) slots / active;
  }
}
