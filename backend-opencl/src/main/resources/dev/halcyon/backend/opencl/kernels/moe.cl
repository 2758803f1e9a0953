// Routing of a mixture of experts.
//
// gating: weights and ids of the topK experts of each token; lowest index wins ties, dropped groups count as -inf.
//   E experts, G groups, GK groups kept, TOPK; SUM2 group score: 0 maximum, 1 sum of the two best; SIGMOID 0 softmax;
//   BIAS, NORMALIZE 0 or 1. One work-item a token. Accuracy: scores ULP(8), the choice exact on them.
// dispatch: stable counting sort of (token, choice) pairs by expert: offsets and slots. One work-item.
// inverse: inverse[slots[p]] = p.
// combine: out[t] = sum_j weights[t, j] * h[inverse[t * k + j]] (+ residual[t]). BOUND(k).
#ifdef GATING
static inline float ordered(float v) { return isnan(v) ? -INFINITY : v; }

__kernel void gating(SRC logits, long l_o,
#if BIAS
                     SRC bias, long b_o, long bs,
#endif
                     MUT weights, long w_o, MUT ids, long i_o, int T, long lt, long le, long wt, long wk, long it,
                     long ik, float scale) {
  const int t = get_global_id(0);
  if (t >= T) return;
  float s[E];
  float c[E];
  SRC p = logits + l_o + t * lt * 4;
#if SIGMOID
  for (int e = 0; e < E; e++) s[e] = 1.0f / (1.0f + exp(-LDF(p + e * le * 4)));
#else
  float m = -INFINITY;
  for (int e = 0; e < E; e++) m = fmax(m, LDF(p + e * le * 4));
  m = fmax(m, -FLT_MAX);
  float sum = 0.0f;
  for (int e = 0; e < E; e++) {
    s[e] = exp(LDF(p + e * le * 4) - m);
    sum += s[e];
  }
  sum = fmax(sum, FLT_MIN);
  for (int e = 0; e < E; e++) s[e] /= sum;
#endif
#if BIAS
  bias += b_o;
  for (int e = 0; e < E; e++) c[e] = ordered(s[e] + LDF(bias + e * bs * 4));
#else
  for (int e = 0; e < E; e++) c[e] = ordered(s[e]);
#endif
#if G > 1
  float group_score[G];
  uchar kept[G];
  for (int g = 0; g < G; g++) {
    float best = -INFINITY;
    float second = -INFINITY;
    for (int e = g * (E / G); e < (g + 1) * (E / G); e++) {
      if (c[e] > best) {
        second = best;
        best = c[e];
      } else {
        second = fmax(second, c[e]);
      }
    }
#if SUM2 && E / G > 1
    group_score[g] = best + second;
#else
    group_score[g] = best;
#endif
    kept[g] = 0;
  }
  for (int j = 0; j < GK; j++) {
    int at = -1;
    for (int g = 0; g < G; g++) {
      if (!kept[g] && (at < 0 || group_score[g] > group_score[at])) at = g;
    }
    kept[at] = 1;
  }
  for (int g = 0; g < G; g++) {
    if (!kept[g]) {
      for (int e = g * (E / G); e < (g + 1) * (E / G); e++) c[e] = -INFINITY;
    }
  }
#endif
  float total = 0.0f;
  float picked[TOPK];
  float last = INFINITY;
  int last_at = -1;
  for (int j = 0; j < TOPK; j++) {
    float best = -INFINITY;
    int at = -1;
    for (int e = 0; e < E; e++) {
      const bool after = c[e] < last || (c[e] == last && e > last_at);
      if (after && (at < 0 || c[e] > best)) {
        best = c[e];
        at = e;
      }
    }
    last = best;
    last_at = at;
    picked[j] = s[at];
    total += s[at];
    STI(ids + i_o + (t * it + j * ik) * 4, at);
  }
  for (int j = 0; j < TOPK; j++) {
#if NORMALIZE
    picked[j] /= total + 1e-20f;
#endif
    STF(weights + w_o + (t * wt + j * wk) * 4, picked[j] * scale);
  }
}
#endif

#ifdef DISPATCH
__kernel void dispatch(SRC ids, long i_o, MUT offsets, long off_o, MUT slots, long s_o, int T, int k, int experts,
                       long it, long ik, long os, long ss) {
  ids += i_o;
  offsets += off_o;
  slots += s_o;
  if (get_global_id(0) != 0) return;
  for (int e = 0; e <= experts; e++) STI(offsets + e * os * 4, 0);
  for (int t = 0; t < T; t++) {
    for (int j = 0; j < k; j++) {
      MUT p = offsets + (clamp(LDI(ids + (t * it + j * ik) * 4), 0, experts - 1) + 1) * os * 4;
      STI(p, LDI(p) + 1);
    }
  }
  for (int e = 0; e < experts; e++) {
    STI(offsets + (e + 1) * os * 4, LDI(offsets + (e + 1) * os * 4) + LDI(offsets + e * os * 4));
  }
  // place with the begin of each expert as its cursor, then move the begins back
  for (int t = 0; t < T; t++) {
    for (int j = 0; j < k; j++) {
      MUT p = offsets + clamp(LDI(ids + (t * it + j * ik) * 4), 0, experts - 1) * os * 4;
      const int at = LDI(p);
      STI(slots + at * ss * 4, t * k + j);
      STI(p, at + 1);
    }
  }
  for (int e = experts - 1; e > 0; e--) STI(offsets + e * os * 4, LDI(offsets + (e - 1) * os * 4));
  STI(offsets, 0);
}
#endif

#ifdef COMBINE
__kernel void inverse(SRC slots, long s_o, MUT out, long out_o, int n, long ss) {
  const int i = get_global_id(0);
  if (i < n) STI(out + out_o + LDI(slots + s_o + i * ss * 4) * 4, i);
}

__kernel void combine(SRC h, long h_o, SRC rows, long rows_o, SRC weights, long w_o,
                      __global const uchar* residual, long r_o, long rt, int epilogue, MUT out, long out_o, int T, int k, int N, long hr, long wt, long wk, long ot, int chunk) {
  h += h_o;
  rows += rows_o;
  weights += w_o;
  out += out_o;
  const int t = get_group_id(1);
  const int c0 = get_group_id(0) * chunk;
  const int c1 = min(c0 + chunk, N);
  int c = c0 + LID * VW;
  for (; c + VW <= c1; c += LANES * VW) {
    fv acc = (fv)(0.0f);
    for (int j = 0; j < k; j++) {
      const long row = LDI(rows + (t * k + j) * 4);
      acc += LDF(weights + (t * wt + j * wk) * 4) * LDFV(h + (row * hr + c) * 4);
    }
    if (epilogue == 2) acc += LDFV(residual + r_o + (t * rt + c) * 4);
    STFV(out + (t * ot + c) * 4, acc);
  }
  for (c = c0 + (c1 - c0) / VW * VW + LID; c < c1; c += LANES) {
    float acc = 0.0f;
    for (int j = 0; j < k; j++) {
      const long row = LDI(rows + (t * k + j) * 4);
      acc += LDF(weights + (t * wt + j * wk) * 4) * LDF(h + (row * hr + c) * 4);
    }
    if (epilogue == 2) acc += LDF(residual + r_o + (t * rt + c) * 4);
    STF(out + (t * ot + c) * 4, acc);
  }
}
#endif
