package dev.halcyon.backend.cpu.kernels;

/** LINEAR and HEAD_MATMUL. */
final class LinearKernels {
  /** Columns of a transposed product done at a time, and the f32 its panel may hold. */
  private static final long COLUMNS = 4096;

  private static final long PANEL = 64 << 10;

  private final KernelMath math;

  LinearKernels(KernelMath math) {
    this.math = math;
  }

  void linear(long slots, long begin, long end) {
    long x = Raw.slot(slots, 1);
    long ldx = Raw.slot(slots, 2);
    long m = Raw.slot(slots, 3);
    long k = Raw.slot(slots, 5);
    long y = Raw.slot(slots, 6);
    long ldy = Raw.slot(slots, 7);
    long bias = Raw.slot(slots, 8);
    long residual = Raw.slot(slots, 9);
    long ldr = Raw.slot(slots, 10);
    WeightMatrix w = WeightMatrix.of(slots, 11);
    for (long i = 0; i < m; i++) {
      for (long n = begin; n < end; n++) {
        float start = residual == 0 ? 0 : Raw.f32(residual + 4 * (i * ldr + n));
        Raw.f32(y + 4 * (i * ldy + n), bias == 0 ? start : start + Raw.f32(bias + 4 * n));
      }
    }
    math.linear(w, begin, end, x, ldx, 0, m, k, y + 4 * begin, ldy);
  }

  void headMatmul(long slots, long begin, long end) {
    long x = Raw.slot(slots, 1);
    long xToken = Raw.slot(slots, 2);
    long xHead = Raw.slot(slots, 3);
    long tokens = Raw.slot(slots, 4);
    long rows = Raw.slot(slots, 6);
    long columns = Raw.slot(slots, 7);
    long y = Raw.slot(slots, 8);
    long yToken = Raw.slot(slots, 9);
    long yHead = Raw.slot(slots, 10);
    boolean transposed = Raw.slot(slots, 11) != 0;
    long rowsPerHead = Raw.slot(slots, 12);
    long rowOffset = Raw.slot(slots, 13);
    long blocks = Raw.slot(slots, 14);
    WeightMatrix all = WeightMatrix.of(slots, 15);
    long dimension = transposed ? columns : rows;
    long part = ((dimension + blocks - 1) / blocks + 63) / 64 * 64;
    for (long i = begin; i < end; i++) {
      long head = i / blocks;
      long d0 = Math.min(i % blocks * part, dimension);
      long d1 = Math.min(d0 + part, dimension);
      WeightMatrix w = all.from(head * rowsPerHead + rowOffset);
      long xh = x + 4 * head * xHead;
      long yh = y + 4 * (head * yHead + d0);
      for (long t = 0; t < tokens; t++) {
        Raw.zero(yh + 4 * t * yToken, d1 - d0);
      }
      if (!transposed) {
        math.linear(w, d0, d1, xh, xToken, 0, tokens, columns, yh, yToken);
        continue;
      }
      for (long c = d0; c < d1; c += COLUMNS) {
        long c1 = Math.min(c + COLUMNS, d1);
        long out = yh + 4 * (c - d0);
        transposed(w, xh, xToken, tokens, rows, c, c1, out, yToken, Raw.slot(slots, 0));
      }
    }
  }

  /** {@code y[t, c-c0] += sum_n x[t,n] W[n,c]}: rows are decoded to a panel all tokens share. */
  private void transposed(
      WeightMatrix w,
      long x,
      long ldx,
      long tokens,
      long rows,
      long c0,
      long c1,
      long y,
      long ldy,
      long panel) {
    long width = c1 - c0;
    long step = Math.clamp(PANEL / width, 1, 32);
    for (long n = 0; n < rows; n += step) {
      long count = Math.min(step, rows - n);
      for (long i = 0; i < count; i++) {
        math.decode(w, n + i, c0, c1, panel + 4 * i * width);
      }
      math.times(x + 4 * n, ldx, tokens, panel, width, count, width, y, ldy);
    }
  }
}
