package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;

/** Plans of elementwise operators: kernels/elementwise.cl. */
final class ElementwisePlans extends PlanFamily {
  private static final int UNARY = 0;
  private static final int BINARY = 1;
  private static final int SELECT = 2;
  private static final int COPY = 3;
  private static final int FILL = 4;
  private static final int IOTA = 5;
  private static final int CAST = 6;

  ElementwisePlans(OpenClDevice device) {
    super(device);
  }

  OperatorPlan fill(Fill spec, List<TensorType> t) {
    DType dtype = t.get(0).dtype();
    String defines = "-DKIND=" + FILL + " -DARITY=0 -DES=" + bytes(dtype);
    return map(
        "fill",
        defines,
        IndexSpace.merged(t.get(0).shape(), t.get(0)),
        OpenClTypes.bits(spec.value(), dtype),
        0);
  }

  OperatorPlan iota(List<TensorType> t) {
    String defines = "-DKIND=" + IOTA + " -DARITY=0 -DTO=" + OpenClTypes.code(t.get(0).dtype());
    return map("iota", defines, IndexSpace.of(t.get(0).shape(), t.get(0)), 0, 0);
  }

  OperatorPlan unary(Unary spec, List<TensorType> t) {
    String defines = "-DKIND=" + UNARY + " -DARITY=1 -DTO=0 -DOP=" + OpenClTypes.code(spec.op());
    return map("unary " + spec.op(), defines, space(t), 0, 0, 1);
  }

  OperatorPlan binary(int op, String name, List<TensorType> t) {
    String defines =
        "-DKIND="
            + BINARY
            + " -DARITY=2 -DTO="
            + OpenClTypes.code(t.get(2).dtype())
            + " -DOP="
            + op;
    return map("binary " + name, defines, space(t), 0, 0, 1, 2);
  }

  OperatorPlan select(List<TensorType> t) {
    String defines =
        "-DKIND="
            + SELECT
            + " -DARITY=3 -DTA="
            + OpenClTypes.code(t.get(0).dtype())
            + " -DTO="
            + OpenClTypes.code(t.get(3).dtype());
    return map("select", defines, space(t), 0, 0, 1, 2, 3);
  }

  OperatorPlan cast(List<TensorType> t) {
    if (t.get(0).dtype() == t.get(1).dtype()) {
      return copy(t);
    }
    String defines =
        "-DKIND="
            + CAST
            + " -DARITY=1 -DTA="
            + OpenClTypes.code(t.get(0).dtype())
            + " -DTO="
            + OpenClTypes.code(t.get(1).dtype());
    return map("cast", defines, space(t), 0, 0, 1);
  }

  OperatorPlan copy(List<TensorType> t) {
    TensorType in = t.get(0);
    if (in.elementCount() == 0) {
      return nothing("copy");
    }
    if (in.dtype() == DType.I4) {
      long bytes = in.byteSize();
      long chunk = profile.run(bytes);
      return plan(
          "copy_nibbles",
          kernel(OpenClPrograms.Key.of("nibbles", ""), "copy_nibbles")
              .operand(0)
              .operand(1)
              .longs(in.elementCount(), chunk)
              .items(Math.ceilDiv(bytes, chunk), 1));
    }
    String defines = "-DKIND=" + COPY + " -DARITY=1 -DES=" + bytes(in.dtype());
    return map("copy", defines, space(t), 0, 0, 1);
  }

  private static IndexSpace space(List<TensorType> t) {
    return IndexSpace.merged(t.getLast().shape(), t.toArray(TensorType[]::new));
  }

  /** The map over {@code space}; the last of {@code operands} is out. */
  private OperatorPlan map(
      String name, String defines, IndexSpace space, long value, int... operands) {
    long total = space.total();
    if (total == 0) {
      return nothing(name);
    }
    KernelCall.Builder k = kernel(OpenClPrograms.Key.of("elementwise", defines), "map");
    for (int i = 0; i < operands.length; i++) {
      k.operand(operands[i]).vector(space.strides(i));
    }
    long chunk = profile.run(total);
    k.vector(space.dims())
        .ints(space.rank())
        .longs(total, chunk, value)
        .items(Math.ceilDiv(total, chunk), 1);
    List<KernelCall.Builder> calls = new ArrayList<>();
    calls.add(k);
    return plan(name, 0, calls);
  }
}
