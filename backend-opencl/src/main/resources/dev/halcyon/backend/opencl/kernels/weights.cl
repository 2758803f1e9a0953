// Prepended to families that read weights: one element or VW neighbours as f32, scales applied by the caller.
//
//   WT   dtype code of the weight; SC  0 no scales, else 1 + scale format (f32, f16, bf16, ue8m0)
//   BR, BC  rows and columns of a scale block (BC 0: whole row)
//   WVEC 1 if VW neighbours may be loaded at once and lie in one scale block
// Element indices count from the weight's first element; scale indices from its scales' first.
// Accuracy: decoding is exact, stored * scale rounds once.
#if WT == 0
#define WBITS 32
#elif WT == 1 || WT == 2
#define WBITS 16
#elif WT == 8
#define WBITS 4
#else
#define WBITS 8
#endif

static inline float w1(SRC w, long i) {
#if WT <= 3
  return load_float(w, i, WT);
#elif WT == 6
  return (float)(char)w[i];
#elif WT == 7
  return (float)w[i];
#else
  int b = w[i >> 1] >> ((i & 1) << 2) & 15;
  return (float)(b - ((b & 8) << 1));
#endif
}

#if WT == 8
// Each byte twice, its nibbles moved to the top of an int: the low one by 28 bits, the high one by 24.
#if VW == 16
#define NIBBLE_BYTES uchar8
#define TWICE s0011223344556677
#define NIBBLE_SHIFTS (uint16)(28, 24, 28, 24, 28, 24, 28, 24, 28, 24, 28, 24, 28, 24, 28, 24)
#define LOAD_NIBBLES(p) vload8(0, p)
#elif VW == 8
#define NIBBLE_BYTES uchar4
#define TWICE s00112233
#define NIBBLE_SHIFTS (uint8)(28, 24, 28, 24, 28, 24, 28, 24)
#define LOAD_NIBBLES(p) vload4(0, p)
#else
#define NIBBLE_BYTES uchar2
#define TWICE s0011
#define NIBBLE_SHIFTS (uint4)(28, 24, 28, 24)
#define LOAD_NIBBLES(p) vload2(0, p)
#endif
#endif

static inline fv wv(SRC w, long i) {
#if WT <= 3
  return load_floats(w, i, WT);
#elif WT == 6
  return CAT(convert_float, VW)(LDSCV(w + i));
#elif WT == 7
  return CAT(convert_float, VW)(LDUCV(w + i));
#else
  const NIBBLE_BYTES b = LOAD_NIBBLES(w + (i >> 1));
  const uv bits = CAT(convert_uint, VW)(b.TWICE) << NIBBLE_SHIFTS;
  return CAT(convert_float, VW)(as_iv(bits) >> 28);
#endif
}

#if SC
#if BC
#define SCOL(k) ((k) / BC)
#else
#define SCOL(k) 0
#endif
#define SCALE(s, i) scale_to_f32(s, (i), SC - 1)
// A weight parameter: data, and scales with the strides of their rows and matrices.
#define WEIGHT(n) SRC n, long n##_o, SRC n##_s, long n##_so, long n##_sr, long n##_sm
#define WEIGHT_BEGIN(n) \
  n += n##_o;           \
  n##_s += n##_so
// First scale of a matrix row.
#define SROW(n, matrix, row) ((matrix) * n##_sm + (row) / BR * n##_sr)
#define SBASE(n) n##_s
#else
#define WEIGHT(n) SRC n, long n##_o
#define WEIGHT_BEGIN(n) n += n##_o
#define SROW(n, matrix, row) 0
#define SBASE(n) n
#endif
