package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/** The bugs of kernels: which operators each concerns, and what they do then. */
final class KernelBugs {
  private static final long ALIGNMENT = 256;

  private KernelBugs() {}

  /** Operators whose native kernel is withheld, because the bug is in a part of them. */
  static boolean leavesToDecomposition(Fault fault, OperatorSpec spec) {
    return fault == Fault.MASKED_GROUP_ZERO && spec instanceof MoeGating;
  }

  /** The bug that {@code fault} means for an operator on these types; empty if none. */
  static Optional<KernelBug> of(Fault fault, OperatorSpec spec, List<TensorType> types) {
    return Optional.ofNullable(
        switch (fault) {
          case GUARD_OVERWRITTEN -> spec instanceof Fill ? guardOverwritten(spec) : null;
          case GATHER_BEYOND_TABLE ->
              spec instanceof Gather && isDenseF32(types.get(0)) ? gatherBeyondTable() : null;
          case TAIL_OFF_BY_ONE -> spec instanceof MatMul ? tailOffByOne(spec) : null;
          case STRIDE_IGNORED -> spec instanceof MatMul ? strideIgnored(spec) : null;
          case OFFSET_IGNORED -> spec instanceof MatMul ? offsetIgnored(spec) : null;
          case BF16_ACCUMULATION -> spec instanceof MatMul ? bf16Accumulation() : null;
          case EMPTY_SUM_SKIPPED ->
              spec instanceof MatMul && types.get(0).dim(-1) == 0 ? emptySumSkipped() : null;
          case NORM_OFF_BY_ONE -> spec instanceof RmsNorm r ? normOffByOne(r) : null;
          case BIAS_ON_GATE_WEIGHTS ->
              spec instanceof MoeGating g && g.choice() == MoeGating.Choice.BIASED
                  ? biasOnGateWeights(spec)
                  : null;
          case MASKED_GROUP_ZERO ->
              spec instanceof Fill f && f.value() == Double.NEGATIVE_INFINITY
                  ? (c, t) -> c.run(new Fill(0), t)
                  : null;
          case EXPERTS_UNPAIRED ->
              spec instanceof MoeGating g && g.topK() > 1 ? expertsUnpaired(spec) : null;
          case ATTENTION_SCALE_MISSING ->
              spec instanceof MaskedSoftmax ? (c, t) -> c.run(new MaskedSoftmax(1), t) : null;
          default -> null;
        });
  }

  private static boolean isDenseF32(TensorType t) {
    return t.dtype() == DType.F32 && t.isContiguous();
  }

  private static Tensor out(Tensor[] t) {
    return t[t.length - 1];
  }

  private static KernelBug guardOverwritten(OperatorSpec spec) {
    return (c, t) -> {
      c.run(spec, t);
      long end = t[0].byteOffset() + t[0].type().byteSize();
      int size = t[0].dtype().bits() / 8;
      if (t[0].type().isContiguous() && end + size <= t[0].buffer().byteSize()) {
        c.raw(s -> s.upload(MemorySegment.ofArray(new byte[size]), t[0].buffer(), end));
      }
    };
  }

  private static KernelBug gatherBeyondTable() {
    return (c, t) -> {
      long rowBytes = t[0].type().byteSize() / Math.max(1, t[0].dim(0));
      Tensor indices = c.dense(t[1]);
      Tensor out = c.temporary(DType.F32, t[2].shape().dims());
      c.raw(
          s -> {
            int[] rows = Commands.ints(s, indices);
            for (int i = 0; i < rows.length; i++) {
              long from = t[0].byteOffset() + rows[i] * rowBytes;
              if (rows[i] >= 0 && from + rowBytes <= t[0].buffer().byteSize()) {
                s.copy(
                    t[0].buffer(), from, out.buffer(), out.byteOffset() + i * rowBytes, rowBytes);
              }
            }
          });
      c.run(new Copy(), out, t[2]);
    };
  }

  private static KernelBug tailOffByOne(OperatorSpec spec) {
    return (c, t) -> {
      c.run(spec, t);
      Tensor last = out(t);
      for (int a = 0; a < last.type().rank(); a++) {
        last = last.slice(a, Math.max(0, last.dim(a) - 1), Math.min(1, last.dim(a)));
      }
      c.run(new Fill(0), last);
    };
  }

  private static KernelBug strideIgnored(OperatorSpec spec) {
    return (c, t) -> {
      Tensor[] read = t.clone();
      for (int i = 0; i < t.length - 1; i++) {
        if (!t[i].type().isContiguous()) {
          read[i] = c.bytesAt(t[i], t[i].byteOffset());
        }
      }
      c.run(spec, read);
    };
  }

  private static KernelBug offsetIgnored(OperatorSpec spec) {
    return (c, t) -> {
      Tensor[] read = t.clone();
      for (int i = 0; i < t.length - 1; i++) {
        if (t[i].type().isContiguous()) {
          read[i] = c.bytesAt(t[i], t[i].byteOffset() / ALIGNMENT * ALIGNMENT);
        }
      }
      c.run(spec, read);
    };
  }

  private static Tensor f32(Commands c, Tensor t) {
    if (t.dtype() == DType.F32) {
      return c.dense(t);
    }
    Tensor wide = c.temporary(DType.F32, t.shape().dims());
    c.run(new Cast(), t, wide);
    return wide;
  }

  private static KernelBug bf16Accumulation() {
    return (c, t) -> {
      int m = (int) t[0].dim(-2);
      int k = (int) t[0].dim(-1);
      int n = (int) t[1].dim(-1);
      int batches = (int) (t[2].type().elementCount() / Math.max(1, m * n));
      c.onHost(t[2], v -> sums(v[0], v[1], batches, m, k, n), f32(c, t[0]), f32(c, t[1]));
    };
  }

  private static float[] sums(float[] a, float[] b, int batches, int m, int k, int n) {
    float[] out = new float[batches * m * n];
    for (int i = 0; i < out.length; i++) {
      int row = i / n;
      int batch = row / m;
      float sum = 0;
      for (int j = 0; j < k; j++) {
        sum += a[row * k + j] * b[(batch * k + j) * n + i % n];
        sum = BFloat16.toFloat(BFloat16.fromFloat(sum));
      }
      out[i] = sum;
    }
    return out;
  }

  private static KernelBug emptySumSkipped() {
    return (c, t) -> c.run(new Fill(0), c.temporary(DType.F32, 1));
  }

  private static KernelBug normOffByOne(RmsNorm spec) {
    return (c, t) -> {
      c.run(spec, t);
      Tensor factor = c.temporary(DType.F32, 1);
      double n = t[0].dim(1);
      c.run(new Fill(Math.sqrt((n - 1) / n)), factor);
      c.run(new Binary(Binary.Op.MUL), t[2], factor, t[2]);
    };
  }

  private static KernelBug biasOnGateWeights(OperatorSpec spec) {
    return (c, t) -> {
      c.run(spec, t);
      Tensor of = c.temporary(DType.F32, t[2].shape().dims());
      c.run(new Gather(), t[1], t[3], of);
      c.run(new Binary(Binary.Op.ADD), t[2], of, t[2]);
    };
  }

  private static KernelBug expertsUnpaired(OperatorSpec spec) {
    return (c, t) -> {
      c.run(spec, t);
      Tensor ids = c.dense(out(t));
      c.run(new Copy(), ids.slice(1, 0, 1), out(t).slice(1, 1, 1));
      c.run(new Copy(), ids.slice(1, 1, 1), out(t).slice(1, 0, 1));
    };
  }
}
