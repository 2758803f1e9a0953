/* linear.c: HC_LINEAR and HC_HEAD_MATMUL. f32 accumulation; see core.h for order and accuracy. */
#include "core.h"

static void k_linear(const int64_t *s, int64_t begin, int64_t end) {
    const float *x = (const float *)s[1], *bias = (const float *)s[8], *res = (const float *)s[9];
    const int64_t ldx = s[2], M = s[3], K = s[5], ldy = s[7], ldr = s[10];
    float *y = (float *)s[6];
    const hc_w w = w_from_slots(s + 11);
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = begin; n < end; n++) y[m * ldy + n] = (res ? res[m * ldr + n] : 0) + (bias ? bias[n] : 0);
    lin_core(&w, begin, end, x, ldx, 0, M, K, y + begin, ldy);
}

/* y[t, c0..c1) = sum_n x[t,n] W[n, c0..c1): rows decoded to a panel that every token shares. */
static void head_transposed(const hc_w *w, const float *x, int64_t xt, int64_t T, int64_t rows, int64_t c0, int64_t c1, float *y,
                            int64_t yt, float *panel) {
    const int64_t cw = c1 - c0, ld = pad_vl(cw), nb = MAX((int64_t)1, MIN((int64_t)32, (256 << 10) / (4 * ld)));
    for (int64_t t = 0; t < T; t++) memset(y + t * yt, 0, sizeof(float) * (size_t)cw);
    if (T == 1 && gemv1_rows_in(w, x, rows, c0, c1, y)) return;
    for (int64_t n = 0; n < rows; n += nb) {
        const int64_t nc = MIN(nb, rows - n);
        for (int64_t i = 0; i < nc; i++) dequant_row(w, n + i, c0, c1, panel + i * ld);
        nn_block(x + n, xt, T, panel, ld, nc, cw, y, yt);
    }
}

static void k_head_matmul(const int64_t *s, int64_t begin, int64_t end) {
    const float *x = (const float *)s[1];
    float *y = (float *)s[8];
    const int64_t xt = s[2], xh = s[3], T = s[4], rows = s[6], C = s[7], yt = s[9], yh = s[10], trans = s[11];
    const int64_t rowsPerHead = s[12], rowOffset = s[13], blocks = s[14];
    const hc_w all = w_from_slots(s + 15);
    const int64_t dim = trans ? C : rows, part = ((dim + blocks - 1) / blocks + 63) / 64 * 64;
    for (int64_t i = begin; i < end; i++) {
        const int64_t h = i / blocks, d0 = MIN(i % blocks * part, dim), d1 = MIN(d0 + part, dim);
        if (d0 >= d1) continue;
        const hc_w w = w_rows_from(all, h * rowsPerHead + rowOffset);
        const float *xp = x + h * xh;
        float *yp = y + h * yh + d0;
        if (trans) {
            const int64_t step = MIN(part, (int64_t)4096);
            for (int64_t c = d0; c < d1; c += step)
                head_transposed(&w, xp, xt, T, rows, c, MIN(c + step, d1), yp + (c - d0), yt, (float *)s[0]);
        } else {
            for (int64_t t = 0; t < T; t++) memset(yp + t * yt, 0, sizeof(float) * (size_t)(d1 - d0));
            lin_core(&w, d0, d1, xp, xt, 0, T, C, yp, yt);
        }
    }
}
