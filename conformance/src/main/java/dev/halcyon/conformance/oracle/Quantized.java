package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;

/**
 * What {@code Quantize} makes of exact numbers: docs/spec/quantization.md. A device's divisions may
 * err; an element whose quotient then reaches a midpoint may be stored as either neighbour, which
 * its bound says.
 */
public final class Quantized {
  private static final double DIVISION_ULPS = AccuracyTable.standard().ulps("Binary.DIV");
  private static final double LEAST_AMAX = StorageFormat.F32.round(1e-4);

  private final DType dtype;
  private final QuantScheme.Blocked scheme;
  private final StorageFormat format;
  private final HostTensor x;
  private final double[] stored;
  private final double[] storedBound;
  private final double[] scales;
  private final double[] scaleBound;

  /** The scale of each element and its bound, in f32. */
  private final double[] scaleOf;

  private final double[] scaleBoundOf;

  private Quantized(HostTensor x, DType dtype, QuantScheme.Blocked scheme) {
    this.x = x;
    this.dtype = dtype;
    this.scheme = scheme;
    this.format = StorageFormat.of(dtype);
    this.stored = new double[x.size()];
    this.storedBound = new double[x.size()];
    this.scaleOf = new double[x.size()];
    this.scaleBoundOf = new double[x.size()];
    int n = (int) scheme.scaleShape(x.shape()).elementCount();
    this.scales = new double[n];
    this.scaleBound = new double[n];
  }

  /** Quantises {@code x}, f32. */
  public static Quantized of(HostTensor x, DType dtype, QuantScheme.Blocked scheme) {
    Quantized q = new Quantized(x, dtype, scheme);
    int columns = (int) x.type().dim(-1);
    int rows = x.type().rank() < 2 ? 1 : (int) x.type().dim(-2);
    int matrices = columns * rows == 0 ? 0 : x.size() / (columns * rows);
    int width = (int) scheme.effectiveBlockColumns(columns);
    int at = 0;
    for (int m = 0; m < matrices; m++) {
      for (int r = 0; r < rows; r += scheme.blockRows()) {
        for (int c = 0; c < columns; c += width) {
          int lastRow = Math.min(rows, r + scheme.blockRows());
          q.block(at++, m * rows + r, m * rows + lastRow, c, Math.min(columns, c + width), columns);
        }
      }
    }
    return q;
  }

  private void block(int at, int r0, int r1, int c0, int c1, int columns) {
    double extreme = 0;
    for (int r = r0; r < r1; r++) {
      for (int c = c0; c < c1; c++) {
        double v = x.stored()[r * columns + c];
        extreme = Math.abs(v) > Math.abs(extreme) ? v : extreme;
      }
    }
    double raw =
        switch (dtype) {
          case I8 -> Math.abs(extreme) / 127;
          case I4 -> extreme / -8;
          default -> Math.max(Math.abs(extreme), LEAST_AMAX) / 448;
        };
    double slack = isPowerOfTwo(raw) ? 0 : DIVISION_ULPS * Real.ulp(raw);
    double s = meaning(raw);
    double low = meaning(raw - slack);
    double high = meaning(raw + slack);
    double bound = Math.max(Math.abs(low - s), Math.abs(high - s));
    if (scheme.scaleFormat() == ScaleFormat.UE8M0) {
      scales[at] = Math.getExponent(s) + 127;
      scaleBound[at] =
          Math.max(
              Math.abs(Math.getExponent(low) - Math.getExponent(s)),
              Math.abs(Math.getExponent(high) - Math.getExponent(s)));
    } else {
      scales[at] = s;
      scaleBound[at] = bound;
    }
    for (int r = r0; r < r1; r++) {
      for (int c = c0; c < c1; c++) {
        element(r * columns + c, s, low, high, bound);
      }
    }
  }

  private void element(int i, double s, double low, double high, double bound) {
    double v = x.stored()[i];
    scaleOf[i] = s;
    scaleBoundOf[i] = bound;
    if (s == 0) {
      return;
    }
    stored[i] = format.round(v / s);
    double slack = isPowerOfTwo(s) && bound == 0 ? 0 : DIVISION_ULPS * Real.ulp(v / s);
    for (double t : new double[] {low, high}) {
      for (double q : new double[] {v / t - slack, v / t + slack}) {
        storedBound[i] = Math.max(storedBound[i], Math.abs(format.round(q) - stored[i]));
      }
    }
  }

  /** A scale as it is stored and used. */
  private double meaning(double raw) {
    double f32 = StorageFormat.F32.round(raw);
    if (scheme.scaleFormat() == ScaleFormat.UE8M0) {
      double floor = Math.scalb(1.0, Math.getExponent(f32));
      return floor < f32 ? 2 * floor : floor;
    }
    return StorageFormat.of(scheme.scaleFormat().dtype()).round(f32);
  }

  private static boolean isPowerOfTwo(double v) {
    return v != 0 && Math.abs(v) == Math.scalb(1.0, Math.getExponent(v));
  }

  /** The stored numbers. */
  public Expected data() {
    return new Expected(stored, storedBound, Expected.Zeros.EQUAL);
  }

  /** The stored scales. */
  public Expected scales() {
    return new Expected(scales, scaleBound, Expected.Zeros.EQUAL);
  }

  /** What the quantised numbers mean, after one rounding to f32. */
  public Real dequantized() {
    double[] v = new double[stored.length];
    double[] b = new double[stored.length];
    for (int i = 0; i < v.length; i++) {
      v[i] = stored[i] * scaleOf[i];
      b[i] =
          (Math.abs(stored[i]) * scaleBoundOf[i]
                      + storedBound[i] * (Math.abs(scaleOf[i]) + scaleBoundOf[i]))
                  * Real.SECOND_ORDER
              + Real.rounding(v[i]);
    }
    return Real.bounded(x.shape(), v, b);
  }
}
