// Prepended to matrix families: MT x NT dot products of length K, shared by the lanes of a group.
//
//   d[m][n] = sum_k x_m[k] * w_n[k] * scale_n[k / BC]
// x_m: f32 rows (bytes); w_n: weight base and element index of the row's first element; scale_n likewise. All lanes of a
// group call it; the sums are valid in lane 0 (with one lane: in the caller).
// Accuracy: f32 products and sums in LANES * VW interleaved chains: BOUND(K).
//
// One token on a CPU is a matter of memory alone: rows are then read one after the other, in the order they lie in, with
// prefetches in front; reading several rows side by side halves the bandwidth.
#if MT == 1 && LANES == 1 && WVEC
// Vectors of four neighbours that lie in one scale block.
#if SC && BC % (4 * VW) == 0
#define SPAN 4
#elif SC && BC % (2 * VW) == 0
#define SPAN 2
#else
#define SPAN 1
#endif
static inline float row_dot(SRC x, SRC w, long we, SRC ws, long se, int K) {
  fv acc[4];
  UNROLL for (int j = 0; j < 4; j++) acc[j] = (fv)(0.0f);
  int k = 0;
  for (; k + 4 * VW <= K; k += 4 * VW) {
    UNROLL for (int b = 0; b < 4 * VW * WBITS / 8; b += 64) PREFETCH(w + (we + k) * WBITS / 8 + b);
#if SC
    UNROLL for (int j = 0; j < 4; j += SPAN) {
      fv p = LDFV(x + (long)(k + j * VW) * 4) * wv(w, we + k + j * VW);
      UNROLL for (int i = 1; i < SPAN; i++) p += LDFV(x + (long)(k + (j + i) * VW) * 4) * wv(w, we + k + (j + i) * VW);
      acc[j] += p * SCALE(ws, se + SCOL(k + j * VW));
    }
#else
    UNROLL for (int j = 0; j < 4; j++) acc[j] += LDFV(x + (long)(k + j * VW) * 4) * wv(w, we + k + j * VW);
#endif
  }
  for (; k + VW <= K; k += VW) {
    fv wt = wv(w, we + k);
#if SC
    wt *= SCALE(ws, se + SCOL(k));
#endif
    acc[0] += LDFV(x + (long)k * 4) * wt;
  }
  float d = sum_of((acc[0] + acc[1]) + (acc[2] + acc[3]));
  for (; k < K; k++) {
    float wt = w1(w, we + k);
#if SC
    wt *= SCALE(ws, se + SCOL(k));
#endif
    d += LDF(x + (long)k * 4) * wt;
  }
  return d;
}
#endif

static inline void tile_dot(SRC x[MT], SRC w[NT], long we[NT], SRC ws[NT], long se[NT], int K, float d[MT][NT]
#if LANES > 1
                     ,
                     __local float* lane_memory
#endif
) {
#if MT == 1 && LANES == 1 && WVEC
  for (int n = 0; n < NT; n++) d[0][n] = row_dot(x[0], w[n], we[n], ws[n], se[n], K);
#else
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
#endif
}

#if LANES > 1
#define TILE_DOT(x, w, we, ws, se, K, d) tile_dot(x, w, we, ws, se, K, d, lane_memory)
#else
#define TILE_DOT(x, w, we, ws, se, K, d) tile_dot(x, w, we, ws, se, K, d)
#endif

// silu(g) * u of the first half of each tile row with the second: PAIRS values, eight at a time where there are so many.
#define PAIRS (MT * (NT / 2))
static inline void tile_swiglu(float d[MT][NT], float* out) {
#if PAIRS % 8 == 0
  float g[PAIRS];
  float u[PAIRS];
  for (int m = 0; m < MT; m++) {
    for (int n = 0; n < NT / 2; n++) {
      g[m * (NT / 2) + n] = d[m][n];
      u[m * (NT / 2) + n] = d[m][n + NT / 2];
    }
  }
  for (int i = 0; i < PAIRS; i += 8) {
    const float8 v = vload8(0, g + i);
    vstore8(v / (1.0f + exp(-v)) * vload8(0, u + i), 0, out + i);
  }
#else
  for (int m = 0; m < MT; m++) {
    for (int n = 0; n < NT / 2; n++) {
      out[m * (NT / 2) + n] = d[m][n] / (1.0f + exp(-d[m][n])) * d[m][n + NT / 2];
    }
  }
#endif
}
