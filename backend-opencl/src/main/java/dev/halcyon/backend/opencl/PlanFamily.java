package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** What the makers of plans share. */
abstract class PlanFamily {
  private static final long ALIGNMENT = 256;

  final OpenClDevice device;
  final OpenClProfile profile;

  PlanFamily(OpenClDevice device) {
    this.device = device;
    this.profile = device.profile();
  }

  final KernelCall.Builder kernel(OpenClPrograms.Key program, String name) {
    return new KernelCall.Builder(device, program, name);
  }

  final OperatorPlan plan(String implementation, KernelCall.Builder... calls) {
    return plan(implementation, 0, List.of(calls));
  }

  final OperatorPlan plan(
      String implementation, long workspaceBytes, List<KernelCall.Builder> calls) {
    return new KernelPlan(
        device,
        implementation,
        workspaceBytes,
        calls.stream().map(KernelCall.Builder::build).toList());
  }

  /** The plan for tensors without elements. */
  final OperatorPlan nothing(String implementation) {
    return plan(implementation);
  }

  static long align(long bytes) {
    return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
  }

  /** Stride of an axis, 0 for an axis of one element. */
  static long stride(TensorType type, int axis) {
    return type.dim(axis) <= 1 ? 0 : type.strides().stride(axis);
  }

  static int bytes(DType dtype) {
    return dtype.bits() / 8;
  }
}
