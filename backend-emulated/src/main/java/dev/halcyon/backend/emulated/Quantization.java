package dev.halcyon.backend.emulated;

import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import java.util.HashMap;
import java.util.Map;

/** Kernels between f32 and quantised tensors. */
final class Quantization {
  private static final float LEAST_AMAX = 1e-4f;

  private Quantization() {}

  static Kernel dequantize() {
    return t -> {
      float[] row = new float[t[1].dim(-1)];
      Rows r = new Rows(t[1].shape(), t[1]);
      while (r.next()) {
        t[0].loadRow(r.index(), row);
        for (int i = 0; i < row.length; i++) {
          t[1].setFloat(r.at(0, i), row[i]);
        }
      }
    };
  }

  /** First the scales of all blocks, then the elements. */
  static Kernel quantize() {
    return t -> {
      Elements out = t[1];
      float[] row = new float[out.dim(-1)];
      long block = out.scheme().effectiveBlockColumns(row.length);
      Map<Long, Float> extremes = new HashMap<>();
      Rows r = new Rows(out.shape(), t[0], out);
      while (r.next()) {
        t[0].load(r.at(0, 0), t[0].stride(-1), row);
        for (int i = 0; i < row.length; i++) {
          extremes.merge(
              out.scaleAt(r.index(), i / block),
              row[i],
              (a, b) -> Math.abs(b) > Math.abs(a) ? b : a);
        }
      }
      extremes.forEach((at, m) -> storeScale(out, at, scaleOf(out.dtype(), m)));
      r = new Rows(out.shape(), t[0], out);
      while (r.next()) {
        t[0].load(r.at(0, 0), t[0].stride(-1), row);
        for (int i = 0; i < row.length; i++) {
          float s = out.scale(r.index(), i / block);
          float v = s == 0 ? 0 : row[i] / s;
          out.setBits(r.at(1, i), EmulatedTypes.bitsOf(v, out.dtype()));
        }
      }
    };
  }

  /** The scale of a block whose element of largest magnitude is {@code m}. */
  private static float scaleOf(DType dtype, float m) {
    return switch (dtype) {
      case F8_E4M3FN -> Math.max(Math.abs(m), LEAST_AMAX) / 448;
      case I8 -> Math.abs(m) / 127;
      case I4 -> m / -8;
      case F32, F16, BF16, I64, I32, U8 ->
          throw new IllegalArgumentException("no quantisation to " + dtype);
    };
  }

  private static void storeScale(Elements out, long at, float s) {
    Elements scales = out.scales();
    long bits =
        out.scheme().scaleFormat() == QuantScheme.ScaleFormat.UE8M0
            ? roundedUpExponent(s)
            : EmulatedTypes.bitsOf(s, scales.dtype());
    scales.setBits(at, bits);
  }

  /** The biased exponent of the least power of two that is not below {@code s}. */
  private static long roundedUpExponent(float s) {
    int exponent = Math.getExponent(s);
    return Math.clamp((Math.scalb(1f, exponent) < s ? exponent + 1 : exponent) + 127, 0, 254);
  }
}
