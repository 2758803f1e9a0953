package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
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
          case NAN_FLUSHED ->
              spec instanceof Unary || spec instanceof Binary ? nanFlushed(spec, types) : null;
          case TIE_ORDER -> spec instanceof ArgMax ? tieOrder() : null;
          case TOP_K_UNSTABLE -> spec instanceof TopK k ? topKUnstable(k) : null;
          case STALE_SCALE_BLOCK ->
              (spec instanceof Dequantize || spec instanceof Linear)
                  ? staleScaleBlock(spec, types)
                  : null;
          case QUANT_GROUP_OFF_BY_ONE ->
              spec instanceof Dequantize ? quantGroupOffByOne(types.get(0)) : null;
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
          case ROPE_HALF_SPLIT ->
              spec instanceof RotaryEmbedding r && r.layout() == RotaryEmbedding.Layout.INTERLEAVED
                  ? (c, t) ->
                      c.run(
                          new RotaryEmbedding(
                              RotaryEmbedding.Layout.HALF_SPLIT, r.rotaryOffset(), r.rotaryDim()),
                          t)
                  : null;
          case ATTENTION_SCALE_MISSING ->
              spec instanceof MaskedSoftmax ? (c, t) -> c.run(new MaskedSoftmax(1), t) : null;
          case SOFTMAX_WITHOUT_MAX -> spec instanceof MaskedSoftmax s ? softmaxWithoutMax(s) : null;
          case NEGATIVE_ROW_CLAMPED -> spec instanceof Gather ? negativeRowClamped() : null;
          case SCATTER_LOSES_DUPLICATES ->
              spec instanceof ScatterAdd ? scatterLosesDuplicates() : null;
          case TRUNCATING_CAST ->
              spec instanceof Cast
                      && types.get(0).dtype() == DType.F32
                      && types.get(1).dtype() == DType.BF16
                  ? truncatingCast()
                  : null;
          case RESIDUAL_FORGOTTEN ->
              spec instanceof Linear l && l.epilogue() == Epilogue.RESIDUAL
                  ? (c, t) -> c.run(new Linear(Epilogue.NONE), t[0], t[1], t[3])
                  : null;
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

  private static KernelBug nanFlushed(OperatorSpec spec, List<TensorType> types) {
    if (types.getLast().dtype() != DType.F32) {
      return null;
    }
    return (c, t) -> {
      c.run(spec, t);
      Tensor number = c.temporary(DType.F32, out(t).shape().dims());
      Tensor zero = c.temporary(DType.F32);
      c.run(new Binary(Binary.Op.EQUAL), out(t), out(t), number);
      c.run(new Fill(0), zero);
      c.run(new Select(), number, out(t), zero, out(t));
    };
  }

  private static float key(float v) {
    return Float.isNaN(v) ? Float.NEGATIVE_INFINITY : v;
  }

  private static KernelBug tieOrder() {
    return (c, t) -> {
      int n = (int) t[0].dim(-1);
      c.indicesOnHost(
          t[1],
          v -> {
            int[] best = new int[v[0].length / n];
            for (int i = 0; i < v[0].length; i++) {
              if (key(v[0][i]) >= key(v[0][i / n * n + best[i / n]])) {
                best[i / n] = i % n;
              }
            }
            return best;
          },
          c.dense(t[0]));
    };
  }

  /** Right values; among equal ones the indices come in descending order. */
  private static KernelBug topKUnstable(TopK spec) {
    return (c, t) -> {
      c.run(spec, t);
      int k = spec.k();
      Tensor ids = c.temporary(DType.F32, t[2].shape().dims());
      c.run(new Cast(), t[2], ids);
      c.indicesOnHost(
          t[2],
          v -> {
            int[] all = new int[v[1].length];
            for (int i = 0; i < all.length; i++) {
              int from = i;
              while (from % k > 0 && v[0][from - 1] == v[0][i]) {
                from--;
              }
              int to = i;
              while (to % k < k - 1 && v[0][to + 1] == v[0][i]) {
                to++;
              }
              all[i] = (int) v[1][from + to - i];
            }
            return all;
          },
          c.dense(t[1]),
          ids);
    };
  }

  private static int quantized(List<TensorType> types) {
    for (int i = 0; i < types.size(); i++) {
      if (types.get(i).quant() instanceof QuantScheme.Blocked b
          && types.get(i).rank() >= 1
          && b.scaleColumns(types.get(i).dim(-1)) > 1) {
        return i;
      }
    }
    return -1;
  }

  /** Each block after the first of a row uses the scale of the block before. */
  private static KernelBug staleScaleBlock(OperatorSpec spec, List<TensorType> types) {
    int q = quantized(types);
    if (q < 0) {
      return null;
    }
    return (c, t) -> {
      if (t[q].scales().isEmpty()) {
        c.run(spec, t);
        return;
      }
      Tensor right = t[q].scales().get();
      Tensor stale = c.dense(right);
      long n = right.dim(-1);
      c.run(new Copy(), right.slice(-1, 0, n - 1), stale.slice(-1, 1, n - 1));
      Tensor[] read = t.clone();
      read[q] = t[q].withScales(stale, (QuantScheme.Blocked) t[q].type().quant());
      c.run(spec, read);
    };
  }

  /** The last column of each block uses the scale of the next. */
  private static KernelBug quantGroupOffByOne(TensorType in) {
    QuantScheme.Blocked b = (QuantScheme.Blocked) in.quant();
    int columns = (int) in.dim(-1);
    int scaleColumns = (int) b.scaleColumns(columns);
    if (scaleColumns < 2 || b.scaleFormat() != QuantScheme.ScaleFormat.F32 || in.rank() != 2) {
      return null;
    }
    return (c, t) -> {
      Tensor right = c.temporary(DType.F32, t[1].shape().dims());
      c.run(new Dequantize(), t[0], right);
      c.onHost(
          t[1],
          v -> {
            float[] out = v[0].clone();
            for (int i = 0; i < out.length; i++) {
              int block = i % columns / b.blockColumns();
              int at = i / columns / b.blockRows() * scaleColumns + block;
              if (i % columns % b.blockColumns() == b.blockColumns() - 1
                  && block + 1 < scaleColumns) {
                out[i] *= v[1][at + 1] / v[1][at];
              }
            }
            return out;
          },
          right,
          c.dense(t[0].scales().orElseThrow()));
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

  private static KernelBug softmaxWithoutMax(MaskedSoftmax spec) {
    return (c, t) -> {
      long[] dims = t[0].shape().dims();
      Tensor index = c.temporary(DType.I32, dims[dims.length - 1]);
      Tensor inside = c.temporary(DType.I32, dims);
      Tensor exp = c.temporary(DType.F32, dims);
      Tensor scale = c.temporary(DType.F32, 1);
      Tensor zero = c.temporary(DType.F32, 1);
      Tensor sum = c.temporary(DType.F32, t[0].shape().with(-1, 1).dims());
      long[] lengths = Arrays.copyOf(t[1].shape().dims(), t[1].type().rank() + 1);
      lengths[lengths.length - 1] = 1;
      c.run(new Iota(), index);
      c.run(new Binary(Binary.Op.LESS), index, t[1].reshape(lengths), inside);
      c.run(new Fill(spec.scale()), scale);
      c.run(new Fill(0), zero);
      c.run(new Binary(Binary.Op.MUL), t[0], scale, exp);
      c.run(new Unary(Unary.Op.EXP), exp, exp);
      c.run(new Select(), inside, exp, zero, exp);
      c.run(new Reduce(Reduce.Op.SUM), exp, sum);
      c.run(new Fill(Float.MIN_NORMAL), zero);
      c.run(new Binary(Binary.Op.MAX), sum, zero, sum);
      c.run(new Binary(Binary.Op.DIV), exp, sum, t[2]);
    };
  }

  private static KernelBug negativeRowClamped() {
    return (c, t) -> {
      Tensor zero = c.temporary(DType.I32, 1);
      Tensor clamped = c.temporary(DType.I32, t[1].shape().dims());
      c.run(new Fill(0), zero);
      c.run(new Binary(Binary.Op.MAX), t[1], zero, clamped);
      c.run(new Gather(), t[0], clamped, t[2]);
    };
  }

  private static KernelBug scatterLosesDuplicates() {
    return (c, t) -> {
      Tensor added = c.temporary(t[2].dtype(), t[2].shape().dims());
      c.run(new Fill(0), added);
      c.run(new ScatterUpdate(), t[0], t[1], added);
      c.run(new Binary(Binary.Op.ADD), t[2], added, t[2]);
    };
  }

  private static KernelBug truncatingCast() {
    return (c, t) -> {
      Tensor cut = c.temporary(DType.F32, t[0].shape().dims());
      c.onHost(
          cut,
          v -> {
            float[] out = v[0].clone();
            for (int i = 0; i < out.length; i++) {
              out[i] =
                  Float.isNaN(out[i])
                      ? out[i]
                      : Float.intBitsToFloat(Float.floatToRawIntBits(out[i]) & 0xffff0000);
            }
            return out;
          },
          c.dense(t[0]));
      c.run(new Cast(), cut, t[1]);
    };
  }
}
