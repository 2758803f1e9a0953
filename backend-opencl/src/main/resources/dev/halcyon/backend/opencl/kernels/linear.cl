// linear: out[t, h, r] = sum_k x[t, h, k] * W[h * rowsPerHead + rowOffset + r, k] (+ bias[r] | + residual[t, r])
// gate_up: out[t, r] = silu(sum_k x[t, k] G[r, k]) * sum_k x[t, k] U[r, k]
//
// Layout: x, out, residual f32 with token (xt) and head (xh) strides in elements, adjacent in the last axis; weights with
// row stride wr in elements. epilogue: 0 none (e unused), 1 bias, 2 residual. One group: `chunk` rows, one head, `block` tokens.
// Accuracy: BOUND(K) with f32 accumulation; silu within a few ulp.
__kernel void linear(SRC x, long x_o, WEIGHT(w),
                     __global const uchar* e, long e_o, long et, int epilogue, MUT out, long out_o, int M, int N, int K, long xt, long xh, long wr, int rowsPerHead,
                     int rowOffset, long ot, long oh, int chunk, int block) {
  LANE_MEMORY
  const int h = get_group_id(1);
  x += x_o + xh * h * 4;
  out += out_o + oh * h * 4;
  WEIGHT_BEGIN(w);
  e += e_o;
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, N);
  const int t0 = get_group_id(2) * block;
  const int t1 = min(t0 + block, M);
  const long row0 = (long)h * rowsPerHead + rowOffset;
  for (int r = r0; r < r1; r += NT) {
    SRC wp[NT];
    SRC sp[NT];
    long we[NT];
    long se[NT];
    for (int n = 0; n < NT; n++) {
      const long row = row0 + min(r + n, r1 - 1);
      wp[n] = w;
      we[n] = row * wr;
      sp[n] = SBASE(w);
      se[n] = SROW(w, 0, row);
    }
    for (int t = t0; t < t1; t += MT) {
      SRC xp[MT];
      for (int m = 0; m < MT; m++) xp[m] = x + min(t + m, t1 - 1) * xt * 4;
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, K, d);
      if (LID == 0) {
        for (int m = 0; m < MT; m++) {
          for (int n = 0; n < NT; n++) {
            if (t + m < t1 && r + n < r1) {
              float v = d[m][n];
              if (epilogue == 1) v += LDF(e + (r + n) * et * 4);
              if (epilogue == 2) v += LDF(e + ((t + m) * et + r + n) * 4);
              STF(out + ((t + m) * ot + r + n) * 4, v);
            }
          }
        }
      }
    }
  }
}

__kernel void gate_up(SRC x, long x_o, WEIGHT(g), WEIGHT(u), MUT out, long out_o, int M, int N, int K, long xt,
                      long gr, long ur, long ot, int chunk, int block) {
  LANE_MEMORY
  x += x_o;
  out += out_o;
  WEIGHT_BEGIN(g);
  WEIGHT_BEGIN(u);
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, N);
  const int t0 = get_group_id(2) * block;
  const int t1 = min(t0 + block, M);
  for (int r = r0; r < r1; r += NT / 2) {
    SRC wp[NT];
    SRC sp[NT];
    long we[NT];
    long se[NT];
    for (int n = 0; n < NT / 2; n++) {
      const long row = min(r + n, r1 - 1);
      wp[n] = g;
      wp[n + NT / 2] = u;
      we[n] = row * gr;
      we[n + NT / 2] = row * ur;
      sp[n] = SBASE(g);
      sp[n + NT / 2] = SBASE(u);
      se[n] = SROW(g, 0, row);
      se[n + NT / 2] = SROW(u, 0, row);
    }
    for (int t = t0; t < t1; t += MT) {
      SRC xp[MT];
      for (int m = 0; m < MT; m++) xp[m] = x + min(t + m, t1 - 1) * xt * 4;
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, K, d);
      if (LID == 0) {
        float y[PAIRS];
        tile_swiglu(d, y);
        for (int m = 0; m < MT; m++) {
          for (int n = 0; n < NT / 2; n++) {
            if (t + m < t1 && r + n < r1) {
              STF(out + ((t + m) * ot + r + n) * 4, y[m * (NT / 2) + n]);
            }
          }
        }
      }
    }
  }
}
