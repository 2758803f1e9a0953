// Reductions and choices over the last axis; one row at a time per group, its lanes sharing the row.
//
// reduce (OP 0 sum, 1 max, 2 min; T 0 f32, 5 i32), argmax, topk, masked_softmax.
// Layout: row r of an operand begins at the offset of index r in `dims` (rank axes, all but the last) under its strides; sX is
// the stride along the last axis. Accuracy: sum BOUND(N) in VW chains or better; max, min, argmax, topk EXACT; softmax ULP(8).

static inline long row_offset(long row, long8 vdims, long8 vstrides, int rank) {
  long dims[8];
  long strides[8];
  vstore8(vdims, 0, dims);
  vstore8(vstrides, 0, strides);
  long o = 0;
  for (int d = rank - 1; d >= 0; d--) {
    const long q = row / dims[d];
    o += (row - q * dims[d]) * strides[d];
    row = q;
  }
  return o;
}

#ifdef REDUCE
#if T == 0
typedef float item_t;
#define ITEM(p) LDF(p)
#define PUT(p, v) STF(p, v)
#if OP == 0
#define NEUTRAL 0.0f
#elif OP == 1
#define NEUTRAL -INFINITY
#else
#define NEUTRAL INFINITY
#endif
#else
typedef int item_t;
#define ITEM(p) LDI(p)
#define PUT(p, v) STI(p, v)
#if OP == 0
#define NEUTRAL 0
#elif OP == 1
#define NEUTRAL INT_MIN
#else
#define NEUTRAL INT_MAX
#endif
#endif

static inline item_t both(item_t a, item_t b) {
#if OP == 0
  return a + b;
#elif T == 0 && OP == 1
  return isnan(a) ? a : isnan(b) ? b : fmax(a, b);
#elif T == 0
  return isnan(a) ? a : isnan(b) ? b : fmin(a, b);
#elif OP == 1
  return max(a, b);
#else
  return min(a, b);
#endif
}

__kernel void reduce(SRC a, long a_o, MUT out, long out_o, long8 dims, long8 a_strides, long8 out_strides, int rank,
                     long rows, long chunk, long N, long sa) {
#if LANES > 1
  __local item_t lane_memory[LANES];
#endif
  a += a_o;
  out += out_o;
  const long r0 = get_group_id(0) * chunk;
  for (long r = r0; r < min(r0 + chunk, rows); r++) {
    SRC p = a + row_offset(r, dims, a_strides, rank) * 4;
    item_t c[8];
    for (int j = 0; j < 8; j++) c[j] = NEUTRAL;
    long i = LID * 8;
    for (; i + 8 <= N; i += LANES * 8) {
      for (int j = 0; j < 8; j++) c[j] = both(c[j], ITEM(p + (i + j) * sa * 4));
    }
    for (i = N / 8 * 8 + LID; i < N; i += LANES) c[0] = both(c[0], ITEM(p + i * sa * 4));
    item_t v = both(both(both(c[0], c[1]), both(c[2], c[3])), both(both(c[4], c[5]), both(c[6], c[7])));
#if LANES > 1
    barrier(CLK_LOCAL_MEM_FENCE);
    lane_memory[LID] = v;
    for (int n = LANES / 2; n > 0; n >>= 1) {
      barrier(CLK_LOCAL_MEM_FENCE);
      if (LID < n) lane_memory[LID] = both(lane_memory[LID], lane_memory[LID + n]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    v = lane_memory[0];
#endif
    if (LID == 0) PUT(out + row_offset(r, dims, out_strides, rank) * 4, v);
  }
}
#endif

// Whether (v, i) comes before (w, j) in descending order with the lowest index first.
static inline bool before(float v, long i, float w, long j) { return v > w || (v == w && i < j); }

static inline float rank_value(SRC p, long i, long sa) {
  const float v = LDF(p + i * sa * 4);
  return isnan(v) ? -INFINITY : v;
}

#ifdef CHOOSE
#if LANES > 1
// The first of all lanes' candidates, in every lane.
static inline long lanes_first(float v, long i, __local float* values, __local long* indices) {
  barrier(CLK_LOCAL_MEM_FENCE);
  values[LID] = v;
  indices[LID] = i;
  for (int n = LANES / 2; n > 0; n >>= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (LID < n && before(values[LID + n], indices[LID + n], values[LID], indices[LID])) {
      values[LID] = values[LID + n];
      indices[LID] = indices[LID + n];
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return indices[0];
}
#endif

__kernel void argmax(SRC a, long a_o, MUT out, long out_o, long8 dims, long8 a_strides, long8 out_strides, int rank,
                     long rows, long chunk, long N, long sa) {
#if LANES > 1
  __local float values[LANES];
  __local long indices[LANES];
#endif
  a += a_o;
  out += out_o;
  const long r0 = get_group_id(0) * chunk;
  for (long r = r0; r < min(r0 + chunk, rows); r++) {
    SRC p = a + row_offset(r, dims, a_strides, rank) * 4;
    float best = -INFINITY;
    long at = LID < N ? LID : N - 1;
    long i = 0;
#if LANES == 1
    if (sa == 1) {
      // the maximum by vectors first (a comparison with NaN is false), then its first place
      fv m = (fv)(-INFINITY);
      for (; i + VW <= N; i += VW) {
        const fv v = LDFV(p + i * 4);
        m = select(m, v, v > m);
      }
      float t[VW];
      CAT(vstore, VW)(m, 0, t);
      for (int j = 0; j < VW; j++) best = t[j] > best ? t[j] : best;
      for (; i < N; i++) best = LDF(p + i * 4) > best ? LDF(p + i * 4) : best;
      for (i = 0; i < N && rank_value(p, i, 1) != best; i++);
      at = i;
    } else
#endif
    {
      for (i = LID; i < N; i += LANES) {
        const float v = rank_value(p, i, sa);
        if (v > best) {
          best = v;
          at = i;
        }
      }
    }
#if LANES > 1
    at = lanes_first(best, at, values, indices);
#endif
    if (LID == 0) STI(out + row_offset(r, dims, out_strides, rank) * 4, (int)at);
  }
}

// Values beyond the kept ones are never written, so the outputs serve as the sorted list. sv, si: strides of the last axis.
__kernel void topk(SRC a, long a_o, MUT values_out, long v_o, MUT out, long out_o, long8 dims, long8 a_strides,
                   long8 v_strides, long8 out_strides, int rank, long rows, long chunk, long N, long sa, int k,
                   long sv, long si) {
#if LANES > 1
  __local float values[LANES];
  __local long indices[LANES];
#endif
  a += a_o;
  values_out += v_o;
  out += out_o;
  const long r0 = get_group_id(0) * chunk;
  for (long r = r0; r < min(r0 + chunk, rows); r++) {
    SRC p = a + row_offset(r, dims, a_strides, rank) * 4;
    MUT v_row = values_out + row_offset(r, dims, v_strides, rank) * 4;
    MUT i_row = out + row_offset(r, dims, out_strides, rank) * 4;
#if LANES > 1
    float last = INFINITY;
    long last_at = -1;
    for (int j = 0; j < k; j++) {
      float best = -INFINITY;
      long at = LONG_MAX;
      for (long i = LID; i < N; i += LANES) {
        const float v = rank_value(p, i, sa);
        if (before(last, last_at, v, i) && before(v, i, best, at)) {
          best = v;
          at = i;
        }
      }
      last_at = lanes_first(best, at, values, indices);
      last = values[0];
      if (LID == 0) {
        STF(v_row + j * sv * 4, last);
        STI(i_row + j * si * 4, (int)last_at);
      }
    }
#else
    int n = 0;
    float floor_value = -INFINITY;
    for (long i = 0; i < N; i++) {
      const float v = rank_value(p, i, sa);
      if (n == k && !(v > floor_value)) continue;
      int j = n < k ? n++ : k - 1;
      for (; j > 0 && v > LDF(v_row + (j - 1) * sv * 4); j--) {
        STF(v_row + j * sv * 4, LDF(v_row + (j - 1) * sv * 4));
        STI(i_row + j * si * 4, LDI(i_row + (j - 1) * si * 4));
      }
      STF(v_row + j * sv * 4, v);
      STI(i_row + j * si * 4, (int)i);
      if (n == k) floor_value = LDF(v_row + (k - 1) * sv * 4);
    }
#endif
  }
}
#endif

#ifdef SOFTMAX
__kernel void masked_softmax(__global const uchar* a, long a_o, SRC l, long l_o, MUT out, long out_o, long8 dims,
                             long8 a_strides, long8 l_strides, long8 out_strides, int rank, long rows, long chunk,
                             long N, float scale) {
  LANE_MEMORY
  a += a_o;
  l += l_o;
  out += out_o;
  const long r0 = get_group_id(0) * chunk;
  for (long r = r0; r < min(r0 + chunk, rows); r++) {
    __global const uchar* p = a + row_offset(r, dims, a_strides, rank) * 4;
    MUT q = out + row_offset(r, dims, out_strides, rank) * 4;
    const long n = clamp((long)LDI(l + row_offset(r, dims, l_strides, rank) * 4), 0L, N);
    float m = -INFINITY;
    for (long i = LID; i < n; i += LANES) m = fmax(m, LDF(p + i * 4) * scale);
    m = fmax(lanes_max(m, lane_memory), -FLT_MAX);
    float s = 0.0f;
    for (long i = LID; i < n; i += LANES) {
      const float e = exp(LDF(p + i * 4) * scale - m);
      STF(q + i * 4, e);
      s += e;
    }
    s = fmax(lanes_sum(s, lane_memory), FLT_MIN);
    for (long i = LID; i < n; i += LANES) STF(q + i * 4, LDF(q + i * 4) / s);
    for (long i = n + LID; i < N; i += LANES) STF(q + i * 4, 0.0f);
    SYNC;
  }
}
#endif
