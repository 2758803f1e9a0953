/* vec_avx512.h: AVX-512 F/BW/VL/DQ/VBMI + F16C (Ice Lake, Zen 4 and later). 16 floats. */
#include <immintrin.h>
#define VL 16
#define HC_DEINT(wt) ((wt) == HC_BF16 || (wt) == HC_I4)
#define HC_F8PAIR 256.0f
#define NT_MR 4
#define NT_NR 6
typedef __m512 vf;

/* bf16 bits of the e4m3 magnitude m divided by 256; subnormals m < 8 are m * 2^-17. */
#define F8_BF16(m) \
    ((m) == 127 ? 0x7fc0 : (m) >= 8 ? (((m) >> 3) + 112) << 7 | ((m) & 7) << 4 \
     : (m) >= 4 ? 112 << 7 | ((m) & 3) << 5 : (m) >= 2 ? 111 << 7 | ((m) & 1) << 6 : (m) ? 110 << 7 : 0)
#define F8_HI(m) (F8_BF16(m) >> 8)
#define F8_LO(m) (F8_BF16(m) & 255)
#define F8_8(f, m) f(m), f(m + 1), f(m + 2), f(m + 3), f(m + 4), f(m + 5), f(m + 6), f(m + 7)
#define F8_32(f, m) F8_8(f, m), F8_8(f, m + 8), F8_8(f, m + 16), F8_8(f, m + 24)
#define F8_TABLE(f) F8_32(f, 0), F8_32(f, 32), F8_32(f, 64), F8_32(f, 96)

static AINLINE __mmask16 vmaskn(int64_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }
static AINLINE vf vzero(void) { return _mm512_setzero_ps(); }
static AINLINE vf vset(float f) { return _mm512_set1_ps(f); }
static AINLINE vf vld(const float *p) { return _mm512_loadu_ps(p); }
static AINLINE void vst(float *p, vf v) { _mm512_storeu_ps(p, v); }
static AINLINE vf vldn(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(vmaskn(n), p); }
static AINLINE void vstn(float *p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, vmaskn(n), v); }
static AINLINE vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
static AINLINE vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static AINLINE vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static AINLINE vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
static AINLINE vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
static AINLINE vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
static AINLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static AINLINE vf vround(vf a) { return _mm512_roundscale_ps(a, 8); }
static AINLINE vf vscale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }
static AINLINE float vsum(vf v) { return _mm512_reduce_add_ps(v); }
static AINLINE float vhmax(vf v) { return _mm512_reduce_max_ps(v); }

static AINLINE void vsum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    vf cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    vf s = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}

static AINLINE vf vw_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static AINLINE vf vw_bf16(const uint8_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
static AINLINE vf vw_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static AINLINE vf vw_i4(const uint8_t *p) {
    __m128i v = _mm_loadl_epi64((const __m128i *)p);
    __m128i b = _mm_unpacklo_epi8(v, _mm_srli_epi16(v, 4));
    __m512i d = _mm512_srai_epi32(_mm512_slli_epi32(_mm512_cvtepu8_epi32(b), 28), 28);
    return _mm512_cvtepi32_ps(d);
}
/* e4m3 as the f16 with the same fields is the value / 256, subnormals included; magnitude 0x7f is NaN. */
static AINLINE vf vw_f8(const uint8_t *p) {
    __m256i x = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)), 8);
    __m256i t = _mm256_and_si256(_mm256_srai_epi16(x, 1), _mm256_set1_epi16((short)0xbf80));
    __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_add_epi16(x, x), _mm256_set1_epi16((short)0xfe00));
    t = _mm256_mask_mov_epi16(t, nan, _mm256_set1_epi16(0x7fff));
    return _mm512_mul_ps(_mm512_cvtph_ps(t), _mm512_set1_ps(256.0f));
}
static AINLINE void vp_f8(const uint8_t *p, vf *a, vf *b) {
    __m512i x = _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p)), 8);
    __m512i t = _mm512_and_si512(_mm512_srai_epi16(x, 1), _mm512_set1_epi16((short)0xbf80));
    __mmask32 nan = _mm512_cmpeq_epi16_mask(_mm512_add_epi16(x, x), _mm512_set1_epi16((short)0xfe00));
    t = _mm512_mask_mov_epi16(t, nan, _mm512_set1_epi16(0x7fff));
    *a = _mm512_cvtph_ps(_mm512_castsi512_si256(t));
    *b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(t, 1));
}
/* 64 e4m3 values in (even, odd, even, odd) order, values / HC_F8PAIR like vp_f8: a 128-entry byte table gives each half of
 * the bf16 with the same value, exact for every code. */
#define HC_F8QUAD
static const uint8_t hc_f8_hi[128] __attribute__((aligned(64))) = {F8_TABLE(F8_HI)};
static const uint8_t hc_f8_lo[128] __attribute__((aligned(64))) = {F8_TABLE(F8_LO)};
static AINLINE void vq_f8(const uint8_t *p, vf *v) {
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), odd = _mm512_set1_epi32((int)0xffff0000);
    __m512i b = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(p));
    __m512i hi = _mm512_permutex2var_epi8(_mm512_load_si512(hc_f8_hi), b, _mm512_load_si512(hc_f8_hi + 64));
    __m512i lo = _mm512_permutex2var_epi8(_mm512_load_si512(hc_f8_lo), b, _mm512_load_si512(hc_f8_lo + 64));
    hi = _mm512_ternarylogic_epi64(hi, b, _mm512_set1_epi8((char)0x80), 0xf8); /* hi | (b & 0x80) */
    __m512i l = _mm512_unpacklo_epi8(lo, hi), h = _mm512_unpackhi_epi8(lo, hi);
    v[0] = _mm512_castsi512_ps(_mm512_slli_epi32(l, 16)), v[1] = _mm512_castsi512_ps(_mm512_and_si512(l, odd));
    v[2] = _mm512_castsi512_ps(_mm512_slli_epi32(h, 16)), v[3] = _mm512_castsi512_ps(_mm512_and_si512(h, odd));
}
static AINLINE void vp_bf16(const uint8_t *p, vf *a, vf *b) {
    __m512i v = _mm512_loadu_si512(p);
    __asm__("" : "+v"(v)); /* one load, not one for each use */
    *a = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    *b = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000)));
}
static AINLINE void vp_i4(const uint8_t *p, vf *a, vf *b) {
    const vf tab = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    __m512i v = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    *a = _mm512_permutexvar_ps(v, tab);
    *b = _mm512_permutexvar_ps(_mm512_srli_epi32(v, 4), tab);
}
static AINLINE void vx_deint(const float *x, vf *a, vf *b) {
    const __m512i ev = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    vf p = vld(x), q = vld(x + 16);
    __asm__("" : "+v"(p), "+v"(q));
    *a = _mm512_permutex2var_ps(p, ev, q);
    *b = _mm512_permutex2var_ps(p, _mm512_add_epi32(ev, _mm512_set1_epi32(1)), q);
}
static AINLINE void vst_f16(uint16_t *p, vf v) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, 0)); }
