// rms_norm: out = x / sqrt(mean(x^2) + epsilon) * weight; with ADD: residual += x first, then the norm of the residual.
// rotary: rotates dims [first, first + 2 * pairs) of each head vector, copies the others.
// kv_append: normalises the latent part of raw, rotates its key part, rounds both into the cache row of the token.
//
//   WD dtype code of the norm weight; CD dtype code of the cache; SPLIT 0 interleaved pairs, 1 half split
// Layout: rows adjacent in the last axis, other strides in elements. One group: `chunk` rows. x may be out. A negative
// position (padding) has no angle: rotated dims become 0, as from a gathered row of zeros.
// Accuracy: norm BOUND(N) on the sum, then ULP(4); rotation one rounding per product and sum.
static inline float inverse_rms(__global const uchar* x, int N, float epsilon
#if LANES > 1
                         ,
                         __local float* lane_memory
#endif
) {
  fv acc = (fv)(0.0f);
  int i = LID * VW;
  for (; i + VW <= N; i += LANES * VW) {
    const fv v = LDFV(x + (long)i * 4);
    acc += v * v;
  }
  float s = sum_of(acc);
  for (i = N / VW * VW + LID; i < N; i += LANES) s += LDF(x + (long)i * 4) * LDF(x + (long)i * 4);
  return 1.0f / sqrt(lanes_sum(s, lane_memory) / N + epsilon);
}

#if LANES > 1
#define INVERSE_RMS(x, N, e) inverse_rms(x, N, e, lane_memory)
#else
#define INVERSE_RMS(x, N, e) inverse_rms(x, N, e)
#endif

#ifdef NORM
__kernel void rms_norm(
#if ADD
    SRC add, long add_o, long at,
#endif
    MUT x, long x_o, SRC w, long w_o, MUT out, long out_o, int T, int N, long xt, long ws, long ot, int chunk,
    float epsilon) {
  LANE_MEMORY
  w += w_o;
  const int t0 = get_group_id(0) * chunk;
  for (int t = t0; t < min(t0 + chunk, T); t++) {
    MUT p = x + x_o + t * xt * 4;
    MUT q = out + out_o + t * ot * 4;
#if ADD
    SRC b = add + add_o + t * at * 4;
    for (int i = LID; i < N; i += LANES) STF(p + (long)i * 4, LDF(p + (long)i * 4) + LDF(b + (long)i * 4));
    SYNC;
#endif
    const float r = INVERSE_RMS(p, N, epsilon);
    SYNC;
    int i = LID;
    if (ws == 1) {
      for (i = LID * VW; i + VW <= N; i += LANES * VW) {
        STFV(q + (long)i * 4, LDFV(p + (long)i * 4) * r * load_floats(w, i, WD));
      }
      i = N / VW * VW + LID;
    }
    for (; i < N; i += LANES) STF(q + (long)i * 4, LDF(p + (long)i * 4) * r * load_float(w, i * ws, WD));
    SYNC;
  }
}
#endif

#ifdef ROPE
__kernel void rotary(__global const uchar* x, long x_o, SRC positions, long p_o, SRC cosine, long c_o, SRC sine,
                     long s_o, MUT out, long out_o, int T, int H, int D, int first, int pairs, long xt, long xh,
                     long xd, long ps, long cp, long ci, long sp, long si, long ot, long oh, long od, int chunk,
                     long positionRows) {
  positions += p_o;
  cosine += c_o;
  sine += s_o;
  const int g0 = get_global_id(0) * chunk;
  for (int g = g0; g < min(g0 + chunk, T * H); g++) {
    const int t = g / H;
    const int h = g - t * H;
    __global const uchar* p = x + x_o + (t * xt + h * xh) * 4;
    MUT q = out + out_o + (t * ot + h * oh) * 4;
    const long given = LDI(positions + t * ps * 4);
    const long position = clamp(given, 0L, positionRows - 1);
    for (int i = 0; i < first; i++) STF(q + i * od * 4, LDF(p + i * xd * 4));
    for (int i = 0; i < pairs; i++) {
      const int ia = first + (SPLIT ? i : 2 * i);
      const int ib = SPLIT ? ia + pairs : ia + 1;
      const float c = given < 0 ? 0.0f : LDF(cosine + (position * cp + i * ci) * 4);
      const float s = given < 0 ? 0.0f : LDF(sine + (position * sp + i * si) * 4);
      const float a = LDF(p + ia * xd * 4);
      const float b = LDF(p + ib * xd * 4);
      STF(q + ia * od * 4, a * c - b * s);
      STF(q + ib * od * 4, a * s + b * c);
    }
    for (int i = first + 2 * pairs; i < D; i++) STF(q + i * od * 4, LDF(p + i * xd * 4));
  }
}
#endif

#ifdef KV
__kernel void kv_append(SRC raw, long raw_o, SRC w, long w_o, SRC cosine, long c_o, SRC sine, long s_o,
                        SRC positions, long p_o, SRC slots, long slots_o, MUT cache, long cache_o, int T, int C,
                        int pairs, long rt, long ws, long cp, long ci, long sp, long si, long ps, long ss, long kr,
                        long rows, long positionRows, float epsilon) {
  LANE_MEMORY
  const int t = get_group_id(0);
  const long slot = LDI(slots + slots_o + t * ss * 4);
  const bool stored = slot >= 0 && slot < rows;
  w += w_o;
  cosine += c_o;
  sine += s_o;
  SRC p = raw + raw_o + t * rt * 4;
  cache += cache_o;
  const long row = slot * kr;
  const float r = INVERSE_RMS(p, C, epsilon);
  for (int i = LID; i < C && stored; i += LANES) {
    store_float(cache, row + i, LDF(p + (long)i * 4) * r * load_float(w, i * ws, WD), CD);
  }
  const long given = LDI(positions + p_o + t * ps * 4);
  const long position = clamp(given, 0L, positionRows - 1);
  for (int i = LID; i < pairs && stored; i += LANES) {
    const int ia = C + (SPLIT ? i : 2 * i);
    const int ib = SPLIT ? ia + pairs : ia + 1;
    const float c = given < 0 ? 0.0f : LDF(cosine + (position * cp + i * ci) * 4);
    const float s = given < 0 ? 0.0f : LDF(sine + (position * sp + i * si) * 4);
    const float a = LDF(p + (long)ia * 4);
    const float b = LDF(p + (long)ib * 4);
    store_float(cache, row + ia, a * c - b * s, CD);
    store_float(cache, row + ib, a * s + b * c, CD);
  }
}
#endif
