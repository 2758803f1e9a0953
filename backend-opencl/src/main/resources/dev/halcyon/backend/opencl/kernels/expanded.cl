// Expanded latent attention over a context taken in runs of PB positions:
//   lengths: lens[b] = 1 + the last position any token of sequence b sees; 0 without tokens
//   latents: rows[b, i] = cache row of position p0 + i as f32, for positions below lens[b]
//   expand:  kv[b, i] = W rows[b, i, :C], for positions below lens[b]
//   attend:  online softmax of a tile of TQ tokens of one head over the run; out holds the sum, state {maximum, sum}
//
//   CD dtype code of the cache; WT etc. of W; KB keys a step (a multiple of VW and 4); TQ a multiple of 4
// Tokens of a negative position or of no sequence (padding) give zeros.
// Layout: kv row [H, nope + v]; q f32 with token and head strides, adjacent in the last axis, the rotated part last.
// Accuracy: BOUND(C) for kv, BOUND(nope + R) for scores, softmax ULP(8), BOUND(context) for the weighted sum.
#ifdef PREPARE
__kernel void lengths(SRC sequence, long s_o, SRC positions, long p_o, MUT out, long out_o, int T, long ss, long ps) {
  const int b = get_global_id(0);
  int n = 0;
  for (int t = 0; t < T; t++) {
    if (LDI(sequence + s_o + t * ss * 4) == b) n = max(n, LDI(positions + p_o + t * ps * 4) + 1);
  }
  STI(out + out_o + b * 4, n);
}

__kernel void latents(SRC cache, long c_o, SRC table, long t_o, SRC lens, long l_o, MUT out, long out_o, int width,
                      long cr, long tb, long tc, int blockSize, int span, int p0, int PB, int chunk, long cacheRows) {
  const int b = get_group_id(1);
  const int n = min(min(LDI(lens + l_o + b * 4), span) - p0, PB);
  cache += c_o;
  const int i0 = get_group_id(0) * chunk;
  for (int i = i0; i < min(i0 + chunk, n); i++) {
    const int block = (p0 + i) / blockSize;
    const long row = (long)LDI(table + t_o + (b * tb + block * tc) * 4) * blockSize + (p0 + i - block * blockSize);
    const long from = clamp(row, 0L, cacheRows - 1) * cr;
    MUT to = out + out_o + ((long)b * PB + i) * width * 4;
    int c = LID * VW;
    for (; c + VW <= width; c += LANES * VW) STFV(to + c * 4, load_floats(cache, from + c, CD));
    for (c = width / VW * VW + LID; c < width; c += LANES) STF(to + c * 4, load_float(cache, from + c, CD));
  }
}
#endif

#ifdef EXPAND
__kernel void expand(SRC x, long x_o, SRC lens, long l_o, WEIGHT(w), MUT out, long out_o, int N, int C, int width,
                     long wr, int span, int p0, int PB, int chunk, int block) {
  LANE_MEMORY
  WEIGHT_BEGIN(w);
  const int b = get_group_id(1);
  x += x_o + (long)b * PB * width * 4;
  out += out_o + (long)b * PB * N * 4;
  const int n = min(min(LDI(lens + l_o + b * 4), span) - p0, PB);
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, N);
  const int t0 = get_group_id(2) * block;
  const int t1 = min(t0 + block, n);
  for (int r = r0; r < r1; r += NT) {
    SRC wp[NT];
    SRC sp[NT];
    long we[NT];
    long se[NT];
    for (int j = 0; j < NT; j++) {
      const long row = min(r + j, r1 - 1);
      wp[j] = w;
      we[j] = row * wr;
      sp[j] = SBASE(w);
      se[j] = SROW(w, 0, row);
    }
    for (int t = t0; t < t1; t += MT) {
      SRC xp[MT];
      for (int m = 0; m < MT; m++) xp[m] = x + (long)min(t + m, t1 - 1) * width * 4;
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, C, d);
      if (LID == 0) {
        for (int m = 0; m < MT; m++) {
          for (int j = 0; j < NT; j++) {
            if (t + m < t1 && r + j < r1) STF(out + ((long)(t + m) * N + r + j) * 4, d[m][j]);
          }
        }
      }
    }
  }
}
#endif

#ifdef ATTEND
// d[i][j] += sum_c a_i[c] * b_j[c] for 4 x 4 rows of f32.
static inline void dot4(SRC a[4], SRC b[4], int n, float d[4][4]) {
  fv acc[4][4];
  UNROLL for (int i = 0; i < 4; i++) {
    UNROLL for (int j = 0; j < 4; j++) acc[i][j] = (fv)(0.0f);
  }
  int c = 0;
  for (; c + VW <= n; c += VW) {
    fv bv[4];
    UNROLL for (int j = 0; j < 4; j++) bv[j] = LDFV(b[j] + c * 4);
    UNROLL for (int i = 0; i < 4; i++) {
      const fv av = LDFV(a[i] + c * 4);
      UNROLL for (int j = 0; j < 4; j++) acc[i][j] += av * bv[j];
    }
  }
  UNROLL for (int i = 0; i < 4; i++) {
    UNROLL for (int j = 0; j < 4; j++) d[i][j] += sum_of(acc[i][j]);
  }
  for (; c < n; c++) {
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 4; j++) d[i][j] += LDF(a[i] + c * 4) * LDF(b[j] + c * 4);
    }
  }
}

__kernel void attend(SRC q, long q_o, SRC kv, long kv_o, SRC rows, long rows_o, SRC sequence, long s_o,
                     SRC positions, long p_o, MUT state, long st_o, MUT out, long out_o, int T, int H, int nope, int R,
                     int V, int C, long qt, long qh, long ss, long ps, long ot, long oh, int span, int p0, int PB,
                     int final, float scale, int sequences) {
  __local float p[TQ * KB];
  __local float corr[TQ];
  const int h = get_group_id(1);
  const int t1 = min((int)(get_group_id(0) + 1) * TQ, T);
  const int perHead = nope + V;
  const long kvRow = (long)H * perHead * 4;
  const long latentRow = (long)(C + R) * 4;
  state += st_o + (long)h * 8;
  out += out_o + oh * h * 4;
  q += q_o + qh * h * 4;
  sequence += s_o;
  positions += p_o;
  for (int a = get_group_id(0) * TQ; a < t1;) {
    // a run of tokens of one sequence
    const int b = LDI(sequence + a * ss * 4);
    int end = a;
    int seen = 0;
    for (; end < t1 && LDI(sequence + end * ss * 4) == b; end++) {
      seen = max(seen, min(LDI(positions + end * ps * 4) + 1, span));
    }
    const int tokens = end - a;
    const bool padding = b < 0 || b >= sequences;
    if (padding) seen = 0;
    SRC k = kv + kv_o + (long)(padding ? 0 : b) * PB * kvRow + (long)h * perHead * 4;
    SRC latent = rows + rows_o + (long)(padding ? 0 : b) * PB * latentRow + (long)C * 4;
    const int keys = min(seen - p0, PB);
    bool first = p0 == 0;
    for (int k0 = 0; k0 < keys; k0 += KB) {
      const int count = min(KB, keys - k0);
      SYNC;
      for (int j = LID * 4; j < count; j += LANES * 4) {
        for (int i = 0; i < tokens; i += 4) {
          SRC qp[4];
          SRC kp[4];
          float d[4][4];
          for (int m = 0; m < 4; m++) {
            qp[m] = q + (a + min(i + m, tokens - 1)) * qt * 4;
            kp[m] = k + (k0 + min(j + m, count - 1)) * kvRow;
            for (int n = 0; n < 4; n++) d[m][n] = 0.0f;
          }
          dot4(qp, kp, nope, d);
          if (R > 0) {
            for (int m = 0; m < 4; m++) {
              qp[m] += (long)nope * 4;
              kp[m] = latent + (k0 + min(j + m, count - 1)) * latentRow;
            }
            dot4(qp, kp, R, d);
          }
          for (int m = 0; m < 4; m++) {
            for (int n = 0; n < 4; n++) {
              if (i + m < tokens && j + n < KB) p[(i + m) * KB + j + n] = d[m][n] * scale;
            }
          }
        }
      }
      SYNC;
      for (int i = LID; i < tokens; i += LANES) {
        __local float* row = p + i * KB;
        MUT st = state + (long)(a + i) * H * 8;
        const int visible = min(LDI(positions + (a + i) * ps * 4) + 1 - p0 - k0, count);
        for (int j = max(visible, 0); j < KB; j++) row[j] = -INFINITY;
        const float before = first ? -FLT_MAX : LDF(st);
        float best = before;
        for (int j = 0; j < visible; j++) best = fmax(best, row[j]);
        fv s = (fv)(0.0f);
        for (int j = 0; j < KB; j += VW) {
          const fv e = exp(CAT(vload, VW)(0, row + j) - best);
          CAT(vstore, VW)(e, 0, row + j);
          s += e;
        }
        corr[i] = first ? 0.0f : exp(before - best);
        STF(st + 4, (first ? 0.0f : LDF(st + 4) * corr[i]) + sum_of(s));
        STF(st, best);
      }
      SYNC;
      SRC v = k + (long)nope * 4;
      int c = LID * VW;
      for (; c + VW <= V; c += LANES * VW) {
        for (int i = 0; i < tokens; i += 4) {
          fv acc[4];
          UNROLL for (int m = 0; m < 4; m++) acc[m] = (fv)(0.0f);
          for (int j = 0; j < count; j++) {
            const fv value = LDFV(v + (k0 + j) * kvRow + c * 4);
            UNROLL for (int m = 0; m < 4; m++) {
              acc[m] += p[min(i + m, TQ - 1) * KB + j] * value;
            }
          }
          for (int m = 0; m < 4; m++) {
            if (i + m < tokens) {
              MUT to = out + ((a + i + m) * ot + c) * 4;
              STFV(to, first ? acc[m] : LDFV(to) * corr[i + m] + acc[m]);
            }
          }
        }
      }
      for (c = V / VW * VW + LID; c < V; c += LANES) {
        for (int i = 0; i < tokens; i++) {
          float acc = 0.0f;
          for (int j = 0; j < count; j++) acc += p[i * KB + j] * LDF(v + (k0 + j) * kvRow + c * 4);
          MUT to = out + ((a + i) * ot + c) * 4;
          STF(to, first ? acc : LDF(to) * corr[i] + acc);
        }
      }
      first = false;
    }
    SYNC;
    if (final) {
      for (int i = 0; i < tokens; i++) {
        const bool empty = padding || LDI(positions + (a + i) * ps * 4) < 0;
        const float s = empty ? 1.0f : fmax(LDF(state + (long)(a + i) * H * 8 + 4), FLT_MIN);
        for (int c = LID; c < V; c += LANES) {
          MUT to = out + ((a + i) * ot + c) * 4;
          STF(to, empty ? 0.0f : LDF(to) / s);
        }
      }
    }
    a = end;
  }
}
#endif
