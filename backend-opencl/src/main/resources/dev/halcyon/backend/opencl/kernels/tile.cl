// Prepended to matrix families: MT x NT dot products of length K, shared by the lanes of a group.
//
//   d[m][n] = sum_k x_m[k] * w_n[k] * scale_n[k / BC]
// x_m: f32 rows (bytes); w_n: weight base and element index of the row's first element; scale_n likewise. All lanes of a
// group call it; the sums are valid in lane 0 (with one lane: in the caller).
// Accuracy: f32 products and sums in LANES * VW interleaved chains: BOUND(K).
static inline void tile_dot(SRC x[MT], SRC w[NT], long we[NT], SRC ws[NT], long se[NT], int K, float d[MT][NT]
#if LANES > 1
                     ,
                     __local float* lane_memory
#endif
) {
  int k = LID * VW;
#if WVEC
  fv acc[MT][NT];
  UNROLL for (int m = 0; m < MT; m++) {
    UNROLL for (int n = 0; n < NT; n++) acc[m][n] = (fv)(0.0f);
  }
  for (; k + VW <= K; k += LANES * VW) {
    fv wt[NT];
    UNROLL for (int n = 0; n < NT; n++) {
      wt[n] = wv(w[n], we[n] + k);
#if SC
      wt[n] *= SCALE(ws[n], se[n] + SCOL(k));
#endif
    }
    UNROLL for (int m = 0; m < MT; m++) {
      fv xv = LDFV(x[m] + (long)k * 4);
      UNROLL for (int n = 0; n < NT; n++) acc[m][n] += xv * wt[n];
    }
  }
  UNROLL for (int m = 0; m < MT; m++) {
    UNROLL for (int n = 0; n < NT; n++) d[m][n] = sum_of(acc[m][n]);
  }
  const int tail = K / VW * VW + LID;
#else
  UNROLL for (int m = 0; m < MT; m++) {
    UNROLL for (int n = 0; n < NT; n++) d[m][n] = 0.0f;
  }
  const int tail = LID;
#endif
  for (k = tail; k < K; k += LANES) {
    UNROLL for (int n = 0; n < NT; n++) {
      float wt = w1(w[n], we[n] + k);
#if SC
      wt *= SCALE(ws[n], se[n] + SCOL(k));
#endif
      UNROLL for (int m = 0; m < MT; m++) d[m][n] += LDF(x[m] + (long)k * 4) * wt;
    }
  }
#if LANES > 1
  UNROLL for (int m = 0; m < MT; m++) {
    UNROLL for (int n = 0; n < NT; n++) d[m][n] = lanes_sum(d[m][n], lane_memory);
  }
#endif
}

#if LANES > 1
#define TILE_DOT(x, w, we, ws, se, K, d) tile_dot(x, w, we, ws, se, K, d, lane_memory)
#else
#define TILE_DOT(x, w, we, ws, se, K, d) tile_dot(x, w, we, ws, se, K, d)
#endif
