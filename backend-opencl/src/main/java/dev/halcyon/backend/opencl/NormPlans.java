package dev.halcyon.backend.opencl;

import dev.halcyon.hal.op.AddRmsNorm;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Plans of norms, rotation and cache appending: kernels/norm.cl. */
final class NormPlans extends PlanFamily {
  NormPlans(OpenClDevice device) {
    super(device);
  }

  OperatorPlan rmsNorm(RmsNorm spec, List<TensorType> t) {
    if (t.get(2).elementCount() == 0) {
      return nothing("rms_norm");
    }
    return plan(
        "rms_norm", norm(kernel(program(t.get(1), 0), "rms_norm"), spec.epsilon(), t, 0, 1, 2));
  }

  OperatorPlan addRmsNorm(AddRmsNorm spec, List<TensorType> t) {
    if (t.get(3).elementCount() == 0) {
      return nothing("add_rms_norm");
    }
    KernelCall.Builder k =
        kernel(program(t.get(1), 1), "rms_norm").operand(0).longs(stride(t.get(0), 0));
    return plan("add_rms_norm", norm(k, spec.epsilon(), t, 2, 1, 3));
  }

  private static OpenClPrograms.Key program(TensorType weight, int add) {
    return OpenClPrograms.Key.of(
        "norm", "-DNORM -DADD=" + add + " -DWD=" + OpenClTypes.code(weight.dtype()));
  }

  private KernelCall.Builder norm(
      KernelCall.Builder k, double epsilon, List<TensorType> t, int x, int weight, int out) {
    long rows = t.get(x).dim(0);
    long n = t.get(x).dim(1);
    long chunk = profile.lanes() > 1 ? 1 : OpenClProfile.chunk(rows, profile.groups(), 1);
    return k.operand(x)
        .operand(weight)
        .operand(out)
        .ints(rows, n)
        .longs(stride(t.get(x), 0), stride(t.get(weight), 0), stride(t.get(out), 0))
        .ints(chunk)
        .real(epsilon)
        .groups(Math.ceilDiv(rows, chunk), 1, 1);
  }

  OperatorPlan rotary(RotaryEmbedding spec, List<TensorType> t) {
    TensorType x = t.get(0);
    TensorType cos = t.get(2);
    TensorType sin = t.get(3);
    TensorType out = t.get(4);
    if (out.elementCount() == 0) {
      return nothing("rotary");
    }
    long heads = x.dim(0) * x.dim(1);
    long chunk =
        profile.lanes() > 1
            ? 1
            : Math.max(OpenClProfile.chunk(heads, profile.groups(), 1), 512 / x.dim(2));
    chunk = Math.max(1, chunk);
    return plan(
        "rotary",
        kernel(OpenClPrograms.Key.of("norm", "-DROPE -DSPLIT=" + spec.layout().ordinal()), "rotary")
            .operand(0)
            .operand(1)
            .operand(2)
            .operand(3)
            .operand(4)
            .ints(x.dim(0), x.dim(1), x.dim(2), spec.rotaryOffset(), spec.rotaryDim() / 2)
            .longs(stride(x, 0), stride(x, 1), stride(x, 2), stride(t.get(1), 0))
            .longs(stride(cos, 0), stride(cos, 1), stride(sin, 0), stride(sin, 1))
            .longs(stride(out, 0), stride(out, 1), stride(out, 2))
            .ints(chunk)
            .longs(cos.dim(0))
            .items(Math.ceilDiv(heads, chunk), 1));
  }

  OperatorPlan kvCacheAppend(KvCacheAppend spec, List<TensorType> t) {
    TensorType raw = t.get(0);
    TensorType weight = t.get(1);
    TensorType cos = t.get(2);
    TensorType sin = t.get(3);
    TensorType cache = t.get(6);
    if (raw.elementCount() == 0 || cache.elementCount() == 0) {
      return nothing("kv_append");
    }
    String defines =
        "-DKV -DSPLIT="
            + spec.layout().ordinal()
            + " -DWD="
            + OpenClTypes.code(weight.dtype())
            + " -DCD="
            + OpenClTypes.code(cache.dtype());
    return plan(
        "kv_append",
        kernel(OpenClPrograms.Key.of("norm", defines), "kv_append")
            .operand(0)
            .operand(1)
            .operand(2)
            .operand(3)
            .operand(4)
            .operand(5)
            .operand(6)
            .ints(raw.dim(0), weight.dim(0), cos.dim(1))
            .longs(stride(raw, 0), stride(weight, 0), stride(cos, 0), stride(cos, 1))
            .longs(stride(sin, 0), stride(sin, 1), stride(t.get(4), 0), stride(t.get(5), 0))
            .longs(cache.strides().stride(0), cache.dim(0), cos.dim(0))
            .real(spec.epsilon())
            .groups(raw.dim(0), 1, 1));
  }
}
