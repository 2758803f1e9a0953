/* dot_avx512.h: HC_DOT with vdpbf16ps and vpdpbusd (Zen 4, Cooper Lake, Sapphire Rapids and later).
 *
 * vpdpbusd multiplies unsigned by signed bytes, so weights are biased to unsigned (I8 by 128, I4 by 8) and every sum begins at
 * -bias * sum(q) of its activations.
 *
 *   few rows of x  weights are read in place in address order with the prefetch stream of gemv1.h
 *   more           panels of 16 weight rows are transposed to [k/4 or k/2][row], so that a lane is a row of W and nothing is
 *                  summed across lanes; activations are broadcast, four bytes at a time
 */
#pragma GCC push_options
#pragma GCC target("avx512vnni,avx512bf16")

#define DOT_FEW 4
#define DOT_KB 8192 /* columns of x rounded at a time when rows are few */
#define DOT_KC 512  /* columns and rows of x of a block when rows are many */
#define DOT_MB 128
#define DOT_MR 8
#define DOT_SPREAD(wt) ((wt) == HC_I4 ? 4 : 2) /* groups in 64 bytes of weights */

static AINLINE __mmask64 dot_bytes(int64_t n) { return n >= 64 ? ~0ull : n <= 0 ? 0 : (1ull << n) - 1; }

/* n <= 32 values, rounded to int8; returns their sum, *scale receives the group's scale. */
static AINLINE int32_t dot_group(const float *x, int64_t n, int8_t *q, float *scale) {
    vf a = vldn(x, n), b = vldn(x + VL, MAX((int64_t)0, n - VL));
    const __m512i abs = _mm512_set1_epi32(0x7fffffff);
    const uint32_t top = _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), abs),
                                                                  _mm512_and_si512(_mm512_castps_si512(b), abs)));
    const float amax = f32_of_bits(top);
    const int usable = top && top < 0x7f800000;
    const vf inv = vset(usable ? 127.0f / amax : 0);
    *scale = top < 0x7f800000 ? amax / 127.0f : f32_of_bits(0x7fc00000);
    __m512i i = _mm512_cvtps_epi32(vmul(a, inv)), j = _mm512_cvtps_epi32(vmul(b, inv));
    if (!usable) i = j = _mm512_setzero_si512();
    _mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8(i));
    _mm_storeu_si128((__m128i *)(q + VL), _mm512_cvtepi32_epi8(j));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(i, j));
}

static AINLINE void dot_bf16(const float *x, int64_t n, uint16_t *out) { /* n <= 32; the rest becomes 0 */
    const vf a = vldn(x, n), b = vldn(x + VL, MAX((int64_t)0, n - VL));
    _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

/* ---- few rows of x ------------------------------------------------------------------------------------------------- */
typedef struct {
    uint8_t q[DOT_KB * 2];  /* bf16; or int8, for I4 even and odd elements of each 128 apart */
    int32_t begin[DOT_KB / 4]; /* what each lane's sum begins with */
    float scale[DOT_KB / DOT_GROUP + VL];
} dot_x;

static void dot_prepare(int wt, const float *x, int64_t K, dot_x *d) {
    if (wt == HC_BF16) {
        for (int64_t k = 0; k < K; k += 32) dot_bf16(x + k, K - k, (uint16_t *)d->q + k);
        return;
    }
    const int64_t step = wt == HC_I4 ? 128 : 64;
    int8_t q[128];
    int64_t g = 0;
    for (int64_t k = 0; k < K; k += step) {
        for (int64_t i = 0; i < step; i += DOT_GROUP, g++)
            dot_group(x + k + i, MAX((int64_t)0, MIN((int64_t)DOT_GROUP, K - k - i)), q + i, d->scale + g);
        const __m512i ones = _mm512_set1_epi8(1), none = _mm512_setzero_si512();
        __m512i lo = _mm512_loadu_si512(q);
        if (wt == HC_I8) {
            _mm512_storeu_si512(d->q + k, lo);
            const __m512i sum = _mm512_dpbusd_epi32(none, ones, lo);
            _mm512_storeu_si512(d->begin + k / 4, _mm512_sub_epi32(none, _mm512_slli_epi32(sum, 7)));
            continue;
        }
        __m512i hi = _mm512_loadu_si512(q + 64);
        const __m512i even = _mm512_permutex2var_epi64(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(lo)),
                                                       _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11),
                                                       _mm512_castsi256_si512(_mm512_cvtepi16_epi8(hi)));
        lo = _mm512_srli_epi16(lo, 8), hi = _mm512_srli_epi16(hi, 8);
        const __m512i odd = _mm512_permutex2var_epi64(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(lo)),
                                                      _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11),
                                                      _mm512_castsi256_si512(_mm512_cvtepi16_epi8(hi)));
        _mm512_storeu_si512(d->q + k, even);
        _mm512_storeu_si512(d->q + k + 64, odd);
        const __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(none, ones, even), ones, odd);
        _mm512_storeu_si512(d->begin + k / 8, _mm512_sub_epi32(none, _mm512_slli_epi32(sum, 3)));
    }
    for (int i = 0; i < VL; i++) d->scale[g + i] = 0;
}

/* out[g] = weight scale of the groups of columns [k0,k0+K) of row n; up to VL - 1 beyond are 0. */
static AINLINE void dot_scales(const hc_w *w, int64_t n, int64_t k0, int64_t K, float *out) {
    const int64_t G = (K + DOT_GROUP - 1) / DOT_GROUP, g0 = k0 / DOT_GROUP;
    if (!w->sc || w->bk >= k0 + K) {
        float s = 1;
        if (w->sc) scales_f32(w, n, 0, 1, 1.0f, &s);
        for (int64_t g = 0; g < G; g += VL) vst(out + g, vset(s));
        return;
    }
    const int64_t per = w->bk / DOT_GROUP, first = g0 / per, count = (g0 + G - 1) / per - first + 1;
    if (per == 1 && (w->st == HC_SC_F16 || w->st == HC_SC_F32)) {
        const int64_t at = (w->bn == 1 ? w->ro + n : (w->ro + n) / w->bn) * w->lds + first;
        for (int64_t g = 0; g < G; g += VL) {
            const __mmask16 m = vmaskn(G - g);
            vst(out + g, w->st == HC_SC_F32 ? _mm512_maskz_loadu_ps(m, w->sc + 4 * (at + g))
                                            : _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, w->sc + 2 * (at + g))));
        }
        return;
    }
    float sb[DOT_KB / DOT_GROUP + VL];
    scales_f32(w, n, first, count, 1.0f, per == 1 ? out : sb);
    if (per > 1)
        for (int64_t i = 0, g = 0; i < count; i++)
            for (const int64_t e = MIN((first + i + 1) * per - g0, G); g < e; g++) out[g] = sb[i];
    for (int64_t g = G; g % VL; g++) out[g] = 0;
}

static AINLINE void dot_ahead(const uint8_t *p, int prefetch) {
    if (prefetch) __builtin_prefetch(p + G1_AHEAD, 0, 2);
}

static AINLINE float dot_row_bf16(const uint8_t *row, const uint16_t *x, int64_t K, int prefetch) {
    vf acc[4] = {vzero(), vzero(), vzero(), vzero()};
    int64_t k = 0;
    for (; k + 128 <= K; k += 128)
        UNROLL for (int v = 0; v < 4; v++) {
            const uint8_t *p = row + 2 * (k + 32 * v);
            dot_ahead(p, prefetch);
            acc[v] = _mm512_dpbf16_ps(acc[v], (__m512bh)_mm512_loadu_si512(p), (__m512bh)_mm512_loadu_si512(x + k + 32 * v));
        }
    for (int v = 0; k < K; k += 32, v++) {
        const __m512i w = _mm512_maskz_loadu_epi8(dot_bytes(2 * (K - k)), row + 2 * k);
        acc[v] = _mm512_dpbf16_ps(acc[v], (__m512bh)w, (__m512bh)_mm512_loadu_si512(x + k));
    }
    return vsum(vadd(vadd(acc[0], acc[1]), vadd(acc[2], acc[3])));
}

/* 64 bytes of weights from column k on, with the scales of their groups: lanes of a group lie side by side. */
static AINLINE vf dot_step(int wt, __m512i w, const dot_x *d, int64_t k, vf scales, int at, vf acc) {
    const __m512i lanes = wt == HC_I4 ? _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)
                                      : _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    __m512i sum;
    if (wt == HC_I4) {
        const __m512i low = _mm512_set1_epi8(15);
        w = _mm512_xor_si512(w, _mm512_set1_epi8((char)0x88));
        sum = _mm512_dpbusd_epi32(_mm512_loadu_si512(d->begin + k / 8), _mm512_and_si512(w, low), _mm512_loadu_si512(d->q + k));
        sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(w, 4), low), _mm512_loadu_si512(d->q + k + 64));
    } else {
        w = _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80));
        sum = _mm512_dpbusd_epi32(_mm512_loadu_si512(d->begin + k / 4), w, _mm512_loadu_si512(d->q + k));
    }
    const vf s = _mm512_permutexvar_ps(_mm512_add_epi32(lanes, _mm512_set1_epi32(at)), scales);
    return vfma(_mm512_cvtepi32_ps(sum), s, acc);
}
static AINLINE float dot_row_int(int wt, const uint8_t *row, const dot_x *d, const float *scales, int64_t K, int prefetch) {
    const int64_t span = VL * DOT_GROUP, step = span * DOT_SPREAD(wt) / VL;
    vf acc[2] = {vzero(), vzero()};
    int64_t k = 0;
    for (; k + span <= K; k += span) {
        const vf s = vmul(vld(scales + k / DOT_GROUP), vld(d->scale + k / DOT_GROUP));
        for (int i = 0; i < VL / DOT_SPREAD(wt); i++) { /* a constant where this is inlined */
            const uint8_t *p = row + w_bytes(wt, k) + 64 * i;
            dot_ahead(p, prefetch);
            acc[i & 1] = dot_step(wt, _mm512_loadu_si512(p), d, k + i * step, s, i * DOT_SPREAD(wt), acc[i & 1]);
        }
    }
    if (k < K) {
        const vf s = vmul(vld(scales + k / DOT_GROUP), vld(d->scale + k / DOT_GROUP));
        for (int i = 0; k < K; k += step, i++) {
            const __m512i w = _mm512_maskz_loadu_epi8(dot_bytes(wt == HC_I4 ? (K - k + 1) / 2 : K - k), row + w_bytes(wt, k));
            acc[0] = dot_step(wt, w, d, k, s, i * DOT_SPREAD(wt), acc[0]);
        }
    }
    return vsum(vadd(acc[0], acc[1]));
}

static AINLINE void dot_few(int wt, const hc_w *w, int64_t n0, int64_t n1, const float *const *x, int64_t M, int64_t K, float *y,
                            int64_t ldy) {
    dot_x d[DOT_FEW] __attribute__((aligned(64)));
    float scales[DOT_KB / DOT_GROUP + VL];
    g1_warm(w->data + n0 * w->rs);
    for (int64_t k0 = 0; k0 < K; k0 += DOT_KB) {
        const int64_t kc = MIN((int64_t)DOT_KB, K - k0);
        for (int64_t m = 0; m < M; m++) dot_prepare(wt, x[m] + k0, kc, d + m);
        for (int64_t n = n0; n < n1; n++) {
            const uint8_t *row = w->data + n * w->rs + w_bytes(wt, k0);
            if (wt != HC_BF16) dot_scales(w, n, k0, kc, scales);
            for (int64_t m = 0; m < M; m++) {
                const float sum = wt == HC_BF16 ? dot_row_bf16(row, (const uint16_t *)d[m].q, kc, m == 0)
                                                : dot_row_int(wt, row, d + m, scales, kc, m == 0);
                y[m * ldy + n - n0] += sum;
            }
        }
    }
}

/* ---- many rows of x ------------------------------------------------------------------------------------------------ */
typedef struct {
    uint8_t x[DOT_MB * DOT_KC * 2];       /* rows of DOT_KC int8 or bf16 */
    float xs[DOT_MB * DOT_KC / DOT_GROUP];
    int32_t begin[DOT_MB * DOT_KC / DOT_GROUP];
    int32_t w[DOT_KC / 2 * VL];           /* [4 or 2 columns][row of W] */
    float ws[DOT_KC / DOT_GROUP * VL];    /* [group][row of W] */
} dot_block;

static AINLINE void dot_transpose(__m512i *r) {
    __m512i t[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* 64 bytes of a row as the dot product wants them, from column k on; n columns are left. */
static AINLINE __m512i dot_load(int wt, const uint8_t *row, int64_t k, int64_t n) {
    if (wt == HC_BF16) return _mm512_maskz_loadu_epi8(dot_bytes(2 * n), row + 2 * k);
    if (wt == HC_I8) return _mm512_xor_si512(_mm512_maskz_loadu_epi8(dot_bytes(n), row + k), _mm512_set1_epi8((char)0x80));
    const __m512i v = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8((__mmask32)dot_bytes((n + 1) / 2), row + k / 2));
    const __m512i both = _mm512_and_si512(_mm512_or_si512(v, _mm512_slli_epi16(v, 4)), _mm512_set1_epi8(15));
    return _mm512_xor_si512(both, _mm512_set1_epi8(8));
}

/* Weight rows n to n+16 of columns [k0,k0+kc); rows beyond n1 repeat the last. */
static AINLINE void dot_panel(int wt, const hc_w *w, int64_t n, int64_t n1, int64_t k0, int64_t kc, dot_block *b) {
    const int64_t step = wt == HC_BF16 ? 32 : 64;
    for (int64_t k = 0; k < kc; k += step) {
        __m512i r[16];
        UNROLL for (int j = 0; j < 16; j++) r[j] = dot_load(wt, w->data + MIN(n + j, n1 - 1) * w->rs, k0 + k, kc - k);
        dot_transpose(r);
        UNROLL for (int j = 0; j < 16; j++) _mm512_storeu_si512(b->w + (k / step * 16 + j) * VL, r[j]);
    }
    if (wt == HC_BF16) return;
    const int64_t G = (kc + DOT_GROUP - 1) / DOT_GROUP;
    for (int j = 0; j < VL; j++) {
        float s[DOT_KC / DOT_GROUP + VL];
        dot_scales(w, MIN(n + j, n1 - 1), k0, kc, s);
        for (int64_t g = 0; g < G; g++) b->ws[g * VL + j] = s[g];
    }
}

static AINLINE void dot_tile(int wt, int MR, const dot_block *b, int64_t m, int64_t kc, float *y, int64_t ldy, int64_t n) {
    vf f[DOT_MR];
    UNROLL for (int i = 0; i < MR; i++) f[i] = vzero();
    if (wt == HC_BF16) {
        for (int64_t p = 0; p < (kc + 1) / 2; p++) {
            const __m512bh w = (__m512bh)_mm512_loadu_si512(b->w + p * VL);
            UNROLL for (int i = 0; i < MR; i++) {
                int32_t x;
                memcpy(&x, b->x + ((m + i) * DOT_KC + 2 * p) * 2, 4);
                f[i] = _mm512_dpbf16_ps(f[i], w, (__m512bh)_mm512_set1_epi32(x));
            }
        }
    } else {
        for (int64_t g = 0; g < (kc + DOT_GROUP - 1) / DOT_GROUP; g++) {
            const int64_t at = m * (DOT_KC / DOT_GROUP) + g;
            __m512i acc[DOT_MR];
            UNROLL for (int i = 0; i < MR; i++) acc[i] = _mm512_set1_epi32(b->begin[at + i * (DOT_KC / DOT_GROUP)]);
            UNROLL for (int p = 0; p < DOT_GROUP / 4; p++) {
                const __m512i w = _mm512_loadu_si512(b->w + (g * (DOT_GROUP / 4) + p) * VL);
                UNROLL for (int i = 0; i < MR; i++) {
                    int32_t x;
                    memcpy(&x, b->x + (m + i) * DOT_KC + g * DOT_GROUP + 4 * p, 4);
                    acc[i] = _mm512_dpbusd_epi32(acc[i], w, _mm512_set1_epi32(x));
                }
            }
            const vf ws = vld(b->ws + g * VL);
            UNROLL for (int i = 0; i < MR; i++) {
                const vf s = vmul(ws, vset(b->xs[at + i * (DOT_KC / DOT_GROUP)]));
                f[i] = vfma(_mm512_cvtepi32_ps(acc[i]), s, f[i]);
            }
        }
    }
    UNROLL for (int i = 0; i < MR; i++) vstn(y + i * ldy, vadd(f[i], vldn(y + i * ldy, n)), n);
}
static AINLINE void dot_many(int wt, const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, const int32_t *rows,
                             int64_t M, int64_t K, float *y, int64_t ldy) {
    dot_block b __attribute__((aligned(64)));
    const int bias = wt == HC_I4 ? 8 : 128;
    for (int64_t mb = 0; mb < M; mb += DOT_MB)
        for (int64_t k0 = 0; k0 < K; k0 += DOT_KC) {
            const int64_t kc = MIN((int64_t)DOT_KC, K - k0), mc = MIN((int64_t)DOT_MB, M - mb);
            for (int64_t m = 0; m < mc; m++) {
                const float *xp = x_row(x, ldx, rows, mb + m) + k0;
                for (int64_t k = 0; k < kc; k += DOT_GROUP) {
                    const int64_t at = m * (DOT_KC / DOT_GROUP) + k / DOT_GROUP;
                    if (wt == HC_BF16) dot_bf16(xp + k, kc - k, (uint16_t *)b.x + m * DOT_KC + k);
                    else b.begin[at] = -bias * dot_group(xp + k, MIN((int64_t)DOT_GROUP, kc - k), (int8_t *)b.x + m * DOT_KC + k, b.xs + at);
                }
            }
            for (int64_t n = n0; n < n1; n += VL) {
                dot_panel(wt, w, n, n1, k0, kc, &b);
                float *yp = y + mb * ldy + (n - n0);
                int64_t m = 0;
                for (; m + DOT_MR <= mc; m += DOT_MR) dot_tile(wt, DOT_MR, &b, m, kc, yp + m * ldy, ldy, n1 - n);
                if (m + 4 <= mc) dot_tile(wt, 4, &b, m, kc, yp + m * ldy, ldy, n1 - n), m += 4;
                for (; m < mc; m++) dot_tile(wt, 1, &b, m, kc, yp + m * ldy, ldy, n1 - n);
            }
        }
}

#define DOT_TYPE(NAME, WT)                                                                                               \
    static __attribute__((noinline)) void NAME##_few(const hc_w *w, int64_t n0, int64_t n1, const float *const *x,       \
                                                     int64_t M, int64_t K, float *y, int64_t ldy) {                      \
        dot_few(WT, w, n0, n1, x, M, K, y, ldy);                                                                         \
    }                                                                                                                    \
    static __attribute__((noinline)) void NAME##_many(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, \
                                                      const int32_t *rows, int64_t M, int64_t K, float *y, int64_t ldy) { \
        dot_many(WT, w, n0, n1, x, ldx, rows, M, K, y, ldy);                                                             \
    }
DOT_TYPE(dot_of_bf16, HC_BF16)
DOT_TYPE(dot_of_i8, HC_I8)
DOT_TYPE(dot_of_i4, HC_I4)
#pragma GCC pop_options

static void dot_native(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, const int32_t *rows, int64_t M,
                       int64_t K, float *y, int64_t ldy) {
    if (M <= DOT_FEW) {
        const float *xp[DOT_FEW] = {0};
        for (int64_t m = 0; m < M; m++) xp[m] = x_row(x, ldx, rows, m);
        (w->wt == HC_BF16 ? dot_of_bf16_few : w->wt == HC_I8 ? dot_of_i8_few : dot_of_i4_few)(w, n0, n1, xp, M, K, y, ldy);
    } else {
        (w->wt == HC_BF16 ? dot_of_bf16_many : w->wt == HC_I8 ? dot_of_i8_many : dot_of_i4_many)(w, n0, n1, x, ldx, rows, M, K, y, ldy);
    }
}
