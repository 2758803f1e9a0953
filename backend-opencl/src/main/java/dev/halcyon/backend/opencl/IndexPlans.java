package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Plans of operators on indexed rows: kernels/gather.cl. */
final class IndexPlans extends PlanFamily {
  IndexPlans(OpenClDevice device) {
    super(device);
  }

  /** Gather and EmbeddingLookup: out may be f32 where the table is narrower. */
  OperatorPlan gather(List<TensorType> t) {
    TensorType table = t.get(0);
    TensorType index = t.get(1);
    TensorType out = t.get(2);
    if (out.elementCount() == 0) {
      return nothing("gather");
    }
    if (out.rank() > IndexSpace.MAX_RANK) {
      throw new IllegalStateException("rank " + out.rank());
    }
    long[] tableStrides = new long[out.rank()];
    long[] indexStrides = new long[out.rank()];
    for (int d = 0; d < index.rank(); d++) {
      indexStrides[d] = index.strides().stride(d);
    }
    for (int d = 1; d < table.rank(); d++) {
      tableStrides[index.rank() + d - 1] = table.strides().stride(d);
    }
    IndexSpace s =
        IndexSpace.merged(out.shape().dims(), tableStrides, indexStrides, out.strides().toArray());
    boolean convert = table.dtype() != out.dtype();
    String defines =
        "-DGATHER -DCONVERT="
            + (convert ? 1 : 0)
            + (convert
                ? " -DTT=" + OpenClTypes.code(table.dtype())
                : " -DES=" + bytes(table.dtype()));
    long total = s.total();
    long chunk = profile.run(total);
    return plan(
        "gather",
        kernel(OpenClPrograms.Key.of("gather", defines), "gather")
            .operand(0)
            .operand(1)
            .operand(2)
            .vector(s.dims())
            .vector(s.strides(0))
            .vector(s.strides(1))
            .vector(s.strides(2))
            .ints(s.rank())
            .longs(total, chunk, table.strides().stride(0), table.dim(0))
            .items(Math.ceilDiv(total, chunk), 1));
  }

  OperatorPlan scatterAdd(List<TensorType> t) {
    TensorType source = t.get(1);
    if (source.elementCount() == 0) {
      return nothing("scatter_add");
    }
    long columns = source.dim(1);
    long chunk = profile.lanes() > 1 ? 1 : OpenClProfile.chunk(columns, profile.groups(), 64);
    KernelCall.Builder k =
        kernel(
            OpenClPrograms.Key.of(
                "gather", "-DSCATTER -DES=4 -DT=" + OpenClTypes.code(source.dtype())),
            "scatter_add");
    return plan("scatter_add", scatter(k, t, chunk).items(Math.ceilDiv(columns, chunk), 1));
  }

  OperatorPlan scatterUpdate(List<TensorType> t) {
    TensorType source = t.get(1);
    if (source.elementCount() == 0) {
      return nothing("scatter_update");
    }
    long rows = source.dim(0);
    long chunk =
        profile.lanes() > 1
            ? 1
            : Math.max(OpenClProfile.chunk(rows, profile.groups(), 1), 2048 / source.dim(1));
    chunk = Math.max(1, chunk);
    KernelCall.Builder k =
        kernel(
            OpenClPrograms.Key.of("gather", "-DSCATTER -DT=0 -DES=" + bytes(source.dtype())),
            "scatter_update");
    long columns = profile.lanes() > 1 ? Math.min(source.dim(1), 1024) : 1;
    return plan("scatter_update", scatter(k, t, chunk).items(Math.ceilDiv(rows, chunk), columns));
  }

  private static KernelCall.Builder scatter(KernelCall.Builder k, List<TensorType> t, long chunk) {
    TensorType source = t.get(1);
    TensorType out = t.get(2);
    return k.operand(0)
        .operand(1)
        .operand(2)
        .longs(source.dim(0), source.dim(1), out.dim(0), chunk, stride(t.get(0), 0))
        .longs(stride(source, 0), stride(source, 1), out.strides().stride(0), stride(out, 1));
  }
}
