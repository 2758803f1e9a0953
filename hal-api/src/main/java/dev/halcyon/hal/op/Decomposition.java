package dev.halcyon.hal.op;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;

/**
 * Collects the steps of a composite's decomposition for given operand types; made by the planner.
 */
public interface Decomposition {
  /** Operand {@code index} of the composite. */
  Ref operand(int index);

  /** A dense temporary; its content is undefined until a step writes it. */
  Ref temporary(DType dtype, long... dims);

  /** A dense quantised temporary with scales of {@code scheme}. */
  Ref quantizedTemporary(DType dtype, QuantScheme.Blocked scheme, long... dims);

  /**
   * Adds a step; the spec's own check runs at once, so a wrong decomposition fails at plan time.
   */
  void emit(OperatorSpec spec, Ref... operands);

  /** A dense f32 temporary. */
  default Ref f32(long... dims) {
    return temporary(DType.F32, dims);
  }

  /** A dense i32 temporary. */
  default Ref i32(long... dims) {
    return temporary(DType.I32, dims);
  }

  /** {@code ref} itself if it is plain f32, else a dense f32 temporary holding its values. */
  default Ref asF32(Ref ref) {
    if (ref.type().dtype() == DType.F32 && !ref.type().isQuantized()) {
      return ref;
    }
    Ref t = temporary(DType.F32, ref.type().shape().dims());
    if (ref.type().isQuantized()) {
      emit(new Dequantize(), ref, t);
    } else {
      emit(new Cast(), ref, t);
    }
    return t;
  }

  /** A one-element f32 temporary holding {@code value}, to broadcast. */
  default Ref scalar(double value) {
    Ref t = f32(1);
    emit(new Fill(value), t);
    return t;
  }

  /** A one-element i32 temporary holding {@code value}, to broadcast. */
  default Ref intScalar(long value) {
    Ref t = i32(1);
    emit(new Fill(value), t);
    return t;
  }

  /** A view of an operand or temporary; every operation is free. */
  interface Ref {
    TensorType type();

    Ref slice(int axis, long start, long length);

    Ref transpose(int axis1, int axis2);

    Ref reshape(long... dims);

    Ref broadcastTo(Shape shape);

    /**
     * Sub-tensor {@code index} of axis 0, with its scales; also for stacked tensors whose parts lie
     * apart.
     */
    Ref part(long index);

    default long dim(int axis) {
      return type().dim(axis);
    }
  }
}
