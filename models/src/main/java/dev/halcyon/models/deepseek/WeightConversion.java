package dev.halcyon.models.deepseek;

import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;

/**
 * Brings linear weights from the format they are stored in to the one wanted, on the device.
 *
 * @param format wanted
 * @param scratch takes the stored weight and what lies between
 * @param ops of the device
 */
record WeightConversion(WeightFormat format, MemoryArena scratch, Operators ops) {
  /** Whether a stored weight is in the wanted format already. */
  boolean isWanted(DType dtype, QuantScheme scheme) {
    return format == WeightFormat.NATIVE
        || dtype == format.dtype() && scheme.equals(format.scheme());
  }

  /** The wanted type of a weight of this shape; not for NATIVE. */
  TensorType wantedType(Shape shape) {
    return TensorType.of(format.dtype(), shape).withQuant(format.scheme());
  }

  /** Writes {@code source}, dense or quantised, to {@code target} of the wanted type. */
  void convert(Tensor source, Tensor target) {
    Tensor plain = source;
    if (source.type().isQuantized()) {
      plain = scratch.allocate(TensorType.of(DType.F32, source.shape()));
      ops.run(new Dequantize(), source, plain);
    }
    if (!target.type().isQuantized()) {
      ops.run(new Cast(), plain, target);
      return;
    }
    if (plain.dtype() != DType.F32) {
      Tensor wide = scratch.allocate(TensorType.of(DType.F32, source.shape()));
      ops.run(new Cast(), plain, wide);
      plain = wide;
    }
    ops.run(new Quantize(), plain, target);
  }
}
