package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.Optional;

/**
 * The content of an operand: one number per element, row-major, each exactly representable in the
 * dtype. Numbers of I64 beyond 2^53 cannot be expressed. The arrays are not copied: treat them as
 * immutable.
 *
 * @param type dense; its quantisation scheme tells what the scales mean
 * @param stored the stored numbers, without scales
 * @param scales dense and unquantised, of the shape the scheme gives; present if quantised
 */
public record HostTensor(TensorType type, double[] stored, Optional<HostTensor> scales) {
  public HostTensor {
    if (stored.length != type.elementCount() || type.isQuantized() != scales.isPresent()) {
      throw new IllegalArgumentException(stored.length + " numbers for " + type);
    }
  }

  /** Rounds {@code values} to {@code dtype}. */
  public static HostTensor of(DType dtype, Shape shape, double[] values) {
    StorageFormat format = StorageFormat.of(dtype);
    double[] stored = new double[values.length];
    for (int i = 0; i < stored.length; i++) {
      stored[i] = format.round(values[i]);
    }
    return new HostTensor(TensorType.of(dtype, shape), stored, Optional.empty());
  }

  /** Stored numbers with their scales. */
  public static HostTensor quantized(
      HostTensor data, HostTensor scales, QuantScheme.Blocked scheme) {
    return new HostTensor(data.type.withQuant(scheme), data.stored, Optional.of(scales));
  }

  public Shape shape() {
    return type.shape();
  }

  public DType dtype() {
    return type.dtype();
  }

  public int size() {
    return stored.length;
  }

  /** What every element means: stored times scale. */
  public double[] values() {
    if (scales.isEmpty()) {
      return stored;
    }
    double[] values = new double[stored.length];
    int columns = (int) type.dim(-1);
    int width = (int) ((QuantScheme.Blocked) type.quant()).effectiveBlockColumns(columns);
    for (int row = 0; row < values.length; row += columns) {
      for (int c = 0; c < columns; c += width) {
        double scale = scale(row + c);
        for (int i = row + c; i < row + Math.min(columns, c + width); i++) {
          values[i] = stored[i] * scale;
        }
      }
    }
    return values;
  }

  /** The stored numbers repeated to {@code target} as operands broadcast. */
  public double[] broadcast(Shape target) {
    if (shape().equals(target)) {
      return stored;
    }
    long[] dims = target.dims();
    long[] strides = new long[dims.length];
    long stride = 1;
    for (int a = 1; a <= shape().rank(); a++) {
      strides[dims.length - a] = shape().dim(-a) == 1 ? 0 : stride;
      stride *= shape().dim(-a);
    }
    double[] all = new double[Math.toIntExact(target.elementCount())];
    for (int i = 0; i < all.length; i++) {
      long rest = i;
      long at = 0;
      for (int a = dims.length - 1; a >= 0; a--) {
        at += rest % dims[a] * strides[a];
        rest /= dims[a];
      }
      all[i] = stored[(int) at];
    }
    return all;
  }

  /** Sub-tensor {@code index} of axis 0, without that axis, with its scales. */
  public HostTensor part(int index) {
    long[] dims = Arrays.copyOfRange(shape().dims(), 1, shape().rank());
    int n = Math.toIntExact(size() / shape().dim(0));
    return new HostTensor(
        TensorType.of(dtype(), Shape.of(dims)).withQuant(type.quant()),
        Arrays.copyOfRange(stored, index * n, (index + 1) * n),
        scales.map(s -> s.part(index)));
  }

  /** The scale of element {@code index} (row-major). */
  public double scale(int index) {
    if (!(type.quant() instanceof QuantScheme.Blocked b)) {
      return 1;
    }
    HostTensor s = scales.orElseThrow();
    long columns = type.dim(-1);
    long rows = type.rank() < 2 ? 1 : type.dim(-2);
    long c = index % columns;
    long r = index / columns % rows;
    long matrix = index / columns / rows;
    long scaleColumns = b.scaleColumns(columns);
    long at =
        (matrix * b.scaleRows(rows) + r / b.blockRows()) * scaleColumns
            + c / b.effectiveBlockColumns(columns);
    double stored = s.stored[(int) at];
    return b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0
        ? Math.scalb(1.0, (int) stored - 127)
        : stored;
  }
}
