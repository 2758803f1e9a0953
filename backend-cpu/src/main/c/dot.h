/* dot.h: products with rounded activations (HC_DOT), for integer and bf16 dot-product instructions.
 *
 *   BF16 weights   x is rounded to bf16, nearest even
 *   I8, I4         x is rounded to int8 in groups of 32 columns: s = amax / 127, q = rne(x * (127 / amax)); a group that holds
 *                  NaN or infinity gives NaN
 *   dot_core       y[m,n-n0] += sum_k round(x[row(m),k]) W[n,k], sums in f32 (within a group of 32: exact, int32)
 *
 * Where the processor has no such instructions, rounded x goes through the f32 kernels: the same meaning at their speed.
 */
#ifndef HC_DOT_H
#define HC_DOT_H

#define DOT_GROUP 32
#define DOT_KMAX 65536

extern int hc_has_dot; /* dispatch.c: whether the instructions of dot_avx512.h may be used */

/* Whether HC_DOT changes anything for these weights. */
static AINLINE int dot_takes(const hc_w *w, int64_t K) {
    if (!w->dot || K > DOT_KMAX) return 0;
    if (w->wt == HC_BF16) return !w->sc;
    return w->wt >= HC_I8 && (!w->sc || w->bk >= K || w->bk % DOT_GROUP == 0);
}

/* 127 / amax of n <= 32 values and their scale; a group of zeros has scale 0. */
static inline float dot_scale(const float *x, int64_t n, float *scale) {
    uint32_t top = 0;
    for (int64_t i = 0; i < n; i++) top = MAX(top, bits_of_f32(x[i]) & 0x7fffffff);
    const float amax = f32_of_bits(top);
    *scale = top < 0x7f800000 ? amax / 127.0f : f32_of_bits(0x7fc00000);
    return top && top < 0x7f800000 ? 127.0f / amax : 0;
}

static void dot_round(int64_t wt, const float *x, int64_t K, float *out) {
    if (wt == HC_BF16) {
        for (int64_t k = 0; k < K; k++) out[k] = f32_of_bf16(bf16_of_f32(x[k]));
        return;
    }
    for (int64_t k = 0; k < K; k += DOT_GROUP) {
        const int64_t n = MIN((int64_t)DOT_GROUP, K - k);
        float s;
        const float inv = dot_scale(x + k, n, &s);
        for (int64_t i = 0; i < n; i++) out[k + i] = (inv != 0 ? rintf(x[k + i] * inv) : 0) * s;
    }
}

static __attribute__((noinline)) void dot_portable(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx,
                                                   const int32_t *rows, int64_t M, int64_t K, float *y, int64_t ldy) {
    float xr[DOT_KMAX] __attribute__((aligned(64)));
    const int64_t step = DOT_KMAX / K;
    for (int64_t m = 0; m < M; m += step) {
        const int64_t c = MIN(step, M - m);
        for (int64_t i = 0; i < c; i++) dot_round(w->wt, x_row(x, ldx, rows, m + i), K, xr + i * K);
        f32_core(w, n0, n1, xr, K, 0, c, K, y + m * ldy, ldy);
    }
}

#if VL == 16
#include "dot_avx512.h"
#endif

static void dot_core(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, const int32_t *rows, int64_t M, int64_t K,
                     float *y, int64_t ldy) {
#if VL == 16
    if (hc_has_dot) {
        dot_native(w, n0, n1, x, ldx, rows, M, K, y, ldy);
        return;
    }
#endif
    dot_portable(w, n0, n1, x, ldx, rows, M, K, y, ldy);
}
#endif
