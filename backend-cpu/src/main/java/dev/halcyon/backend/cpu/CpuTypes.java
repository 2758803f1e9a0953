package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.OptionalLong;

/** Halcyon's types in the words of the kernels. */
final class CpuTypes {
  private CpuTypes() {}

  /** Whether kernels read weights of this dtype. */
  static boolean isWeight(DType dtype) {
    return switch (dtype) {
      case F32, F16, BF16, F8_E4M3FN, I8, I4 -> true;
      case I64, I32, U8 -> false;
    };
  }

  /** {@code enum hc_wtype}. */
  static int weightType(DType dtype) {
    return switch (dtype) {
      case F32 -> Kernels.F32;
      case F16 -> Kernels.F16;
      case BF16 -> Kernels.BF16;
      case F8_E4M3FN -> Kernels.F8;
      case I8 -> Kernels.I8;
      case I4 -> Kernels.I4;
      case I64, I32, U8 -> throw new IllegalArgumentException("no weight type for " + dtype);
    };
  }

  /** {@code enum hc_wtype} of a product's weights, with HC_DOT where activations are rounded. */
  static int productType(TensorType weight, Compute compute) {
    return weightType(weight.dtype()) | (compute.rounds(weight) ? Kernels.DOT : 0);
  }

  /** {@code enum hc_stype}. */
  static int scaleType(QuantScheme.ScaleFormat format) {
    return switch (format) {
      case F32 -> Kernels.SCALE_F32;
      case F16 -> Kernels.SCALE_F16;
      case BF16 -> Kernels.SCALE_BF16;
      case UE8M0 -> Kernels.SCALE_UE8M0;
    };
  }

  /**
   * Columns a scale serves; for whole rows any number from the row's length on, even as packed i4
   * asks for.
   */
  static long blockColumns(QuantScheme.Blocked scheme, long columns) {
    return scheme.blockColumns() == QuantScheme.Blocked.WHOLE_ROW
        ? Math.max(2, columns + (columns & 1))
        : scheme.blockColumns();
  }

  /** The address of the first element. */
  static long address(Tensor tensor) {
    return ((CpuMemory) tensor.buffer()).address() + tensor.byteOffset();
  }

  /** Bytes from one row of the last two axes to the next. */
  static long rowStrideBytes(TensorType type) {
    return type.rank() < 2
        ? type.dtype().byteSize(type.elementCount())
        : type.strides().stride(-2) * type.dtype().bits() / 8;
  }

  /** Elements from one row of scales to the next. */
  static long scaleRowStride(TensorType scales) {
    return scales.rank() < 2 ? scales.elementCount() : scales.strides().stride(-2);
  }

  /** Bytes of one element of a dtype of whole bytes. */
  static int elementBytes(DType dtype) {
    return dtype.bits() / 8;
  }

  /**
   * Elements from one row of the last axis to the next, if all leading axes step evenly and the
   * last is adjacent.
   */
  static OptionalLong evenRows(TensorType type) {
    if (!type.isRowContiguous()) {
      return OptionalLong.empty();
    }
    long step = 0;
    long rows = 1;
    for (int axis = type.rank() - 2; axis >= 0; axis--) {
      long extent = type.dim(axis);
      if (extent == 1) {
        continue;
      }
      long stride = type.strides().stride(axis);
      if (rows == 1) {
        step = stride;
      } else if (stride != step * rows) {
        return OptionalLong.empty();
      }
      rows *= extent;
    }
    return OptionalLong.of(rows == 1 ? type.dim(-1) : step);
  }
}
