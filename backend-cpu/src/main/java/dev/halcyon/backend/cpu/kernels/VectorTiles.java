package dev.halcyon.backend.cpu.kernels;

import static dev.halcyon.backend.cpu.kernels.Lanes.F32;
import static dev.halcyon.backend.cpu.kernels.Lanes.ORDER;
import static dev.halcyon.backend.cpu.kernels.Raw.ALL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Register tiles of f32 matrix products. Every element of C is summed in the same order whatever
 * the tile it falls into.
 *
 * @implNote The large tiles call the Vector API directly and pass no vector on: past its limit of
 *     nodes C2 inlines forced methods only, and one vector handed to a call boxes the loop.
 */
final class VectorTiles {
  private VectorTiles() {}

  private static final int COUNT = Lanes.COUNT;

  /** {@code C[m,n] += A[m,k] B[n,k]^T}. */
  static void timesTransposed(
      long a, long lda, long m, long b, long ldb, long n, long k, long c, long ldc) {
    long s = 4 * lda;
    long sums = ThreadScratch.address();
    for (long j = 0; j < n; j += 4) {
      int columns = (int) Math.min(4, n - j);
      long bj = b + 4 * j * ldb;
      for (long i = 0; i < m; i += 4) {
        long a0 = a + i * s;
        int rows = (int) Math.min(4, m - i);
        tile(
            a0,
            a0 + s,
            a0 + 2 * s,
            a0 + 3 * s,
            rows,
            bj,
            ldb,
            columns,
            (int) k,
            c + 4 * (i * ldc + j),
            ldc,
            sums);
      }
    }
  }

  /**
   * Up to four rows of A, each by its address, by up to four of B, added to C. Addresses of absent
   * rows of A are not read. {@code sums} has room for sixteen vectors.
   */
  static void tile(
      long a0,
      long a1,
      long a2,
      long a3,
      int rows,
      long b,
      long ldb,
      int columns,
      int k,
      long c,
      long ldc,
      long sums) {
    long step = 4 * ldb;
    if (columns < 4) {
      for (int j = 0; j < columns; j++) {
        long at = c + 4L * j;
        column(
            a0,
            rows > 1 ? a1 : a0,
            rows > 2 ? a2 : a0,
            rows > 3 ? a3 : a0,
            b + j * step,
            k,
            rows,
            at,
            ldc,
            sums);
      }
      return;
    }
    if (rows == 4) {
      rows4(a0, a1, a2, a3, b, b + step, b + 2 * step, b + 3 * step, k, c, ldc, sums);
      return;
    }
    row1(a0, b, b + step, b + 2 * step, b + 3 * step, k, c, sums);
    if (rows > 1) {
      row1(a1, b, b + step, b + 2 * step, b + 3 * step, k, c + 4 * ldc, sums);
    }
    if (rows > 2) {
      row1(a2, b, b + step, b + 2 * step, b + 3 * step, k, c + 8 * ldc, sums);
    }
  }

  /** Four rows of A by one of B, of which the first {@code rows} count. */
  private static void column(
      long a0, long a1, long a2, long a3, long b, int k, int rows, long c, long ldc, long sums) {
    int whole = k / COUNT * COUNT;
    FloatVector s0 = FloatVector.zero(F32);
    FloatVector s1 = FloatVector.zero(F32);
    FloatVector s2 = FloatVector.zero(F32);
    FloatVector s3 = FloatVector.zero(F32);
    for (int i = 0; i < whole; i += COUNT) {
      long at = 4L * i;
      FloatVector w = FloatVector.fromMemorySegment(F32, ALL, b + at, ORDER);
      s0 = FloatVector.fromMemorySegment(F32, ALL, a0 + at, ORDER).fma(w, s0);
      s1 = FloatVector.fromMemorySegment(F32, ALL, a1 + at, ORDER).fma(w, s1);
      s2 = FloatVector.fromMemorySegment(F32, ALL, a2 + at, ORDER).fma(w, s2);
      s3 = FloatVector.fromMemorySegment(F32, ALL, a3 + at, ORDER).fma(w, s3);
    }
    s0.intoMemorySegment(ALL, sums, ORDER);
    s1.intoMemorySegment(ALL, sums + Lanes.BYTES, ORDER);
    s2.intoMemorySegment(ALL, sums + 2 * Lanes.BYTES, ORDER);
    s3.intoMemorySegment(ALL, sums + 3 * Lanes.BYTES, ORDER);
    add(c, sums, a0, b, whole, k);
    if (rows > 1) {
      add(c + 4 * ldc, sums + Lanes.BYTES, a1, b, whole, k);
    }
    if (rows > 2) {
      add(c + 8 * ldc, sums + 2 * Lanes.BYTES, a2, b, whole, k);
    }
    if (rows > 3) {
      add(c + 12 * ldc, sums + 3 * Lanes.BYTES, a3, b, whole, k);
    }
  }

  /** Adds to an element of C the partial sums of whole vectors and the columns left. */
  private static void add(long c, long sums, long a, long b, int from, int k) {
    float left = 0;
    for (int i = from; i < k; i++) {
      left += Raw.f32(a + 4L * i) * Raw.f32(b + 4L * i);
    }
    Raw.f32(c, Raw.f32(c) + (Lanes.sum(sums) + left));
  }

  /** One row of A by four of B. */
  private static void row1(long a, long b0, long b1, long b2, long b3, int k, long c, long sums) {
    int whole = k / COUNT * COUNT;
    FloatVector s0 = FloatVector.zero(F32);
    FloatVector s1 = FloatVector.zero(F32);
    FloatVector s2 = FloatVector.zero(F32);
    FloatVector s3 = FloatVector.zero(F32);
    for (int i = 0; i < whole; i += COUNT) {
      long at = 4L * i;
      FloatVector x = FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER);
      s0 = FloatVector.fromMemorySegment(F32, ALL, b0 + at, ORDER).fma(x, s0);
      s1 = FloatVector.fromMemorySegment(F32, ALL, b1 + at, ORDER).fma(x, s1);
      s2 = FloatVector.fromMemorySegment(F32, ALL, b2 + at, ORDER).fma(x, s2);
      s3 = FloatVector.fromMemorySegment(F32, ALL, b3 + at, ORDER).fma(x, s3);
    }
    s0.intoMemorySegment(ALL, sums, ORDER);
    s1.intoMemorySegment(ALL, sums + Lanes.BYTES, ORDER);
    s2.intoMemorySegment(ALL, sums + 2 * Lanes.BYTES, ORDER);
    s3.intoMemorySegment(ALL, sums + 3 * Lanes.BYTES, ORDER);
    add4(c, sums, a, b0, b1, b2, b3, whole, k);
  }

  /** Four rows of A by four of B: sixteen sums in registers. */
  private static void rows4(
      long a0,
      long a1,
      long a2,
      long a3,
      long b0,
      long b1,
      long b2,
      long b3,
      int k,
      long c,
      long ldc,
      long sums) {
    int whole = k / COUNT * COUNT;
    FloatVector s00 = FloatVector.zero(F32);
    FloatVector s01 = FloatVector.zero(F32);
    FloatVector s02 = FloatVector.zero(F32);
    FloatVector s03 = FloatVector.zero(F32);
    FloatVector s10 = FloatVector.zero(F32);
    FloatVector s11 = FloatVector.zero(F32);
    FloatVector s12 = FloatVector.zero(F32);
    FloatVector s13 = FloatVector.zero(F32);
    FloatVector s20 = FloatVector.zero(F32);
    FloatVector s21 = FloatVector.zero(F32);
    FloatVector s22 = FloatVector.zero(F32);
    FloatVector s23 = FloatVector.zero(F32);
    FloatVector s30 = FloatVector.zero(F32);
    FloatVector s31 = FloatVector.zero(F32);
    FloatVector s32 = FloatVector.zero(F32);
    FloatVector s33 = FloatVector.zero(F32);
    for (int i = 0; i < whole; i += COUNT) {
      long at = 4L * i;
      FloatVector x0 = FloatVector.fromMemorySegment(F32, ALL, a0 + at, ORDER);
      FloatVector x1 = FloatVector.fromMemorySegment(F32, ALL, a1 + at, ORDER);
      FloatVector x2 = FloatVector.fromMemorySegment(F32, ALL, a2 + at, ORDER);
      FloatVector x3 = FloatVector.fromMemorySegment(F32, ALL, a3 + at, ORDER);
      FloatVector w = FloatVector.fromMemorySegment(F32, ALL, b0 + at, ORDER);
      s00 = x0.fma(w, s00);
      s10 = x1.fma(w, s10);
      s20 = x2.fma(w, s20);
      s30 = x3.fma(w, s30);
      w = FloatVector.fromMemorySegment(F32, ALL, b1 + at, ORDER);
      s01 = x0.fma(w, s01);
      s11 = x1.fma(w, s11);
      s21 = x2.fma(w, s21);
      s31 = x3.fma(w, s31);
      w = FloatVector.fromMemorySegment(F32, ALL, b2 + at, ORDER);
      s02 = x0.fma(w, s02);
      s12 = x1.fma(w, s12);
      s22 = x2.fma(w, s22);
      s32 = x3.fma(w, s32);
      w = FloatVector.fromMemorySegment(F32, ALL, b3 + at, ORDER);
      s03 = x0.fma(w, s03);
      s13 = x1.fma(w, s13);
      s23 = x2.fma(w, s23);
      s33 = x3.fma(w, s33);
    }
    s00.intoMemorySegment(ALL, sums, ORDER);
    s01.intoMemorySegment(ALL, sums + Lanes.BYTES, ORDER);
    s02.intoMemorySegment(ALL, sums + 2 * Lanes.BYTES, ORDER);
    s03.intoMemorySegment(ALL, sums + 3 * Lanes.BYTES, ORDER);
    s10.intoMemorySegment(ALL, sums + 4 * Lanes.BYTES, ORDER);
    s11.intoMemorySegment(ALL, sums + 5 * Lanes.BYTES, ORDER);
    s12.intoMemorySegment(ALL, sums + 6 * Lanes.BYTES, ORDER);
    s13.intoMemorySegment(ALL, sums + 7 * Lanes.BYTES, ORDER);
    s20.intoMemorySegment(ALL, sums + 8 * Lanes.BYTES, ORDER);
    s21.intoMemorySegment(ALL, sums + 9 * Lanes.BYTES, ORDER);
    s22.intoMemorySegment(ALL, sums + 10 * Lanes.BYTES, ORDER);
    s23.intoMemorySegment(ALL, sums + 11 * Lanes.BYTES, ORDER);
    s30.intoMemorySegment(ALL, sums + 12 * Lanes.BYTES, ORDER);
    s31.intoMemorySegment(ALL, sums + 13 * Lanes.BYTES, ORDER);
    s32.intoMemorySegment(ALL, sums + 14 * Lanes.BYTES, ORDER);
    s33.intoMemorySegment(ALL, sums + 15 * Lanes.BYTES, ORDER);
    add4(c, sums, a0, b0, b1, b2, b3, whole, k);
    add4(c + 4 * ldc, sums + 4 * Lanes.BYTES, a1, b0, b1, b2, b3, whole, k);
    add4(c + 8 * ldc, sums + 8 * Lanes.BYTES, a2, b0, b1, b2, b3, whole, k);
    add4(c + 12 * ldc, sums + 12 * Lanes.BYTES, a3, b0, b1, b2, b3, whole, k);
  }

  private static void add4(
      long c, long sums, long a, long b0, long b1, long b2, long b3, int from, int k) {
    add(c, sums, a, b0, from, k);
    add(c + 4, sums + Lanes.BYTES, a, b1, from, k);
    add(c + 8, sums + 2 * Lanes.BYTES, a, b2, from, k);
    add(c + 12, sums + 3 * Lanes.BYTES, a, b3, from, k);
  }

  /** {@code C[m,n] += A[m,r] B[r,n]}. */
  static void times(long a, long lda, long m, long b, long ldb, long r, long n, long c, long ldc) {
    long j = 0;
    for (; j + 2 * COUNT <= n; j += 2 * COUNT) {
      long i = 0;
      for (; i + 4 <= m; i += 4) {
        wide4(a + 4 * i * lda, lda, b + 4 * j, ldb, (int) r, c + 4 * (i * ldc + j), ldc);
      }
      for (; i < m; i++) {
        wide1(a + 4 * i * lda, b + 4 * j, ldb, (int) r, c + 4 * (i * ldc + j));
      }
    }
    for (; j < n; j += COUNT) {
      VectorMask<Float> mask = Lanes.first(n - j);
      for (long i = 0; i < m; i++) {
        narrow(a + 4 * i * lda, b + 4 * j, ldb, (int) r, c + 4 * (i * ldc + j), mask);
      }
    }
  }

  /** Four rows by two vectors. */
  private static void wide4(long a, long lda, long b, long ldb, int r, long c, long ldc) {
    long c1 = c + 4 * ldc;
    long c2 = c1 + 4 * ldc;
    long c3 = c2 + 4 * ldc;
    FloatVector s00 = Lanes.load(c);
    FloatVector s01 = Lanes.load(c + Lanes.BYTES);
    FloatVector s10 = Lanes.load(c1);
    FloatVector s11 = Lanes.load(c1 + Lanes.BYTES);
    FloatVector s20 = Lanes.load(c2);
    FloatVector s21 = Lanes.load(c2 + Lanes.BYTES);
    FloatVector s30 = Lanes.load(c3);
    FloatVector s31 = Lanes.load(c3 + Lanes.BYTES);
    for (int i = 0; i < r; i++) {
      long row = b + 4 * i * ldb;
      FloatVector w0 = Lanes.load(row);
      FloatVector w1 = Lanes.load(row + Lanes.BYTES);
      long at = a + 4L * i;
      FloatVector x = Lanes.all(Raw.f32(at));
      s00 = x.fma(w0, s00);
      s01 = x.fma(w1, s01);
      x = Lanes.all(Raw.f32(at + 4 * lda));
      s10 = x.fma(w0, s10);
      s11 = x.fma(w1, s11);
      x = Lanes.all(Raw.f32(at + 8 * lda));
      s20 = x.fma(w0, s20);
      s21 = x.fma(w1, s21);
      x = Lanes.all(Raw.f32(at + 12 * lda));
      s30 = x.fma(w0, s30);
      s31 = x.fma(w1, s31);
    }
    Lanes.store(s00, c);
    Lanes.store(s01, c + Lanes.BYTES);
    Lanes.store(s10, c1);
    Lanes.store(s11, c1 + Lanes.BYTES);
    Lanes.store(s20, c2);
    Lanes.store(s21, c2 + Lanes.BYTES);
    Lanes.store(s30, c3);
    Lanes.store(s31, c3 + Lanes.BYTES);
  }

  private static void wide1(long a, long b, long ldb, int r, long c) {
    FloatVector s0 = Lanes.load(c);
    FloatVector s1 = Lanes.load(c + Lanes.BYTES);
    for (int i = 0; i < r; i++) {
      FloatVector x = Lanes.all(Raw.f32(a + 4L * i));
      long row = b + 4 * i * ldb;
      s0 = x.fma(Lanes.load(row), s0);
      s1 = x.fma(Lanes.load(row + Lanes.BYTES), s1);
    }
    Lanes.store(s0, c);
    Lanes.store(s1, c + Lanes.BYTES);
  }

  private static void narrow(long a, long b, long ldb, int r, long c, VectorMask<Float> mask) {
    FloatVector s = Lanes.load(c, mask);
    for (int i = 0; i < r; i++) {
      s = Lanes.all(Raw.f32(a + 4L * i)).fma(Lanes.load(b + 4 * i * ldb, mask), s);
    }
    Lanes.store(s, c, mask);
  }
}
