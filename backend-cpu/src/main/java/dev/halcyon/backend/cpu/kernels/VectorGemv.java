package dev.halcyon.backend.cpu.kernels;

import static dev.halcyon.backend.cpu.kernels.Lanes.F32;
import static dev.halcyon.backend.cpu.kernels.Lanes.I32;
import static dev.halcyon.backend.cpu.kernels.Lanes.ORDER;
import static dev.halcyon.backend.cpu.kernels.Raw.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.MAX;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * One row of x by two or four rows of W at a time, weights widened in registers. A vector of
 * partial sums a row goes to memory. A caller with fewer rows repeats one, so that a row's sum
 * never depends on its neighbours.
 *
 * @implNote Past its limit of nodes C2 inlines forced methods only: those of the Vector API. One
 *     vector handed to any other call boxes the whole loop, thirty times slower; so these call the
 *     Vector API directly and store their vectors. KernelSpeed shows such cliffs. The two-byte
 *     types and I4 take x split into even and odd elements: their pairs need no shuffle then.
 */
final class VectorGemv {
  private VectorGemv() {}

  /** Elements a step of any loop takes; n is a multiple. */
  static final int STEP = 2 * Lanes.COUNT;

  private static final int BYTES = Lanes.BYTES;

  static void f32(long r0, long r1, long r2, long r3, long x, int n, long out) {
    FloatVector a0 = FloatVector.zero(F32);
    FloatVector a1 = FloatVector.zero(F32);
    FloatVector a2 = FloatVector.zero(F32);
    FloatVector a3 = FloatVector.zero(F32);
    FloatVector b0 = FloatVector.zero(F32);
    FloatVector b1 = FloatVector.zero(F32);
    FloatVector b2 = FloatVector.zero(F32);
    FloatVector b3 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long at = 4L * i;
      FloatVector xa = FloatVector.fromMemorySegment(F32, ALL, x + at, ORDER);
      FloatVector xb = FloatVector.fromMemorySegment(F32, ALL, x + at + BYTES, ORDER);
      a0 = xa.fma(FloatVector.fromMemorySegment(F32, ALL, r0 + at, ORDER), a0);
      b0 = xb.fma(FloatVector.fromMemorySegment(F32, ALL, r0 + at + BYTES, ORDER), b0);
      a1 = xa.fma(FloatVector.fromMemorySegment(F32, ALL, r1 + at, ORDER), a1);
      b1 = xb.fma(FloatVector.fromMemorySegment(F32, ALL, r1 + at + BYTES, ORDER), b1);
      a2 = xa.fma(FloatVector.fromMemorySegment(F32, ALL, r2 + at, ORDER), a2);
      b2 = xb.fma(FloatVector.fromMemorySegment(F32, ALL, r2 + at + BYTES, ORDER), b2);
      a3 = xa.fma(FloatVector.fromMemorySegment(F32, ALL, r3 + at, ORDER), a3);
      b3 = xb.fma(FloatVector.fromMemorySegment(F32, ALL, r3 + at + BYTES, ORDER), b3);
    }
    a0.add(b0).intoMemorySegment(ALL, out, ORDER);
    a1.add(b1).intoMemorySegment(ALL, out + BYTES, ORDER);
    a2.add(b2).intoMemorySegment(ALL, out + 2 * BYTES, ORDER);
    a3.add(b3).intoMemorySegment(ALL, out + 3 * BYTES, ORDER);
  }

  private static FloatVector evenBf16(IntVector pairs) {
    return pairs.lanewise(LSHL, 16).reinterpretAsFloats();
  }

  private static FloatVector oddBf16(IntVector pairs) {
    return pairs.and(0xffff0000).reinterpretAsFloats();
  }

  static void bf16(long r0, long r1, long r2, long r3, long even, long odd, int n, long out) {
    FloatVector a0 = FloatVector.zero(F32);
    FloatVector a1 = FloatVector.zero(F32);
    FloatVector a2 = FloatVector.zero(F32);
    FloatVector a3 = FloatVector.zero(F32);
    FloatVector b0 = FloatVector.zero(F32);
    FloatVector b1 = FloatVector.zero(F32);
    FloatVector b2 = FloatVector.zero(F32);
    FloatVector b3 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long at = 2L * i;
      FloatVector xe = FloatVector.fromMemorySegment(F32, ALL, even + at, ORDER);
      FloatVector xo = FloatVector.fromMemorySegment(F32, ALL, odd + at, ORDER);
      IntVector w0 = IntVector.fromMemorySegment(I32, ALL, r0 + at, ORDER);
      a0 = xe.fma(evenBf16(w0), a0);
      b0 = xo.fma(oddBf16(w0), b0);
      IntVector w1 = IntVector.fromMemorySegment(I32, ALL, r1 + at, ORDER);
      a1 = xe.fma(evenBf16(w1), a1);
      b1 = xo.fma(oddBf16(w1), b1);
      IntVector w2 = IntVector.fromMemorySegment(I32, ALL, r2 + at, ORDER);
      a2 = xe.fma(evenBf16(w2), a2);
      b2 = xo.fma(oddBf16(w2), b2);
      IntVector w3 = IntVector.fromMemorySegment(I32, ALL, r3 + at, ORDER);
      a3 = xe.fma(evenBf16(w3), a3);
      b3 = xo.fma(oddBf16(w3), b3);
    }
    a0.add(b0).intoMemorySegment(ALL, out, ORDER);
    a1.add(b1).intoMemorySegment(ALL, out + BYTES, ORDER);
    a2.add(b2).intoMemorySegment(ALL, out + 2 * BYTES, ORDER);
    a3.add(b3).intoMemorySegment(ALL, out + 3 * BYTES, ORDER);
  }

  /**
   * Two rows of f16 whose values are all finite; the f32 with the fields of an f16 is its value /
   * 2^112.
   */
  static void f16(long r0, long r1, long even, long odd, int n, long out) {
    FloatVector a0 = FloatVector.zero(F32);
    FloatVector a1 = FloatVector.zero(F32);
    FloatVector b0 = FloatVector.zero(F32);
    FloatVector b1 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long at = 2L * i;
      FloatVector xe = FloatVector.fromMemorySegment(F32, ALL, even + at, ORDER);
      FloatVector xo = FloatVector.fromMemorySegment(F32, ALL, odd + at, ORDER);
      IntVector w0 = IntVector.fromMemorySegment(I32, ALL, r0 + at, ORDER);
      IntVector w1 = IntVector.fromMemorySegment(I32, ALL, r1 + at, ORDER);
      IntVector e0 = w0.lanewise(LSHL, 16).lanewise(ASHR, 3).and(0x8fffe000);
      IntVector e1 = w1.lanewise(LSHL, 16).lanewise(ASHR, 3).and(0x8fffe000);
      a0 = xe.fma(e0.reinterpretAsFloats().mul(0x1p112f), a0);
      a1 = xe.fma(e1.reinterpretAsFloats().mul(0x1p112f), a1);
      IntVector o0 = w0.lanewise(ASHR, 3).and(0x8fffe000);
      IntVector o1 = w1.lanewise(ASHR, 3).and(0x8fffe000);
      b0 = xo.fma(o0.reinterpretAsFloats().mul(0x1p112f), b0);
      b1 = xo.fma(o1.reinterpretAsFloats().mul(0x1p112f), b1);
    }
    a0.add(b0).intoMemorySegment(ALL, out, ORDER);
    a1.add(b1).intoMemorySegment(ALL, out + BYTES, ORDER);
  }

  /** Two rows; the scale of column i is number {@code i >>> shift} of its row. */
  static void i8(long r0, long r1, long x, int n, int shift, long scales0, long scales1, long out) {
    FloatVector t0 = FloatVector.zero(F32);
    FloatVector t1 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long s = 4L * (i >>> shift);
      FloatVector xa = FloatVector.fromMemorySegment(F32, ALL, x + 4L * i, ORDER);
      FloatVector xb = FloatVector.fromMemorySegment(F32, ALL, x + 4L * i + BYTES, ORDER);
      FloatVector s0 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales0 + s));
      FloatVector s1 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales1 + s));
      FloatVector p0 = Lanes.i8(r0 + i).mul(xa);
      FloatVector p1 = Lanes.i8(r1 + i).mul(xa);
      p0 = Lanes.i8(r0 + i + Lanes.COUNT).fma(xb, p0);
      p1 = Lanes.i8(r1 + i + Lanes.COUNT).fma(xb, p1);
      t0 = p0.fma(s0, t0);
      t1 = p1.fma(s1, t1);
    }
    t0.intoMemorySegment(ALL, out, ORDER);
    t1.intoMemorySegment(ALL, out + BYTES, ORDER);
  }

  /**
   * Two rows of e4m3 without NaN, scaled as {@link #i8}; the f32 with the fields of an e4m3 is its
   * value / 2^120.
   */
  static void f8(long r0, long r1, long x, int n, int shift, long scales0, long scales1, long out) {
    FloatVector t0 = FloatVector.zero(F32);
    FloatVector t1 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long s = 4L * (i >>> shift);
      FloatVector xa = FloatVector.fromMemorySegment(F32, ALL, x + 4L * i, ORDER);
      FloatVector xb = FloatVector.fromMemorySegment(F32, ALL, x + 4L * i + BYTES, ORDER);
      FloatVector s0 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales0 + s));
      FloatVector s1 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales1 + s));
      IntVector v0 = Lanes.bytes(r0 + i).lanewise(LSHL, 20).and(0x87f00000);
      IntVector v1 = Lanes.bytes(r1 + i).lanewise(LSHL, 20).and(0x87f00000);
      FloatVector p0 = v0.reinterpretAsFloats().mul(0x1p120f).mul(xa);
      FloatVector p1 = v1.reinterpretAsFloats().mul(0x1p120f).mul(xa);
      v0 = Lanes.bytes(r0 + i + Lanes.COUNT).lanewise(LSHL, 20).and(0x87f00000);
      v1 = Lanes.bytes(r1 + i + Lanes.COUNT).lanewise(LSHL, 20).and(0x87f00000);
      p0 = v0.reinterpretAsFloats().mul(0x1p120f).fma(xb, p0);
      p1 = v1.reinterpretAsFloats().mul(0x1p120f).fma(xb, p1);
      t0 = p0.fma(s0, t0);
      t1 = p1.fma(s1, t1);
    }
    t0.intoMemorySegment(ALL, out, ORDER);
    t1.intoMemorySegment(ALL, out + BYTES, ORDER);
  }

  /** Two rows of nibbles, scaled as {@link #i8}. */
  static void i4(
      long r0,
      long r1,
      long even,
      long odd,
      int n,
      int shift,
      long scales0,
      long scales1,
      long out) {
    FloatVector t0 = FloatVector.zero(F32);
    FloatVector t1 = FloatVector.zero(F32);
    for (int i = 0; i < n; i += STEP) {
      long s = 4L * (i >>> shift);
      FloatVector xe = FloatVector.fromMemorySegment(F32, ALL, even + 2L * i, ORDER);
      FloatVector xo = FloatVector.fromMemorySegment(F32, ALL, odd + 2L * i, ORDER);
      FloatVector s0 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales0 + s));
      FloatVector s1 = FloatVector.broadcast(F32, ALL.get(JAVA_FLOAT_UNALIGNED, scales1 + s));
      IntVector w0 = Lanes.bytes(r0 + (i >> 1));
      IntVector w1 = Lanes.bytes(r1 + (i >> 1));
      FloatVector p0 = Lanes.toFloats(w0.lanewise(ASHR, 4)).mul(xo);
      FloatVector p1 = Lanes.toFloats(w1.lanewise(ASHR, 4)).mul(xo);
      p0 = Lanes.toFloats(w0.lanewise(LSHL, 28).lanewise(ASHR, 28)).fma(xe, p0);
      p1 = Lanes.toFloats(w1.lanewise(LSHL, 28).lanewise(ASHR, 28)).fma(xe, p1);
      t0 = p0.fma(s0, t0);
      t1 = p1.fma(s1, t1);
    }
    t0.intoMemorySegment(ALL, out, ORDER);
    t1.intoMemorySegment(ALL, out + BYTES, ORDER);
  }

  /** Whether n f16 are all finite. */
  static boolean finiteF16(long row, int n) {
    IntVector low = IntVector.zero(I32);
    IntVector high = IntVector.zero(I32);
    for (int i = 0; i < n; i += STEP) {
      IntVector v = IntVector.fromMemorySegment(I32, ALL, row + 2L * i, ORDER);
      low = low.max(v.and(0x7c00));
      high = high.max(v.and(0x7c000000));
    }
    return low.reduceLanes(MAX) != 0x7c00 && high.reduceLanes(MAX) != 0x7c000000;
  }

  /** Whether n e4m3 hold no NaN. */
  static boolean finiteF8(long row, int n) {
    ByteVector most = ByteVector.zero(ByteVector.SPECIES_PREFERRED);
    int i = 0;
    for (; i <= n - most.length(); i += most.length()) {
      ByteVector v =
          ByteVector.fromMemorySegment(ByteVector.SPECIES_PREFERRED, ALL, row + i, ORDER);
      most = most.max(v.and((byte) 0x7f));
    }
    boolean finite = most.reduceLanes(MAX) != 0x7f;
    for (; i < n; i++) {
      finite &= (Raw.i8(row + i) & 0x7f) != 0x7f;
    }
    return finite;
  }
}
