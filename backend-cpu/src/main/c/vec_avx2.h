/* vec_avx2.h: AVX2 + FMA + F16C. 8 floats. */
#include <immintrin.h>
#define VL 8
#define HC_DEINT(wt) ((wt) == HC_BF16 || (wt) == HC_I4)
#define HC_F8PAIR 256.0f
#define NT_MR 3
#define NT_NR 4
typedef __m256 vf;

static AINLINE __m256i vmaskn(int64_t n) {
    int k = n >= 8 ? 8 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(k), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static AINLINE vf vzero(void) { return _mm256_setzero_ps(); }
static AINLINE vf vset(float f) { return _mm256_set1_ps(f); }
static AINLINE vf vld(const float *p) { return _mm256_loadu_ps(p); }
static AINLINE void vst(float *p, vf v) { _mm256_storeu_ps(p, v); }
static AINLINE vf vldn(const float *p, int64_t n) { return _mm256_maskload_ps(p, vmaskn(n)); }
static AINLINE void vstn(float *p, vf v, int64_t n) { _mm256_maskstore_ps(p, vmaskn(n), v); }
static AINLINE vf vadd(vf a, vf b) { return _mm256_add_ps(a, b); }
static AINLINE vf vsub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static AINLINE vf vmul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static AINLINE vf vdiv(vf a, vf b) { return _mm256_div_ps(a, b); }
static AINLINE vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
static AINLINE vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
static AINLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static AINLINE vf vround(vf a) { return _mm256_round_ps(a, 8); }
static AINLINE vf vscale2(vf a, vf n) { /* two factors, so that results may be subnormal */
    __m256i i = _mm256_cvtps_epi32(n), h = _mm256_srai_epi32(i, 1), b = _mm256_set1_epi32(127);
    a = _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(h, b), 23)));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, h), b), 23)));
}
static AINLINE float vsum(vf v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static AINLINE float vhmax(vf v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static AINLINE void vsum4(vf a, vf b, vf c, vf d, float *out) {
    vf s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

static AINLINE vf vw_f16(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static AINLINE vf vw_bf16(const uint8_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
static AINLINE vf vw_i8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static AINLINE __m256i i4_low(__m256i v) { return _mm256_srai_epi32(_mm256_slli_epi32(v, 28), 28); }
static AINLINE vf vw_i4(const uint8_t *p) {
    int32_t u;
    memcpy(&u, p, 4);
    __m128i v = _mm_cvtsi32_si128(u);
    return _mm256_cvtepi32_ps(i4_low(_mm256_cvtepu8_epi32(_mm_unpacklo_epi8(v, _mm_srli_epi16(v, 4)))));
}
/* e4m3 as the f16 with the same fields is the value / 256, subnormals included; magnitude 0x7f is NaN. */
static AINLINE vf f8_half(__m128i bytes) {
    __m128i x = _mm_slli_epi16(_mm_cvtepu8_epi16(bytes), 8);
    __m128i t = _mm_and_si128(_mm_srai_epi16(x, 1), _mm_set1_epi16((short)0xbf80));
    __m128i nan = _mm_cmpeq_epi16(_mm_add_epi16(x, x), _mm_set1_epi16((short)0xfe00));
    return _mm256_cvtph_ps(_mm_or_si128(t, _mm_and_si128(nan, _mm_set1_epi16(0x7fff))));
}
static AINLINE vf vw_f8(const uint8_t *p) {
    return _mm256_mul_ps(f8_half(_mm_loadl_epi64((const __m128i *)p)), _mm256_set1_ps(256.0f));
}
static AINLINE void vp_f8(const uint8_t *p, vf *a, vf *b) {
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    *a = f8_half(v);
    *b = f8_half(_mm_srli_si128(v, 8));
}
static AINLINE void vp_bf16(const uint8_t *p, vf *a, vf *b) {
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    *a = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
    *b = _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32((int)0xffff0000)));
}
static AINLINE void vp_i4(const uint8_t *p, vf *a, vf *b) {
    __m256i v = _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)), 24);
    *a = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(v, 4), 28));
    *b = _mm256_cvtepi32_ps(_mm256_srai_epi32(v, 28));
}
static AINLINE void vx_deint(const float *x, vf *a, vf *b) {
    vf p = vld(x), q = vld(x + 8);
    vf lo = _mm256_permute2f128_ps(p, q, 0x20), hi = _mm256_permute2f128_ps(p, q, 0x31);
    *a = _mm256_shuffle_ps(lo, hi, 0x88);
    *b = _mm256_shuffle_ps(lo, hi, 0xdd);
}
static AINLINE void vst_f16(uint16_t *p, vf v) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, 0)); }
