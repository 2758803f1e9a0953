package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;

/** Plans of operators over the last axis: kernels/rows.cl. */
final class RowPlans extends PlanFamily {
  RowPlans(OpenClDevice device) {
    super(device);
  }

  private static long[] outer(TensorType type) {
    return Arrays.copyOf(type.strides().toArray(), type.rank() - 1);
  }

  private static long[] outerDims(TensorType type) {
    return Arrays.copyOf(type.shape().dims(), type.rank() - 1);
  }

  private long chunk(long rows, long n) {
    // short rows together, so that a group has something to do
    long least = profile.lanes() > 1 ? 1 : Math.max(1, 1024 / Math.max(1, n));
    return Math.max(least, OpenClProfile.chunk(rows, 4L * profile.groups(), 1));
  }

  OperatorPlan reduce(Reduce spec, List<TensorType> t) {
    TensorType in = t.get(0);
    String name = "reduce " + spec.op();
    if (t.get(1).elementCount() == 0) {
      return nothing(name);
    }
    IndexSpace s = IndexSpace.merged(outerDims(in), outer(in), outer(t.get(1)));
    String defines =
        "-DREDUCE -DOP=" + OpenClTypes.code(spec.op()) + " -DT=" + OpenClTypes.code(in.dtype());
    long rows = s.total();
    long chunk = chunk(rows, in.dim(-1));
    return plan(
        name,
        kernel(OpenClPrograms.Key.of("rows", defines), "reduce")
            .operand(0)
            .operand(1)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .ints(s.rank())
            .longs(rows, chunk, in.dim(-1), stride(in, -1))
            .groups(Math.ceilDiv(rows, chunk), 1, 1));
  }

  OperatorPlan argMax(List<TensorType> t) {
    TensorType in = t.get(0);
    if (in.elementCount() == 0) {
      return nothing("argmax");
    }
    IndexSpace s = IndexSpace.merged(outerDims(in), outer(in), outer(t.get(1)));
    long rows = s.total();
    long chunk = chunk(rows, in.dim(-1));
    return plan(
        "argmax",
        kernel(OpenClPrograms.Key.of("rows", "-DCHOOSE"), "argmax")
            .operand(0)
            .operand(1)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .ints(s.rank())
            .longs(rows, chunk, in.dim(-1), stride(in, -1))
            .groups(Math.ceilDiv(rows, chunk), 1, 1));
  }

  OperatorPlan topK(TopK spec, List<TensorType> t) {
    TensorType in = t.get(0);
    if (in.elementCount() == 0) {
      return nothing("topk");
    }
    IndexSpace s = IndexSpace.merged(outerDims(in), outer(in), outer(t.get(1)), outer(t.get(2)));
    long rows = s.total();
    long chunk = chunk(rows, in.dim(-1));
    return plan(
        "topk",
        kernel(OpenClPrograms.Key.of("rows", "-DCHOOSE"), "topk")
            .operand(0)
            .operand(1)
            .operand(2)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .vector(s.strides(2))
            .ints(s.rank())
            .longs(rows, chunk, in.dim(-1), stride(in, -1))
            .ints(spec.k())
            .longs(stride(t.get(1), -1), stride(t.get(2), -1))
            .groups(Math.ceilDiv(rows, chunk), 1, 1));
  }

  OperatorPlan maskedSoftmax(MaskedSoftmax spec, List<TensorType> t) {
    TensorType in = t.get(0);
    if (in.elementCount() == 0) {
      return nothing("masked_softmax");
    }
    long[] lengths = IndexSpace.aligned(Shape.of(outerDims(in)), t.get(1));
    IndexSpace s = IndexSpace.merged(outerDims(in), outer(in), lengths, outer(t.get(2)));
    long rows = s.total();
    long chunk = chunk(rows, in.dim(-1));
    return plan(
        "masked_softmax",
        kernel(OpenClPrograms.Key.of("rows", "-DSOFTMAX"), "masked_softmax")
            .operand(0)
            .operand(1)
            .operand(2)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .vector(s.strides(2))
            .ints(s.rank())
            .longs(rows, chunk, in.dim(-1))
            .real(spec.scale())
            .groups(Math.ceilDiv(rows, chunk), 1, 1));
  }
}
