// mla_split: flash-style partial attention of HB heads of a token over every splits-th run of ROWS cache rows; the latent row
//   is read once for all HB heads. part[(t * splits + s) * H + h] = {acc[C], maximum, sum}.
// mla_combine: out[t, h] = sum_s acc_s exp(max_s - max) / sum_s sum_s exp(max_s - max).
//
//   CD dtype code of the cache; HB heads a group; ROWS cache rows a step (a multiple of VW)
// Layout: q f32 with token and head strides, adjacent in the last axis; cache row stride cr; table [B, blocks] i32.
// Tokens of a negative position or of no sequence (padding) give zeros.
// Accuracy: BOUND(C + R) for scores, softmax ULP(8), BOUND(context) for the weighted sum.
#ifdef SPLIT_PASS
__kernel void mla_split(SRC q, long q_o, SRC cache, long c_o, SRC table, long t_o, SRC sequence, long s_o,
                        SRC positions, long p_o, MUT part, long part_o, int H, int C, int R, long qt, long qh, long cr,
                        long tb, long tc, long ss, long ps, int blockSize, int blocks, int splits, float scale,
                        long cacheRows, int sequences) {
  __local float p[HB * ROWS];
  __local float corr[HB];
  __local float top[HB];
  __local float sum[HB];
  __local long at[ROWS];
  const int split = get_group_id(0);
  const int h0 = get_group_id(1) * HB;
  const int t = get_group_id(2);
  const int heads = min(HB, H - h0);
  const int width = C + R;
  const long stride = C + 2;
  cache += c_o;
  const long b = LDI(sequence + s_o + t * ss * 4);
  const bool padding = b < 0 || b >= sequences;
  table += t_o + (padding ? 0 : b) * tb * 4;
  const int n = padding ? 0 : min(LDI(positions + p_o + t * ps * 4) + 1, blocks * blockSize);
  part += part_o + (((long)t * splits + split) * H + h0) * stride * 4;
  SRC qp[HB];
  for (int h = 0; h < HB; h++) qp[h] = q + q_o + (t * qt + (h0 + min(h, heads - 1)) * qh) * 4;
  for (int h = LID; h < HB; h += LANES) {
    top[h] = -INFINITY;
    sum[h] = 0.0f;
  }
  bool first = true;
  for (int b0 = split * ROWS; b0 < n; b0 += splits * ROWS) {
    const int count = min(ROWS, n - b0);
    SYNC;
    for (int r = LID; r < count; r += LANES) {
      const int block = (b0 + r) / blockSize;
      const long row = (long)LDI(table + block * tc * 4) * blockSize + (b0 + r - block * blockSize);
      at[r] = clamp(row, 0L, cacheRows - 1) * cr;
      const long o = at[r];
      fv a[HB];
      float d[HB];
      UNROLL for (int h = 0; h < HB; h++) a[h] = (fv)(0.0f);
      int c = 0;
      for (; c + VW <= width; c += VW) {
        const fv v = load_floats(cache, o + c, CD);
        UNROLL for (int h = 0; h < HB; h++) a[h] += v * LDFV(qp[h] + (long)c * 4);
      }
      UNROLL for (int h = 0; h < HB; h++) d[h] = sum_of(a[h]);
      for (; c < width; c++) {
        const float v = load_float(cache, o + c, CD);
        for (int h = 0; h < HB; h++) d[h] += v * LDF(qp[h] + (long)c * 4);
      }
      for (int h = 0; h < HB; h++) p[h * ROWS + r] = d[h] * scale;
    }
    SYNC;
    for (int h = LID; h < HB; h += LANES) {
      __local float* row = p + h * ROWS;
      for (int r = count; r < ROWS; r++) row[r] = -INFINITY;
      fv m = CAT(vload, VW)(0, row);
      for (int r = VW; r < ROWS; r += VW) m = fmax(m, CAT(vload, VW)(0, row + r));
      float t2[VW];
      CAT(vstore, VW)(m, 0, t2);
      float best = top[h];
      for (int j = 0; j < VW; j++) best = fmax(best, t2[j]);
      best = fmax(best, -FLT_MAX);
      fv s = (fv)(0.0f);
      for (int r = 0; r < ROWS; r += VW) {
        const fv e = exp(CAT(vload, VW)(0, row + r) - best);
        CAT(vstore, VW)(e, 0, row + r);
        s += e;
      }
      corr[h] = first ? 0.0f : exp(top[h] - best);
      sum[h] = sum[h] * corr[h] + sum_of(s);
      top[h] = best;
    }
    SYNC;
    int c = LID * VW;
    for (; c + VW <= C; c += LANES * VW) {
      fv acc[HB];
      UNROLL for (int h = 0; h < HB; h++) acc[h] = (fv)(0.0f);
      for (int r = 0; r < count; r++) {
        const fv v = load_floats(cache, at[r] + c, CD);
        UNROLL for (int h = 0; h < HB; h++) acc[h] += p[h * ROWS + r] * v;
      }
      UNROLL for (int h = 0; h < HB; h++) {
        if (h < heads) {
          MUT to = part + (h * stride + c) * 4;
          STFV(to, first ? acc[h] : LDFV(to) * corr[h] + acc[h]);
        }
      }
    }
    for (c = C / VW * VW + LID; c < C; c += LANES) {
      for (int h = 0; h < heads; h++) {
        float acc = 0.0f;
        for (int r = 0; r < count; r++) acc += p[h * ROWS + r] * load_float(cache, at[r] + c, CD);
        MUT to = part + (h * stride + c) * 4;
        STF(to, first ? acc : LDF(to) * corr[h] + acc);
      }
    }
    first = false;
  }
  SYNC;
  for (int h = LID; h < heads; h += LANES) {
    if (first) {
      for (int c = 0; c < C; c++) STF(part + (h * stride + c) * 4, 0.0f);
    }
    STF(part + (h * stride + C) * 4, top[h]);
    STF(part + (h * stride + C + 1) * 4, sum[h]);
  }
}

__kernel void mla_combine(SRC part, long part_o, MUT out, long out_o, int H, int C, int splits, long ot, long oh,
                          int chunk) {
  const int t = get_group_id(1);
  const long stride = C + 2;
  part += part_o + (long)t * splits * H * stride * 4;
  for (int h = get_group_id(0) * chunk; h < min((int)(get_group_id(0) + 1) * chunk, H); h++) {
    MUT q = out + out_o + (t * ot + h * oh) * 4;
    float top = -FLT_MAX;
    for (int s = 0; s < splits; s++) top = fmax(top, LDF(part + (((long)s * H + h) * stride + C) * 4));
    float sum = 0.0f;
    for (int s = 0; s < splits; s++) {
      SRC one = part + ((long)s * H + h) * stride * 4;
      sum += LDF(one + (C + 1) * 4) * exp(LDF(one + C * 4) - top);
    }
    sum = fmax(sum, FLT_MIN);
    int c = LID * VW;
    for (; c + VW <= C; c += LANES * VW) {
      fv acc = (fv)(0.0f);
      for (int s = 0; s < splits; s++) {
        SRC one = part + ((long)s * H + h) * stride * 4;
        acc += LDFV(one + c * 4) * exp(LDF(one + C * 4) - top);
      }
      STFV(q + c * 4, acc / sum);
    }
    for (c = C / VW * VW + LID; c < C; c += LANES) {
      float acc = 0.0f;
      for (int s = 0; s < splits; s++) {
        SRC one = part + ((long)s * H + h) * stride * 4;
        acc += LDF(one + c * 4) * exp(LDF(one + C * 4) - top);
      }
      STF(q + c * 4, acc / sum);
    }
  }
}
#endif
