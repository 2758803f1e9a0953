package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;

/**
 * Shape and dtype checks of one spec against operand types, with errors that name operator and
 * operand.
 */
final class TypeRules {
  private final OperatorSpec spec;
  private final List<TensorType> types;

  TypeRules(OperatorSpec spec, List<TensorType> types) {
    this.spec = spec;
    this.types = types;
    int expected = spec.operands().size();
    if (types.size() != expected) {
      throw fail(
          HalErrorCode.INVALID_ARGUMENT,
          "takes " + expected + " operands " + names() + ", got " + types.size());
    }
  }

  TensorType type(int i) {
    return types.get(i);
  }

  long dim(int i, int axis) {
    return types.get(i).dim(axis);
  }

  TypeRules rank(int i, int rank) {
    if (types.get(i).rank() != rank) {
      throw fail(HalErrorCode.SHAPE_MISMATCH, at(i) + " must have rank " + rank);
    }
    return this;
  }

  TypeRules minRank(int i, int rank) {
    if (types.get(i).rank() < rank) {
      throw fail(HalErrorCode.SHAPE_MISMATCH, at(i) + " must have rank " + rank + " or more");
    }
    return this;
  }

  TypeRules shape(int i, long... dims) {
    Shape s = Shape.of(dims);
    if (!types.get(i).shape().equals(s)) {
      throw fail(HalErrorCode.SHAPE_MISMATCH, at(i) + " must have shape " + s);
    }
    return this;
  }

  TypeRules shape(int i, Shape s) {
    return shape(i, s.dims());
  }

  TypeRules broadcasts(int i, Shape target) {
    if (!types.get(i).shape().broadcastsTo(target)) {
      throw fail(HalErrorCode.SHAPE_MISMATCH, at(i) + " must broadcast to " + target);
    }
    return this;
  }

  TypeRules dtype(int i, DType... allowed) {
    if (types.get(i).isQuantized() || !Arrays.asList(allowed).contains(types.get(i).dtype())) {
      throw fail(
          HalErrorCode.DTYPE_MISMATCH,
          at(i)
              + " must be unquantised "
              + Arrays.toString(allowed).toLowerCase(java.util.Locale.ROOT));
    }
    return this;
  }

  /** An unquantised floating dtype. */
  TypeRules floating(int i) {
    if (types.get(i).isQuantized() || !types.get(i).dtype().isFloating()) {
      throw fail(HalErrorCode.DTYPE_MISMATCH, at(i) + " must be unquantised floating point");
    }
    return this;
  }

  /** A weight: floating, or quantised with a scheme. */
  TypeRules weight(int i) {
    TensorType t = types.get(i);
    if (!t.isQuantized() && !t.dtype().isFloating()) {
      throw fail(HalErrorCode.DTYPE_MISMATCH, at(i) + " must be floating point or carry scales");
    }
    if (!t.isRowContiguous()) {
      throw fail(HalErrorCode.SHAPE_MISMATCH, at(i) + " must have adjacent elements in its rows");
    }
    return this;
  }

  TypeRules sameDtype(int i, int j) {
    if (types.get(i).dtype() != types.get(j).dtype()) {
      throw fail(HalErrorCode.DTYPE_MISMATCH, at(i) + " must have the dtype of " + at(j));
    }
    return this;
  }

  TypeRules that(boolean holds, HalErrorCode code, String rule) {
    if (!holds) {
      throw fail(code, rule);
    }
    return this;
  }

  HalException fail(HalErrorCode code, String rule) {
    return HalException.of(code, spec.name() + ": " + rule)
        .on(spec + " on " + types)
        .remedy("see the operand table in the Javadoc of " + spec.getClass().getName())
        .build();
  }

  private String at(int i) {
    return "operand '" + spec.operands().get(i).name() + "' " + types.get(i);
  }

  private List<String> names() {
    return spec.operands().stream().map(Operand::name).toList();
  }
}
