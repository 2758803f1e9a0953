package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Plans of Quantize and Dequantize: kernels/quant.cl. */
final class QuantPlans extends PlanFamily {
  QuantPlans(OpenClDevice device) {
    super(device);
  }

  /** A type of rank 2 or more: a vector is a matrix of one row. */
  private static long[] padded(TensorType type, long[] values, long front) {
    return type.rank() >= 2 ? values : new long[] {front, values[0]};
  }

  private static String defines(TensorType quantized, String what) {
    return what
        + " -DWT="
        + OpenClTypes.code(quantized.dtype())
        + " -DSC="
        + OpenClTypes.scaleCode(quantized.quant());
  }

  OperatorPlan quantize(List<TensorType> t) {
    TensorType in = t.get(0);
    TensorType out = t.get(1);
    if (in.elementCount() == 0) {
      return nothing("quantize");
    }
    QuantScheme.Blocked b = (QuantScheme.Blocked) out.quant();
    long[] dims = padded(in, in.shape().dims(), 1);
    int rank = dims.length;
    long rows = dims[rank - 2];
    long columns = dims[rank - 1];
    long batches = in.elementCount() / (rows * columns);
    long blockColumns = b.effectiveBlockColumns(columns);
    long blocks = batches * b.scaleRows(rows) * b.scaleColumns(columns);
    // blocks whose nibbles share a byte are one work-item's
    boolean shared =
        out.dtype() == DType.I4
            && (blockColumns % 2 != 0 || columns % 2 != 0 || !out.isContiguous());
    long chunk =
        shared
            ? blocks
            : Math.max(
                1,
                Math.min(profile.run(in.elementCount()) / (b.blockRows() * blockColumns), blocks));
    return plan(
        "quantize",
        kernel(OpenClPrograms.Key.of("quant", defines(out, "-DQUANTIZE"), "weights"), "quantize")
            .operand(0)
            .operand(1)
            .scales(1, rank)
            .vector(dims)
            .vector(padded(in, in.strides().toArray(), 0))
            .vector(padded(out, out.strides().toArray(), 0))
            .ints(rank)
            .longs(batches, rows, columns, b.blockRows(), blockColumns, chunk)
            .items(Math.ceilDiv(blocks, chunk), 1));
  }

  OperatorPlan dequantize(List<TensorType> t) {
    TensorType in = t.get(0);
    TensorType out = t.get(1);
    if (in.elementCount() == 0) {
      return nothing("dequantize");
    }
    QuantScheme.Blocked b = (QuantScheme.Blocked) in.quant();
    long[] dims = padded(in, in.shape().dims(), 1);
    int rank = dims.length;
    long columns = dims[rank - 1];
    long rows = in.elementCount() / columns;
    long chunk = profile.lanes() > 1 ? 1 : Math.max(1, profile.run(in.elementCount()) / columns);
    return plan(
        "dequantize",
        kernel(OpenClPrograms.Key.of("quant", defines(in, "-DDEQUANTIZE"), "weights"), "dequantize")
            .operand(0)
            .scales(0, rank)
            .operand(1)
            .vector(dims)
            .vector(padded(in, in.strides().toArray(), 0))
            .vector(padded(out, out.strides().toArray(), 0))
            .ints(rank)
            .longs(
                rows,
                dims[rank - 2],
                columns,
                b.blockRows(),
                b.effectiveBlockColumns(columns),
                chunk)
            .items(Math.ceilDiv(rows, chunk), 1));
  }
}
