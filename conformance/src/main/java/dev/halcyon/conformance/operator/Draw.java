package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;

/** Random contents of a case; the seed is that of its id, so they are the same everywhere. */
public final class Draw {
  private final SplittableRandom random;

  public Draw(long seed) {
    this.random = new SplittableRandom(seed);
  }

  public SplittableRandom random() {
    return random;
  }

  /** Uniform in (-amplitude, amplitude), rounded to {@code dtype}. */
  public HostTensor uniform(DType dtype, double amplitude, long... dims) {
    return fill(dtype, () -> (2 * random.nextDouble() - 1) * amplitude, dims);
  }

  /** Normally distributed with this deviation, rounded to {@code dtype}. */
  public HostTensor normal(DType dtype, double deviation, long... dims) {
    return fill(dtype, () -> random.nextGaussian() * deviation, dims);
  }

  /** Whole numbers of [low, high]. */
  public HostTensor integers(DType dtype, int low, int high, long... dims) {
    return fill(dtype, () -> random.nextInt(low, high + 1), dims);
  }

  /** Magnitudes spread evenly over the binary exponents [low, high], either sign. */
  public HostTensor wide(DType dtype, int low, int high, long... dims) {
    return fill(
        dtype,
        () ->
            Math.scalb(1 + random.nextDouble(), random.nextInt(low, high + 1))
                * (random.nextBoolean() ? 1 : -1),
        dims);
  }

  /** Numbers from a supplier, rounded to {@code dtype}. */
  public HostTensor fill(DType dtype, DoubleSupplier next, long... dims) {
    Shape shape = Shape.of(dims);
    double[] values = new double[Math.toIntExact(shape.elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = next.getAsDouble();
    }
    return HostTensor.of(dtype, shape, values);
  }

  /** The given numbers again and again, rounded to {@code dtype}. */
  public HostTensor cycle(DType dtype, double[] numbers, long... dims) {
    int[] at = {0};
    return fill(dtype, () -> numbers[at[0]++ % numbers.length], dims);
  }

  /** The extreme and special numbers of a dtype in random order. */
  public HostTensor special(DType dtype, long... dims) {
    double[] all = StorageFormat.of(dtype).specials();
    return fill(dtype, () -> all[random.nextInt(all.length)], dims);
  }

  /**
   * Quantised content: stored numbers over the whole range of {@code dtype}, scales between 1/64
   * and 4.
   */
  public HostTensor quantized(DType dtype, QuantScheme.Blocked scheme, long... dims) {
    HostTensor data =
        switch (dtype) {
          case I8 -> integers(dtype, -127, 127, dims);
          case I4 -> integers(dtype, -8, 7, dims);
          default -> wide(dtype, -6, 7, dims);
        };
    long[] scaleDims = scheme.scaleShape(Shape.of(dims)).dims();
    HostTensor scales =
        scheme.scaleFormat() == QuantScheme.ScaleFormat.UE8M0
            ? integers(DType.U8, 127 - 6, 127 + 1, scaleDims)
            : fill(
                scheme.scaleFormat().dtype(),
                () -> Math.scalb(1 + random.nextDouble(), random.nextInt(-6, 2)),
                scaleDims);
    return HostTensor.quantized(data, scales, scheme);
  }

  /** Indices of [low, high]. */
  public HostTensor indices(int low, int high, long... dims) {
    return integers(DType.I32, low, high, dims);
  }

  /** The numbers 0 to n - 1 in random order. */
  public int[] permutation(int n) {
    int[] p = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      p[i] = p[j];
      p[j] = i;
    }
    return p;
  }
}
