package dev.halcyon.backend.cpu.kernels;

/**
 * Products with stored weights: one row of x streams them ({@link VectorGemv}), more rows decode
 * panels of four rows to f32 and multiply those ({@link VectorTiles}).
 */
final class VectorLinear {
  private VectorLinear() {}

  /** Columns of x at a time in a streaming product, and the most scale groups in them. */
  private static final long STREAM = 16 << 10;

  /** Columns of a decoded panel. */
  private static final long PANEL = 1024;

  /** Rows of x that use a panel before the next one is decoded. */
  private static final long ROWS = 128;

  /** Offsets in the thread's scratch: even and odd x, scales, sums, panel. */
  private static final long ODD = 2 * STREAM;

  private static final long SCALES = 4 * STREAM;
  private static final long SCALE_ROW = 4 * (STREAM / 8) + 64;
  private static final long SUMS = SCALES + 4 * SCALE_ROW;
  private static final long PANELS = SUMS + 16 * 64;

  static void run(
      WeightMatrix w,
      long n0,
      long n1,
      long x,
      long ldx,
      long rows,
      long m,
      long k,
      long y,
      long ldy) {
    boolean grouped = w.grouped(k);
    boolean streams =
        m == 1 && (!grouped || (w.type() >= Kernels.F8 && w.blockK() % VectorGemv.STEP == 0));
    if (!streams) {
      panels(w, n0, n1, x, ldx, rows, m, k, y, ldy);
      return;
    }
    long row = x + 4 * ldx * (rows == 0 ? 0 : Raw.i32(rows));
    for (long k0 = 0; k0 < k; ) {
      long k1 = Math.min(k, k0 + STREAM);
      if (grouped) { // whole groups, or one group
        long groups = STREAM / w.blockK();
        k1 =
            groups > 0
                ? k0 + groups * w.blockK()
                : Math.min(k1, (k0 / w.blockK() + 1) * w.blockK());
        k1 = Math.min(k, k1);
      }
      stream(w, n0, n1, row, k0, (int) (k1 - k0), grouped, y);
      k0 = k1;
    }
  }

  /** {@code y[n-n0] += x[k0..k0+count) . W[n, k0..k0+count)}. */
  private static void stream(
      WeightMatrix w, long n0, long n1, long x, long k0, int count, boolean grouped, long y) {
    long scratch = ThreadScratch.address();
    long sums = scratch + SUMS;
    long scales = scratch + SCALES;
    long xk = x + 4 * k0;
    int n = count / VectorGemv.STEP * VectorGemv.STEP;
    int type = w.type();
    if (type == Kernels.BF16 || type == Kernels.F16 || type == Kernels.I4) {
      split(xk, n, scratch, scratch + ODD);
    }
    int shift = grouped ? shift(w) : 31;
    if (type >= Kernels.F8 && !grouped) { // one scale, applied to the sum
      for (long r = 0; r < 4; r++) {
        Raw.f32(scales + r * SCALE_ROW, 1);
      }
    }
    long offset = Storage.bytes(type, k0);
    for (long i = n0; i < n1; i += 4) {
      long last = Math.min(3, n1 - 1 - i);
      if (grouped) {
        for (long r = 0; r <= last; r++) {
          scales(w, i + r, k0, count, shift, scales + r * SCALE_ROW);
        }
      }
      products(w, i, last, offset, xk, n, shift, scratch);
      for (long r = 0; r <= last; r++) {
        long row = w.row(i + r) + offset;
        float sum = Lanes.sum(sums + Lanes.BYTES * r);
        if (special(type, row, n)) {
          sum = exact(w, row, n, xk, shift, scales + r * SCALE_ROW, scratch + PANELS);
        }
        if (n < count) {
          float tail = tail(type, row, xk, n, count);
          sum += grouped ? tail * Raw.f32(scales + r * SCALE_ROW + 4L * (n >>> shift)) : tail;
        }
        if (w.scales() != 0 && !grouped) {
          sum *= w.scale(i + r, 0);
        }
        long at = y + 4 * (i - n0 + r);
        Raw.f32(at, Raw.f32(at) + sum);
      }
    }
  }

  /** Rows i to i+last, absent ones repeated, to four sums in the scratch. */
  private static void products(
      WeightMatrix w, long i, long last, long offset, long x, int n, int shift, long scratch) {
    long even = scratch;
    long odd = scratch + ODD;
    long sums = scratch + SUMS;
    long r0 = w.row(i) + offset;
    long r1 = w.row(i + Math.min(1, last)) + offset;
    long r2 = w.row(i + Math.min(2, last)) + offset;
    long r3 = w.row(i + last) + offset;
    long s0 = scratch + SCALES;
    long s1 = s0 + SCALE_ROW * Math.min(1, last);
    long s2 = s0 + SCALE_ROW * Math.min(2, last);
    long s3 = s0 + SCALE_ROW * last;
    switch (w.type()) {
      case Kernels.F32 -> VectorGemv.f32(r0, r1, r2, r3, x, n, sums);
      case Kernels.BF16 -> VectorGemv.bf16(r0, r1, r2, r3, even, odd, n, sums);
      case Kernels.F16 -> {
        VectorGemv.f16(r0, r1, even, odd, n, sums);
        VectorGemv.f16(r2, r3, even, odd, n, sums + 2 * Lanes.BYTES);
      }
      case Kernels.F8 -> {
        VectorGemv.f8(r0, r1, x, n, shift, s0, s1, sums);
        VectorGemv.f8(r2, r3, x, n, shift, s2, s3, sums + 2 * Lanes.BYTES);
      }
      case Kernels.I8 -> {
        VectorGemv.i8(r0, r1, x, n, shift, s0, s1, sums);
        VectorGemv.i8(r2, r3, x, n, shift, s2, s3, sums + 2 * Lanes.BYTES);
      }
      default -> {
        VectorGemv.i4(r0, r1, even, odd, n, shift, s0, s1, sums);
        VectorGemv.i4(r2, r3, even, odd, n, shift, s2, s3, sums + 2 * Lanes.BYTES);
      }
    }
  }

  /** Whether a row holds what its streaming product does not decode: it is in the cache by now. */
  private static boolean special(int type, long row, int n) {
    return (type == Kernels.F16 && !VectorGemv.finiteF16(row, n))
        || (type == Kernels.F8 && !VectorGemv.finiteF8(row, n));
  }

  /** The product of a row with infinity or NaN. */
  private static float exact(
      WeightMatrix w, long row, int n, long x, int shift, long scales, long panel) {
    float sum = 0;
    for (int k = 0; k < n; k += VectorGemv.STEP) {
      float scale = w.type() == Kernels.F8 ? Raw.f32(scales + 4L * (k >>> shift)) : 1;
      VectorDecode.span(w.type(), row, k, VectorGemv.STEP, scale, panel);
      sum += ScalarMath.dot(x + 4L * k, panel, VectorGemv.STEP);
    }
    return sum;
  }

  /** The columns that fill no step. */
  private static float tail(int type, long row, long x, int from, int to) {
    float sum = 0;
    for (int k = from; k < to; k++) {
      sum += Raw.f32(x + 4L * k) * Storage.load(type, row, k);
    }
    return sum;
  }

  /** Even and odd elements apart. */
  private static void split(long x, int n, long even, long odd) {
    for (int i = 0; i < n; i += 2) {
      Raw.f32(even + 2L * i, Raw.f32(x + 4L * i));
      Raw.f32(odd + 2L * i, Raw.f32(x + 4L * i + 4));
    }
  }

  /** Columns to scales: by group where its size allows, else by step with repeated scales. */
  private static int shift(WeightMatrix w) {
    int k = (int) Math.min(w.blockK(), 1 << 30);
    boolean power = Long.bitCount(w.blockK()) == 1 && k <= STREAM;
    return Integer.numberOfTrailingZeros(power ? k : VectorGemv.STEP);
  }

  /** The scales of columns k0 to k0+count of a row; groups are whole steps. */
  private static void scales(WeightMatrix w, long n, long k0, int count, int shift, long out) {
    long first = k0 / w.blockK();
    int groups = (int) ((k0 + count - 1) / w.blockK() - first) + 1;
    long at = (w.rowOffset() + n) / w.blockN() * w.ldScale() + first;
    int times = (int) (Math.min(w.blockK(), STREAM) >>> shift);
    if (times == 1 && w.scaleType() != Kernels.SCALE_UE8M0) {
      int type =
          switch (w.scaleType()) {
            case Kernels.SCALE_F32 -> Kernels.F32;
            case Kernels.SCALE_F16 -> Kernels.F16;
            default -> Kernels.BF16;
          };
      VectorDecode.span(type, w.scales(), at, groups, 1, out);
      return;
    }
    for (int g = 0; g < groups; g++) {
      float scale = Storage.scale(w.scaleType(), w.scales(), at + g);
      for (int i = 0; i < times; i++) {
        Raw.f32(out + 4L * (g * times + i), scale);
      }
    }
  }

  private static void panels(
      WeightMatrix w,
      long n0,
      long n1,
      long x,
      long ldx,
      long rows,
      long m,
      long k,
      long y,
      long ldy) {
    long scratch = ThreadScratch.address();
    long panel = scratch + PANELS;
    for (long m0 = 0; m0 < m; m0 += ROWS) {
      long m1 = Math.min(m, m0 + ROWS);
      for (long k0 = 0; k0 < k; k0 += PANEL) {
        int count = (int) Math.min(PANEL, k - k0);
        for (long n = n0; n < n1; n += 4) {
          int columns = (int) Math.min(4, n1 - n);
          for (int j = 0; j < columns; j++) {
            VectorDecode.row(w, n + j, k0, k0 + count, panel + 4 * PANEL * j);
          }
          multiply(
              x + 4 * k0,
              ldx,
              rows,
              m0,
              m1,
              panel,
              count,
              y + 4 * (n - n0),
              ldy,
              columns,
              scratch + SUMS);
        }
      }
    }
  }

  private static long address(long x, long ldx, long rows, long i) {
    return x + 4 * ldx * (rows == 0 ? i : Raw.i32(rows + 4 * i));
  }

  private static void multiply(
      long x,
      long ldx,
      long rows,
      long m0,
      long m1,
      long panel,
      int count,
      long y,
      long ldy,
      int columns,
      long sums) {
    for (long i = m0; i < m1; i += 4) {
      int present = (int) Math.min(4, m1 - i);
      VectorTiles.tile(
          address(x, ldx, rows, i),
          present > 1 ? address(x, ldx, rows, i + 1) : 0,
          present > 2 ? address(x, ldx, rows, i + 2) : 0,
          present > 3 ? address(x, ldx, rows, i + 3) : 0,
          present,
          panel,
          PANEL,
          columns,
          count,
          y + 4 * i * ldy,
          ldy,
          sums);
    }
  }
}
