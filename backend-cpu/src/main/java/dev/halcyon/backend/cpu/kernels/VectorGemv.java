package dev.halcyon.backend.cpu.kernels;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * One row of x by four rows of W at a time, weights widened in registers. Sums of the four rows go
 * to memory; a caller with fewer rows repeats one, so that a row's sum never depends on its
 * neighbours.
 *
 * @implNote Every loop reads 256 bytes or more of weights with at least eight independent loads and
 *     stays small enough for C2 to keep all vectors in registers: one operation too many and they
 *     are boxed, ten times slower. KernelSpeed guards it. The two-byte types and I4 take x split
 *     into even and odd elements: their pairs need no shuffle then.
 */
final class VectorGemv {
  private VectorGemv() {}

  /** Elements a step of any loop takes; n is a multiple. */
  static final int STEP = 2 * Lanes.COUNT;

  private static final int BYTES = Lanes.BYTES;

  static void f32(long r0, long r1, long r2, long r3, long x, int n, long out) {
    FloatVector a0 = Lanes.zero();
    FloatVector a1 = Lanes.zero();
    FloatVector a2 = Lanes.zero();
    FloatVector a3 = Lanes.zero();
    FloatVector b0 = Lanes.zero();
    FloatVector b1 = Lanes.zero();
    FloatVector b2 = Lanes.zero();
    FloatVector b3 = Lanes.zero();
    for (int i = 0; i < n; i += STEP) {
      long at = 4L * i;
      FloatVector xa = Lanes.load(x + at);
      FloatVector xb = Lanes.load(x + at + BYTES);
      a0 = xa.fma(Lanes.load(r0 + at), a0);
      b0 = xb.fma(Lanes.load(r0 + at + BYTES), b0);
      a1 = xa.fma(Lanes.load(r1 + at), a1);
      b1 = xb.fma(Lanes.load(r1 + at + BYTES), b1);
      a2 = xa.fma(Lanes.load(r2 + at), a2);
      b2 = xb.fma(Lanes.load(r2 + at + BYTES), b2);
      a3 = xa.fma(Lanes.load(r3 + at), a3);
      b3 = xb.fma(Lanes.load(r3 + at + BYTES), b3);
    }
    sums(a0.add(b0), a1.add(b1), a2.add(b2), a3.add(b3), out);
  }

  private static void sums(
      FloatVector s0, FloatVector s1, FloatVector s2, FloatVector s3, long out) {
    Raw.f32(out, Lanes.sum(s0));
    Raw.f32(out + 4, Lanes.sum(s1));
    Raw.f32(out + 8, Lanes.sum(s2));
    Raw.f32(out + 12, Lanes.sum(s3));
  }

  private static FloatVector evenBf16(IntVector pairs) {
    return pairs.lanewise(LSHL, 16).reinterpretAsFloats();
  }

  private static FloatVector oddBf16(IntVector pairs) {
    return pairs.and(0xffff0000).reinterpretAsFloats();
  }

  static void bf16(long r0, long r1, long r2, long r3, long even, long odd, int n, long out) {
    FloatVector a0 = Lanes.zero();
    FloatVector a1 = Lanes.zero();
    FloatVector a2 = Lanes.zero();
    FloatVector a3 = Lanes.zero();
    FloatVector b0 = Lanes.zero();
    FloatVector b1 = Lanes.zero();
    FloatVector b2 = Lanes.zero();
    FloatVector b3 = Lanes.zero();
    for (int i = 0; i < n; i += STEP) {
      long at = 2L * i;
      FloatVector xe = Lanes.load(even + at);
      FloatVector xo = Lanes.load(odd + at);
      IntVector w0 = Lanes.loadInts(r0 + at);
      a0 = xe.fma(evenBf16(w0), a0);
      b0 = xo.fma(oddBf16(w0), b0);
      IntVector w1 = Lanes.loadInts(r1 + at);
      a1 = xe.fma(evenBf16(w1), a1);
      b1 = xo.fma(oddBf16(w1), b1);
      IntVector w2 = Lanes.loadInts(r2 + at);
      a2 = xe.fma(evenBf16(w2), a2);
      b2 = xo.fma(oddBf16(w2), b2);
      IntVector w3 = Lanes.loadInts(r3 + at);
      a3 = xe.fma(evenBf16(w3), a3);
      b3 = xo.fma(oddBf16(w3), b3);
    }
    sums(a0.add(b0), a1.add(b1), a2.add(b2), a3.add(b3), out);
  }

  private static FloatVector evenF16(IntVector pairs) {
    return Lanes.fromF16(pairs.lanewise(LSHL, 16).lanewise(ASHR, 3).and(0x8fffe000));
  }

  private static FloatVector oddF16(IntVector pairs) {
    return Lanes.fromF16(pairs.lanewise(ASHR, 3).and(0x8fffe000));
  }

  static void f16(long r0, long r1, long r2, long r3, long even, long odd, int n, long out) {
    FloatVector a0 = Lanes.zero();
    FloatVector a1 = Lanes.zero();
    FloatVector a2 = Lanes.zero();
    FloatVector a3 = Lanes.zero();
    for (int i = 0; i < n; i += STEP) {
      long at = 2L * i;
      FloatVector xe = Lanes.load(even + at);
      FloatVector xo = Lanes.load(odd + at);
      IntVector w0 = Lanes.loadInts(r0 + at);
      a0 = xo.fma(oddF16(w0), xe.fma(evenF16(w0), a0));
      IntVector w1 = Lanes.loadInts(r1 + at);
      a1 = xo.fma(oddF16(w1), xe.fma(evenF16(w1), a1));
      IntVector w2 = Lanes.loadInts(r2 + at);
      a2 = xo.fma(oddF16(w2), xe.fma(evenF16(w2), a2));
      IntVector w3 = Lanes.loadInts(r3 + at);
      a3 = xo.fma(oddF16(w3), xe.fma(evenF16(w3), a3));
    }
    sums(a0, a1, a2, a3, out);
  }

  /** Scale r of a group, the four rows' scales lying together. */
  private static FloatVector scale(long scales, int r) {
    return Lanes.all(Raw.f32(scales + 4L * r));
  }

  static void i8(
      long r0, long r1, long r2, long r3, long x, int n, int group, long scales, long out) {
    FloatVector t0 = Lanes.zero();
    FloatVector t1 = Lanes.zero();
    FloatVector t2 = Lanes.zero();
    FloatVector t3 = Lanes.zero();
    long s = scales;
    for (int g = 0; g < n; g += group, s += 16) {
      FloatVector a0 = Lanes.zero();
      FloatVector a1 = Lanes.zero();
      FloatVector a2 = Lanes.zero();
      FloatVector a3 = Lanes.zero();
      int end = Math.min(n, g + group);
      for (int i = g; i < end; i += STEP) {
        FloatVector xa = Lanes.load(x + 4L * i);
        FloatVector xb = Lanes.load(x + 4L * i + BYTES);
        int b = i + Lanes.COUNT;
        a0 = xb.fma(Lanes.i8(r0 + b), xa.fma(Lanes.i8(r0 + i), a0));
        a1 = xb.fma(Lanes.i8(r1 + b), xa.fma(Lanes.i8(r1 + i), a1));
        a2 = xb.fma(Lanes.i8(r2 + b), xa.fma(Lanes.i8(r2 + i), a2));
        a3 = xb.fma(Lanes.i8(r3 + b), xa.fma(Lanes.i8(r3 + i), a3));
      }
      t0 = a0.fma(scale(s, 0), t0);
      t1 = a1.fma(scale(s, 1), t1);
      t2 = a2.fma(scale(s, 2), t2);
      t3 = a3.fma(scale(s, 3), t3);
    }
    sums(t0, t1, t2, t3, out);
  }

  static void f8(
      long r0, long r1, long r2, long r3, long x, int n, int group, long scales, long out) {
    FloatVector t0 = Lanes.zero();
    FloatVector t1 = Lanes.zero();
    FloatVector t2 = Lanes.zero();
    FloatVector t3 = Lanes.zero();
    long s = scales;
    for (int g = 0; g < n; g += group, s += 16) {
      FloatVector a0 = Lanes.zero();
      FloatVector a1 = Lanes.zero();
      FloatVector a2 = Lanes.zero();
      FloatVector a3 = Lanes.zero();
      int end = Math.min(n, g + group);
      for (int i = g; i < end; i += Lanes.COUNT) {
        FloatVector xa = Lanes.load(x + 4L * i);
        a0 = xa.fma(Lanes.f8(r0 + i), a0);
        a1 = xa.fma(Lanes.f8(r1 + i), a1);
        a2 = xa.fma(Lanes.f8(r2 + i), a2);
        a3 = xa.fma(Lanes.f8(r3 + i), a3);
      }
      t0 = a0.fma(scale(s, 0), t0);
      t1 = a1.fma(scale(s, 1), t1);
      t2 = a2.fma(scale(s, 2), t2);
      t3 = a3.fma(scale(s, 3), t3);
    }
    sums(t0, t1, t2, t3, out);
  }

  static void i4(
      long r0,
      long r1,
      long r2,
      long r3,
      long even,
      long odd,
      int n,
      int group,
      long scales,
      long out) {
    FloatVector t0 = Lanes.zero();
    FloatVector t1 = Lanes.zero();
    FloatVector t2 = Lanes.zero();
    FloatVector t3 = Lanes.zero();
    long s = scales;
    for (int g = 0; g < n; g += group, s += 16) {
      FloatVector a0 = Lanes.zero();
      FloatVector a1 = Lanes.zero();
      FloatVector a2 = Lanes.zero();
      FloatVector a3 = Lanes.zero();
      int end = Math.min(n, g + group);
      for (int i = g; i < end; i += STEP) {
        FloatVector xe = Lanes.load(even + 2L * i);
        FloatVector xo = Lanes.load(odd + 2L * i);
        int at = i >> 1;
        IntVector w0 = Lanes.bytes(r0 + at);
        a0 = xo.fma(Lanes.highNibbles(w0), xe.fma(Lanes.lowNibbles(w0), a0));
        IntVector w1 = Lanes.bytes(r1 + at);
        a1 = xo.fma(Lanes.highNibbles(w1), xe.fma(Lanes.lowNibbles(w1), a1));
        IntVector w2 = Lanes.bytes(r2 + at);
        a2 = xo.fma(Lanes.highNibbles(w2), xe.fma(Lanes.lowNibbles(w2), a2));
        IntVector w3 = Lanes.bytes(r3 + at);
        a3 = xo.fma(Lanes.highNibbles(w3), xe.fma(Lanes.lowNibbles(w3), a3));
      }
      t0 = a0.fma(scale(s, 0), t0);
      t1 = a1.fma(scale(s, 1), t1);
      t2 = a2.fma(scale(s, 2), t2);
      t3 = a3.fma(scale(s, 3), t3);
    }
    sums(t0, t1, t2, t3, out);
  }
}
