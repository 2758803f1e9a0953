// Expert products of a mixture of experts.
//
// Few tokens, only the chosen experts, routing read on the device:
//   moe_gate_up: act[t, j * I + r] = silu(G_e[r] . x[t]) * (U_e[r] . x[t]) with e = ids[t, j]; SHARED: then J rows of the
//     shared expert. Rows of all choices form one range; a group takes `chunk` of them.
//   moe_down: out[t, r] = sum_j weights[t, j] * D_e[r] . act[t, j] (+ shared) (+ residual).
// Many tokens, rows sorted by expert (offsets, slots of dispatch); one group: `chunk` weight rows of one expert, every token:
//   grouped: out[s] = W_e x[s]; grouped_gate_up: out[s] = silu(G_e x[t]) * (U_e x[t]) with t = slots[s] / k.
// Layout: rows adjacent in the last axis, other strides in elements. epilogue: 0 none (e unused), 2 residual.
// Accuracy: BOUND(K), f32 accumulation; ids outside the experts are clamped.
#ifdef DECODE
__kernel void moe_gate_up(SRC x, long x_o, SRC ids, long i_o, WEIGHT(g), WEIGHT(u),
#if SHARED
                          WEIGHT(sg), WEIGHT(su), long sgr, long sur, int J,
#endif
                          MUT act, long act_o, int k, int I, int H, int experts, long xt, long it, long ik, long ge,
                          long gr, long ue, long ur, int width, int chunk) {
  LANE_MEMORY
  WEIGHT_BEGIN(g);
  WEIGHT_BEGIN(u);
#if SHARED
  WEIGHT_BEGIN(sg);
  WEIGHT_BEGIN(su);
#endif
  const int t = get_group_id(1);
  x += x_o + t * xt * 4;
  ids += i_o;
  act += act_o + (long)t * width * 4;
  SRC xp[MT];
  xp[0] = x;
  int r = get_group_id(0) * chunk;
  const int r1 = min(r + chunk, width);
  while (r < r1) {
    const int j = r / I;
    const bool shared_rows = j >= k;
    const int begin = shared_rows ? k * I : j * I;
    const int end = min(r1, shared_rows ? width : begin + I);
    const long expert = shared_rows ? 0 : clamp(LDI(ids + (t * it + j * ik) * 4), 0, experts - 1);
    for (; r < end; r += NT / 2) {
      SRC wp[NT];
      SRC sp[NT];
      long we[NT];
      long se[NT];
      for (int n = 0; n < NT / 2; n++) {
        const long row = min(r + n, end - 1) - begin;
        wp[n] = g;
        wp[n + NT / 2] = u;
        we[n] = expert * ge + row * gr;
        we[n + NT / 2] = expert * ue + row * ur;
        sp[n] = SBASE(g);
        sp[n + NT / 2] = SBASE(u);
        se[n] = SROW(g, expert, row);
        se[n + NT / 2] = SROW(u, expert, row);
#if SHARED
        if (shared_rows) {
          wp[n] = sg;
          wp[n + NT / 2] = su;
          we[n] = row * sgr;
          we[n + NT / 2] = row * sur;
          sp[n] = SBASE(sg);
          sp[n + NT / 2] = SBASE(su);
          se[n] = SROW(sg, 0, row);
          se[n + NT / 2] = SROW(su, 0, row);
        }
#endif
      }
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, H, d);
      if (LID == 0) {
        float y[PAIRS];
        tile_swiglu(d, y);
        for (int n = 0; n < NT / 2; n++) {
          if (r + n < end) STF(act + (long)(r + n) * 4, y[n]);
        }
      }
    }
    r = end;
  }
}

__kernel void moe_down(SRC act, long act_o, SRC ids, long i_o, SRC weights, long wt_o, WEIGHT(w),
#if SHARED
                       WEIGHT(sw), long swr, int J,
#endif
                       __global const uchar* e, long e_o, long et, int epilogue, MUT out, long out_o, int k, int I, int H, int experts, long it, long ik, long wtt, long wtk,
                       long we_, long wr, long ot, int width, int chunk) {
  LANE_MEMORY
  WEIGHT_BEGIN(w);
#if SHARED
  WEIGHT_BEGIN(sw);
#endif
  const int t = get_group_id(1);
  act += act_o + (long)t * width * 4;
  ids += i_o;
  weights += wt_o;
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, H);
  for (int r = r0; r < r1; r += NT) {
    float total[NT];
    for (int n = 0; n < NT; n++) total[n] = 0.0f;
    for (int j = 0; j < k + SHARED; j++) {
      SRC xp[MT];
      SRC wp[NT];
      SRC sp[NT];
      long we[NT];
      long se[NT];
      const long expert = j < k ? clamp(LDI(ids + (t * it + j * ik) * 4), 0, experts - 1) : 0;
      const float factor = j < k ? LDF(weights + (t * wtt + j * wtk) * 4) : 1.0f;
      int length = I;
      xp[0] = act + (long)j * I * 4;
      for (int n = 0; n < NT; n++) {
        const long row = min(r + n, r1 - 1);
        wp[n] = w;
        we[n] = expert * we_ + row * wr;
        sp[n] = SBASE(w);
        se[n] = SROW(w, expert, row);
#if SHARED
        if (j == k) {
          wp[n] = sw;
          we[n] = row * swr;
          sp[n] = SBASE(sw);
          se[n] = SROW(sw, 0, row);
          length = J;
        }
#endif
      }
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, length, d);
      for (int n = 0; n < NT; n++) total[n] += factor * d[0][n];
    }
    if (LID == 0) {
      for (int n = 0; n < NT; n++) {
        if (r + n < r1) {
          if (epilogue == 2) total[n] += LDF(e + e_o + (t * et + r + n) * 4);
          STF(out + out_o + (t * ot + r + n) * 4, total[n]);
        }
      }
    }
  }
}
#endif

#ifdef GROUPED
__kernel void grouped(SRC x, long x_o, SRC offsets, long off_o, WEIGHT(w), MUT out, long out_o, int N, int K, int S,
                      long xt, long os, long we_, long wr, long ot, int chunk) {
  LANE_MEMORY
  WEIGHT_BEGIN(w);
  x += x_o;
  out += out_o;
  const long expert = get_group_id(1);
  const int s0 = clamp(LDI(offsets + off_o + expert * os * 4), 0, S);
  const int s1 = clamp(LDI(offsets + off_o + (expert + 1) * os * 4), s0, S);
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, N);
  for (int r = r0; r < r1; r += NT) {
    SRC wp[NT];
    SRC sp[NT];
    long we[NT];
    long se[NT];
    for (int n = 0; n < NT; n++) {
      const long row = min(r + n, r1 - 1);
      wp[n] = w;
      we[n] = expert * we_ + row * wr;
      sp[n] = SBASE(w);
      se[n] = SROW(w, expert, row);
    }
    for (int s = s0; s < s1; s += MT) {
      SRC xp[MT];
      for (int m = 0; m < MT; m++) xp[m] = x + min(s + m, s1 - 1) * xt * 4;
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, K, d);
      if (LID == 0) {
        for (int m = 0; m < MT; m++) {
          for (int n = 0; n < NT; n++) {
            if (s + m < s1 && r + n < r1) STF(out + ((s + m) * ot + r + n) * 4, d[m][n]);
          }
        }
      }
    }
  }
}

__kernel void grouped_gate_up(SRC x, long x_o, SRC offsets, long off_o, SRC slots, long sl_o, WEIGHT(g), WEIGHT(u),
                              MUT out, long out_o, int N, int K, int k, long xt, long ge, long gr, long ue, long ur,
                              long ot, int chunk) {
  LANE_MEMORY
  WEIGHT_BEGIN(g);
  WEIGHT_BEGIN(u);
  x += x_o;
  out += out_o;
  slots += sl_o;
  const long expert = get_group_id(1);
  const int s0 = LDI(offsets + off_o + expert * 4);
  const int s1 = LDI(offsets + off_o + (expert + 1) * 4);
  const int r0 = get_group_id(0) * chunk;
  const int r1 = min(r0 + chunk, N);
  for (int r = r0; r < r1; r += NT / 2) {
    SRC wp[NT];
    SRC sp[NT];
    long we[NT];
    long se[NT];
    for (int n = 0; n < NT / 2; n++) {
      const long row = min(r + n, r1 - 1);
      wp[n] = g;
      wp[n + NT / 2] = u;
      we[n] = expert * ge + row * gr;
      we[n + NT / 2] = expert * ue + row * ur;
      sp[n] = SBASE(g);
      sp[n + NT / 2] = SBASE(u);
      se[n] = SROW(g, expert, row);
      se[n + NT / 2] = SROW(u, expert, row);
    }
    for (int s = s0; s < s1; s += MT) {
      SRC xp[MT];
      for (int m = 0; m < MT; m++) xp[m] = x + LDI(slots + min(s + m, s1 - 1) * 4) / k * xt * 4;
      float d[MT][NT];
      TILE_DOT(xp, wp, we, sp, se, K, d);
      if (LID == 0) {
        float y[PAIRS];
        tile_swiglu(d, y);
        for (int m = 0; m < MT; m++) {
          for (int n = 0; n < NT / 2; n++) {
            if (s + m < s1 && r + n < r1) {
              STF(out + ((s + m) * ot + r + n) * 4, y[m * (NT / 2) + n]);
            }
          }
        }
      }
    }
  }
}
#endif
