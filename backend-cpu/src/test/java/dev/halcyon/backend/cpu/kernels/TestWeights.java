package dev.halcyon.backend.cpu.kernels;

/** A weight matrix with random contents and its values in f64, decoded independently. */
final class TestWeights {
  final int rows;
  final int columns;
  final int type;
  final long data;
  final long rowBytes;
  final long scales;
  final long ldScale;

  /** The nine slots. */
  final long[] slots;

  final double[][] values;

  /** Scales of a matrix; no scales with {@code type} -1. */
  record Scaling(int type, int blockN, int blockK) {
    static final Scaling NONE = new Scaling(-1, 1, 1);
  }

  /** {@code shift} bytes off alignment, with gaps between rows. */
  TestWeights(Bench bench, int type, int rows, int columns, Scaling scaling, int shift) {
    this.type = type;
    this.rows = rows;
    this.columns = columns;
    rowBytes = storedBytes(type, columns) + shift;
    data = bench.bytes(rows * rowBytes - shift, shift);
    double[][] stored = new double[rows][columns];
    for (int n = 0; n < rows; n++) {
      for (int k = 0; k < columns; k++) {
        stored[n][k] = put(bench, n, k);
      }
    }
    int groups = (columns + scaling.blockK() - 1) / scaling.blockK();
    int bands = (rows + scaling.blockN() - 1) / scaling.blockN();
    ldScale = groups + 1;
    double[] scale = new double[(int) (bands * ldScale)];
    scales = scaling.type() < 0 ? 0 : bench.bytes(scale.length * 4L, shift);
    for (int i = 0; scales != 0 && i < scale.length; i++) {
      scale[i] = putScale(bench, scaling.type(), i);
    }
    for (int n = 0; scales != 0 && n < rows; n++) {
      for (int k = 0; k < columns; k++) {
        stored[n][k] *= scale[(int) (n / scaling.blockN() * ldScale + k / scaling.blockK())];
      }
    }
    values = stored;
    slots =
        new long[] {
          data,
          rowBytes,
          type,
          scales,
          Math.max(0, scaling.type()),
          scaling.blockN(),
          scaling.blockK(),
          ldScale,
          0
        };
  }

  static long storedBytes(int type, long k) {
    return switch (type) {
      case Kernels.F32 -> 4 * k;
      case Kernels.F16, Kernels.BF16 -> 2 * k;
      case Kernels.I4 -> (k + 1) / 2;
      default -> k;
    };
  }

  private double put(Bench bench, int n, int k) {
    long row = data + n * rowBytes;
    int bits = bench.random.nextInt();
    switch (type) {
      case Kernels.F32 -> {
        float v = 2 * bench.random.nextFloat() - 1;
        Raw.f32(row + 4L * k, v);
        return v;
      }
      case Kernels.F16 -> { // exponents up to that of 1, subnormals included
        int h = bits & 0x83ff | (bits >>> 16) % 16 << 10;
        Raw.i16(row + 2L * k, (short) h);
        return fields(h, 5, 10);
      }
      case Kernels.BF16 -> {
        int h = bits & 0x807f | 120 + (bits >>> 16) % 8 << 7;
        Raw.i16(row + 2L * k, (short) h);
        return fields(h, 8, 7);
      }
      case Kernels.F8 -> {
        int b = (bits & 0x7f) == 0x7f ? 0 : bits & 0xff;
        Raw.i8(row + k, (byte) b);
        return fields(b, 4, 3);
      }
      case Kernels.I8 -> {
        Raw.i8(row + k, (byte) bits);
        return (byte) bits;
      }
      default -> {
        int v = (bits & 15) - 8;
        int old = (k & 1) == 0 ? 0 : Raw.i8(row + k / 2) & 15;
        Raw.i8(row + k / 2, (byte) (old | (v & 15) << 4 * (k & 1)));
        return v;
      }
    }
  }

  private double putScale(Bench bench, int scaleType, int i) {
    int bits = bench.random.nextInt();
    switch (scaleType) {
      case Kernels.SCALE_F32 -> {
        float v = 0.01f + bench.random.nextFloat();
        Raw.f32(scales + 4L * i, v);
        return v;
      }
      case Kernels.SCALE_F16 -> {
        int h = bits & 0x83ff | 8 + (bits >>> 16) % 8 << 10;
        Raw.i16(scales + 2L * i, (short) h);
        return fields(h, 5, 10);
      }
      case Kernels.SCALE_BF16 -> {
        int h = bits & 0x807f | 120 + (bits >>> 16) % 8 << 7;
        Raw.i16(scales + 2L * i, (short) h);
        return fields(h, 8, 7);
      }
      default -> {
        int e = 120 + (bits >>> 16) % 8;
        Raw.i8(scales + i, (byte) e);
        return Math.scalb(1.0, e - 127);
      }
    }
  }

  /** The finite value of a sign, exponent and mantissa packed in the low bits. */
  static double fields(int bits, int exponentBits, int mantissaBits) {
    int bias = (1 << exponentBits - 1) - 1;
    int mantissa = bits & (1 << mantissaBits) - 1;
    int exponent = bits >> mantissaBits & (1 << exponentBits) - 1;
    double fraction = mantissa / (double) (1 << mantissaBits);
    double value =
        exponent == 0 ? Math.scalb(fraction, 1 - bias) : Math.scalb(1 + fraction, exponent - bias);
    return (bits >> exponentBits + mantissaBits & 1) == 1 ? -value : value;
  }
}
