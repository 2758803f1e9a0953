package dev.halcyon.backend.cpu.kernels;

/** SWIGLU, SOFTMAX, ADD and READ_BANDWIDTH. */
final class RowKernels {
  private final KernelMath math;

  RowKernels(KernelMath math) {
    this.math = math;
  }

  void swiGlu(long slots, long begin, long end) {
    for (long row = begin; row < end; row++) {
      long g = Raw.slot(slots, 1) + 4 * row * Raw.slot(slots, 2);
      long u = Raw.slot(slots, 3) + 4 * row * Raw.slot(slots, 4);
      long y = Raw.slot(slots, 5) + 4 * row * Raw.slot(slots, 6);
      math.siluTimes(g, u, y, Raw.slot(slots, 7));
    }
  }

  void softmax(long slots, long begin, long end) {
    long n = Raw.slot(slots, 3);
    long valid = Raw.slot(slots, 6);
    float scale = (float) Raw.real(slots, 7);
    for (long row = begin; row < end; row++) {
      long x = Raw.slot(slots, 1) + 4 * row * Raw.slot(slots, 2);
      long y = Raw.slot(slots, 4) + 4 * row * Raw.slot(slots, 5);
      long count = valid == 0 ? n : Math.clamp(Raw.i32(valid + 4 * row), 0, n);
      if (count > 0) {
        math.softmax(x, count, scale, y);
      }
      Raw.zero(y + 4 * count, n - count);
    }
  }

  void add(long slots, long begin, long end) {
    long at = 4 * begin;
    long y = Raw.slot(slots, 3) + at;
    math.add(Raw.slot(slots, 1) + at, Raw.slot(slots, 2) + at, y, end - begin);
  }

  void readBandwidth(long slots, long begin, long end) {
    double sum = math.sum(Raw.slot(slots, 1) + 64 * begin, 16 * (end - begin));
    if (Raw.slot(slots, 0) != 0) {
      Raw.f64(Raw.slot(slots, 0), sum);
    }
  }
}
