// head_rows_in: out[t, h, c] = sum_r x[t, h, r] * W[h * rowsPerHead + rowOffset + r, c]
//
// Layout: x, out f32 with token and head strides in elements, adjacent in the last axis; W with row stride wr. One group:
// one head, `block` tokens, columns [chunk * group, + chunk). MT tokens share each loaded piece of W.
// Accuracy: BOUND(rows), one f32 chain per output element.
__kernel void head_rows_in(SRC x, long x_o, WEIGHT(w), MUT out, long out_o, int M, int R, int C, long xt, long xh,
                           long wr, int rowsPerHead, int rowOffset, long ot, long oh, int chunk, int block) {
  const int h = get_group_id(1);
  x += x_o + xh * h * 4;
  out += out_o + oh * h * 4;
  WEIGHT_BEGIN(w);
  const int c0 = get_group_id(0) * chunk;
  const int c1 = min(c0 + chunk, C);
  const int t0 = get_group_id(2) * block;
  const int t1 = min(t0 + block, M);
  const long row0 = (long)h * rowsPerHead + rowOffset;
  for (int t = t0; t < t1; t += MT) {
    SRC xp[MT];
    for (int m = 0; m < MT; m++) xp[m] = x + min(t + m, t1 - 1) * xt * 4;
    int c = c0 + LID * VW;
#if WVEC
    for (; c + VW <= c1; c += LANES * VW) {
      fv acc[MT];
      UNROLL for (int m = 0; m < MT; m++) acc[m] = (fv)(0.0f);
      for (int r = 0; r < R; r++) {
        fv wt = wv(w, (row0 + r) * wr + c);
#if SC
        wt *= SCALE(w_s, SROW(w, 0, row0 + r) + SCOL(c));
#endif
        UNROLL for (int m = 0; m < MT; m++) acc[m] += LDF(xp[m] + (long)r * 4) * wt;
      }
      UNROLL for (int m = 0; m < MT; m++) {
        if (t + m < t1) STFV(out + ((t + m) * ot + c) * 4, acc[m]);
      }
    }
    c = c0 + (c1 - c0) / VW * VW + LID;
#else
    c = c0 + LID;
#endif
    for (; c < c1; c += LANES) {
      float acc[MT];
      for (int m = 0; m < MT; m++) acc[m] = 0.0f;
      for (int r = 0; r < R; r++) {
        float wt = w1(w, (row0 + r) * wr + c);
#if SC
        wt *= SCALE(w_s, SROW(w, 0, row0 + r) + SCOL(c));
#endif
        for (int m = 0; m < MT; m++) acc[m] += LDF(xp[m] + (long)r * 4) * wt;
      }
      for (int m = 0; m < MT; m++) {
        if (t + m < t1) STF(out + ((t + m) * ot + c) * 4, acc[m]);
      }
    }
  }
}
