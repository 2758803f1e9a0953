// quantize: per block, stored = rne(in / s) saturated, s by the rule of the dtype, rounded to its storage first.
// dequantize: out = stored * scale. Both over matrices [R, K] with up to 6 batch axes.
//
//   WT dtype code of the quantised data, SC 1 + scale format, BR, BC block (BC 0: whole row)
// Layout: strides in elements, axis rank-2 rows, rank-1 columns; scale strides likewise. Quantize: one work-item a block, or
// all blocks in one work-item where nibbles of two blocks share a byte (chunk).
// Accuracy: CORRECTLY_ROUNDED.
static inline long offset_of(long row, const long* dims, const long* strides, int rank) {
  long o = 0;
  for (int d = rank - 1; d >= 0; d--) {
    const long q = row / dims[d];
    o += (row - q * dims[d]) * strides[d];
    row = q;
  }
  return o;
}

#if WT == 3
#define LIMIT 448.0f
#elif WT == 6
#define LIMIT 127.0f
#else
#define LIMIT 8.0f
#endif

#ifdef QUANTIZE
static inline float round_scale(float s) {
#if SC == 1
  return s;
#elif SC == 2
  return f16_to_f32(f32_to_f16(clamp(s, -65504.0f, 65504.0f)));
#elif SC == 3
  return bf16_to_f32(f32_to_bf16(s));
#else
  uint b = (as_uint(fabs(s)) + 0x7fffffu) & 0xff800000u;
  return as_float(b == 0 ? 0x00400000u : min(b, 0x7f000000u));
#endif
}

static inline void put_scale(MUT p, long i, float s) {
#if SC == 1
  STF(p + i * 4, s);
#elif SC == 2
  STH(p + i * 2, f32_to_f16(s));
#elif SC == 3
  STH(p + i * 2, f32_to_bf16(s));
#else
  p[i] = (uchar)(as_uint(s) >> 23);
#endif
}

__kernel void quantize(SRC a, long a_o, MUT out, long out_o, MUT scales, long s_o, long8 s_strides, long8 vdims,
                       long8 a_strides, long8 o_strides, int rank, long batches, long R, long K, long blockRows,
                       long blockColumns, long chunk) {
  long dims[8];
  long sa[8];
  long so[8];
  long ss[8];
  vstore8(vdims, 0, dims);
  vstore8(a_strides, 0, sa);
  vstore8(o_strides, 0, so);
  vstore8(s_strides, 0, ss);
  a += a_o;
  out += out_o;
  scales += s_o;
  const long down = (R + blockRows - 1) / blockRows;
  const long across = (K + blockColumns - 1) / blockColumns;
  const long total = batches * down * across;
  const long g0 = get_global_id(0) * chunk;
  for (long g = g0; g < min(g0 + chunk, total); g++) {
    const long batch = g / (down * across);
    const long br = g / across % down;
    const long bc = g % across;
    const long oa = offset_of(batch, dims, sa, rank - 2);
    const long oo = offset_of(batch, dims, so, rank - 2);
    const long os = offset_of(batch, dims, ss, rank - 2) + br * ss[rank - 2] + bc * ss[rank - 1];
    const long r1 = min((br + 1) * blockRows, R);
    const long c1 = min((bc + 1) * blockColumns, K);
    float ext = 0.0f;
    for (long r = br * blockRows; r < r1; r++) {
      for (long c = bc * blockColumns; c < c1; c++) {
        const float v = LDF(a + (oa + r * sa[rank - 2] + c * sa[rank - 1]) * 4);
        if (fabs(v) > fabs(ext)) ext = v;
      }
    }
#if WT == 3
    const float s = round_scale(fmax(fabs(ext), 1e-4f) / 448.0f);
#elif WT == 6
    const float s = round_scale(fabs(ext) / 127.0f);
#else
    const float s = round_scale(ext / -8.0f);
#endif
    put_scale(scales, os, s);
    for (long r = br * blockRows; r < r1; r++) {
      for (long c = bc * blockColumns; c < c1; c++) {
        const float v = LDF(a + (oa + r * sa[rank - 2] + c * sa[rank - 1]) * 4);
        const long o = oo + r * so[rank - 2] + c * so[rank - 1];
#if WT == 3
        out[o] = f32_to_f8(v / s);
#else
        const float q = s == 0.0f || isnan(v) ? 0.0f : rint(v / s);
#if WT == 6
        out[o] = (uchar)(char)(int)clamp(q, -127.0f, 127.0f);
#else
        const int n = (int)clamp(q, -8.0f, 7.0f) & 15;
        out[o >> 1] = (uchar)((o & 1) ? (out[o >> 1] & 15) | n << 4 : (out[o >> 1] & 0xf0) | n);
#endif
#endif
      }
    }
  }
}
#endif

#ifdef DEQUANTIZE
__kernel void dequantize(SRC a, long a_o, SRC scales, long s_o, long8 s_strides, MUT out, long out_o, long8 vdims,
                         long8 a_strides, long8 o_strides, int rank, long rows, long R, long K, long blockRows,
                         long blockColumns, long chunk) {
  long dims[8];
  long sa[8];
  long so[8];
  long ss[8];
  vstore8(vdims, 0, dims);
  vstore8(a_strides, 0, sa);
  vstore8(o_strides, 0, so);
  vstore8(s_strides, 0, ss);
  a += a_o;
  out += out_o;
  scales += s_o;
  const long r0 = get_global_id(0) * chunk;
  for (long r = r0; r < min(r0 + chunk, rows); r++) {
    const long batch = r / R;
    const long row = r - batch * R;
    const long oa = offset_of(r, dims, sa, rank - 1);
    const long oo = offset_of(r, dims, so, rank - 1);
    const long os = offset_of(batch, dims, ss, rank - 2) + row / blockRows * ss[rank - 2];
    for (long c = 0; c < K; c++) {
      const float s = scale_to_f32(scales, os + c / blockColumns * ss[rank - 1], SC - 1);
      STF(out + (oo + c * so[rank - 1]) * 4, w1(a, oa + c * sa[rank - 1]) * s);
    }
  }
}
#endif
