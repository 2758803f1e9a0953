package dev.halcyon.backend.cpu.kernels;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Register tiles of f32 matrix products. Every element of C is summed in the same order whatever
 * the tile it falls into.
 */
final class VectorTiles {
  private VectorTiles() {}

  private static final int COUNT = Lanes.COUNT;

  /** {@code C[m,n] += A[m,k] B[n,k]^T}; rows of A at {@code a + 4*lda*i}. */
  static void timesTransposed(
      long a, long lda, long m, long b, long ldb, long n, long k, long c, long ldc) {
    for (long j = 0; j < n; j += 4) {
      int columns = (int) Math.min(4, n - j);
      long b0 = b + 4 * j * ldb;
      // absent rows of B repeat the last one; their sums are dropped
      long b1 = b0 + 4 * ldb * Math.min(1, columns - 1);
      long b2 = b0 + 4 * ldb * Math.min(2, columns - 1);
      long b3 = b0 + 4 * ldb * (columns - 1);
      long i = 0;
      for (; i + 4 <= m; i += 4) {
        long a0 = a + 4 * i * lda;
        long s = 4 * lda;
        long at = c + 4 * (i * ldc + j);
        rows4(a0, a0 + s, a0 + 2 * s, a0 + 3 * s, b0, b1, b2, b3, (int) k, at, ldc, columns);
      }
      for (; i < m; i++) {
        row1(a + 4 * i * lda, b0, b1, b2, b3, (int) k, c + 4 * (i * ldc + j), columns);
      }
    }
  }

  private static void accumulate(long at, FloatVector v) {
    Raw.f32(at, Raw.f32(at) + Lanes.sum(v));
  }

  private static void accumulate(
      long at, int columns, FloatVector v0, FloatVector v1, FloatVector v2, FloatVector v3) {
    accumulate(at, v0);
    if (columns > 1) {
      accumulate(at + 4, v1);
    }
    if (columns > 2) {
      accumulate(at + 8, v2);
    }
    if (columns > 3) {
      accumulate(at + 12, v3);
    }
  }

  /** One row of A by four of B. */
  static void row1(long a, long b0, long b1, long b2, long b3, int k, long c, int columns) {
    FloatVector s0 = Lanes.zero();
    FloatVector s1 = Lanes.zero();
    FloatVector s2 = Lanes.zero();
    FloatVector s3 = Lanes.zero();
    int i = 0;
    for (; i <= k - COUNT; i += COUNT) {
      long at = 4L * i;
      FloatVector x = Lanes.load(a + at);
      s0 = x.fma(Lanes.load(b0 + at), s0);
      s1 = x.fma(Lanes.load(b1 + at), s1);
      s2 = x.fma(Lanes.load(b2 + at), s2);
      s3 = x.fma(Lanes.load(b3 + at), s3);
    }
    if (i < k) {
      VectorMask<Float> mask = Lanes.first(k - i);
      long at = 4L * i;
      FloatVector x = Lanes.load(a + at, mask);
      s0 = x.fma(Lanes.load(b0 + at, mask), s0);
      s1 = x.fma(Lanes.load(b1 + at, mask), s1);
      s2 = x.fma(Lanes.load(b2 + at, mask), s2);
      s3 = x.fma(Lanes.load(b3 + at, mask), s3);
    }
    accumulate(c, columns, s0, s1, s2, s3);
  }

  /** Four rows of A by four of B: sixteen sums in registers. */
  static void rows4(
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
      int columns) {
    FloatVector s00 = Lanes.zero();
    FloatVector s01 = Lanes.zero();
    FloatVector s02 = Lanes.zero();
    FloatVector s03 = Lanes.zero();
    FloatVector s10 = Lanes.zero();
    FloatVector s11 = Lanes.zero();
    FloatVector s12 = Lanes.zero();
    FloatVector s13 = Lanes.zero();
    FloatVector s20 = Lanes.zero();
    FloatVector s21 = Lanes.zero();
    FloatVector s22 = Lanes.zero();
    FloatVector s23 = Lanes.zero();
    FloatVector s30 = Lanes.zero();
    FloatVector s31 = Lanes.zero();
    FloatVector s32 = Lanes.zero();
    FloatVector s33 = Lanes.zero();
    int i = 0;
    for (; i <= k - COUNT; i += COUNT) {
      long at = 4L * i;
      FloatVector x0 = Lanes.load(a0 + at);
      FloatVector x1 = Lanes.load(a1 + at);
      FloatVector x2 = Lanes.load(a2 + at);
      FloatVector x3 = Lanes.load(a3 + at);
      FloatVector w = Lanes.load(b0 + at);
      s00 = x0.fma(w, s00);
      s10 = x1.fma(w, s10);
      s20 = x2.fma(w, s20);
      s30 = x3.fma(w, s30);
      w = Lanes.load(b1 + at);
      s01 = x0.fma(w, s01);
      s11 = x1.fma(w, s11);
      s21 = x2.fma(w, s21);
      s31 = x3.fma(w, s31);
      w = Lanes.load(b2 + at);
      s02 = x0.fma(w, s02);
      s12 = x1.fma(w, s12);
      s22 = x2.fma(w, s22);
      s32 = x3.fma(w, s32);
      w = Lanes.load(b3 + at);
      s03 = x0.fma(w, s03);
      s13 = x1.fma(w, s13);
      s23 = x2.fma(w, s23);
      s33 = x3.fma(w, s33);
    }
    if (i < k) {
      VectorMask<Float> mask = Lanes.first(k - i);
      long at = 4L * i;
      FloatVector x0 = Lanes.load(a0 + at, mask);
      FloatVector x1 = Lanes.load(a1 + at, mask);
      FloatVector x2 = Lanes.load(a2 + at, mask);
      FloatVector x3 = Lanes.load(a3 + at, mask);
      FloatVector w = Lanes.load(b0 + at, mask);
      s00 = x0.fma(w, s00);
      s10 = x1.fma(w, s10);
      s20 = x2.fma(w, s20);
      s30 = x3.fma(w, s30);
      w = Lanes.load(b1 + at, mask);
      s01 = x0.fma(w, s01);
      s11 = x1.fma(w, s11);
      s21 = x2.fma(w, s21);
      s31 = x3.fma(w, s31);
      w = Lanes.load(b2 + at, mask);
      s02 = x0.fma(w, s02);
      s12 = x1.fma(w, s12);
      s22 = x2.fma(w, s22);
      s32 = x3.fma(w, s32);
      w = Lanes.load(b3 + at, mask);
      s03 = x0.fma(w, s03);
      s13 = x1.fma(w, s13);
      s23 = x2.fma(w, s23);
      s33 = x3.fma(w, s33);
    }
    accumulate(c, columns, s00, s01, s02, s03);
    accumulate(c + 4 * ldc, columns, s10, s11, s12, s13);
    accumulate(c + 8 * ldc, columns, s20, s21, s22, s23);
    accumulate(c + 12 * ldc, columns, s30, s31, s32, s33);
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
