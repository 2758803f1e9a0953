/* gemv1.h: one row of x by many rows of W, the decode step.
 *
 * Weights are read strictly in address order, one row after another, with one prefetch stream 8 KiB ahead: four rows side by
 * side reach 0.75 to 0.9 of the read bandwidth, this 0.95 to 1.0. x is brought into the order of the widened pairs once per call.
 *
 * Accuracy: four interleaved partial sums of VL lanes; grouped scales multiply the partial sum of their group.
 */
#ifndef HC_GEMV1_H
#define HC_GEMV1_H

#define G1_AHEAD 8192 /* bytes */
#define G1_KMAX 12288 /* x in widened order lies on the stack */

static AINLINE void g1_prefetch(const uint8_t *p, int64_t bytes) {
    for (int64_t l = 0; l < bytes; l += 64) __builtin_prefetch(p + G1_AHEAD + l, 0, 2);
}

/* Asks for the beginning of a stretch of weights that is read soon. */
static AINLINE void g1_warm(const uint8_t *p) {
    for (int64_t l = 0; l < G1_AHEAD; l += 64) __builtin_prefetch(p + l, 0, 2);
}

/* x[0,K) in the order in which w_quad, then w_pair, deliver weights; the rest of K is left out. */
static AINLINE void g1_order(int wt, const float *x, int64_t K, float *xs) {
    const int64_t quads = K / (2 * VSTEP) * (2 * VSTEP);
    vf a, b;
    for (int64_t k = 0; k + VSTEP <= K; k += VSTEP) {
        if (k < quads) x_pair(HC_QUAD_ORDER(wt), x + k, &a, &b);
        else x_pair(wt, x + k, &a, &b);
        vst(xs + k, a);
        vst(xs + k + VL, b);
    }
}

/* acc[0..3] += W[k0,k1) * x, whole steps only; returns where it stopped. */
static AINLINE int64_t g1_span(int wt, const uint8_t *row, const float *xs, int64_t k0, int64_t k1, vf *acc) {
    int64_t k = k0;
    vf w[4];
    for (; k + 2 * VSTEP <= k1; k += 2 * VSTEP) {
        const uint8_t *p = row + w_bytes(wt, k);
        g1_prefetch(p, w_bytes(wt, 2 * VSTEP));
        w_quad(wt, p, w);
        UNROLL for (int v = 0; v < 4; v++) acc[v] = vfma(w[v], vld(xs + k + v * VL), acc[v]);
    }
    if (k + VSTEP <= k1) {
        w_pair(wt, row + w_bytes(wt, k), &w[0], &w[1]);
        acc[0] = vfma(w[0], vld(xs + k), acc[0]);
        acc[1] = vfma(w[1], vld(xs + k + VL), acc[1]);
        k += VSTEP;
    }
    return k;
}

/* The last columns [k,k1), fewer than a step. */
static AINLINE void g1_tail(int wt, const uint8_t *row, const float *x, int64_t k, int64_t k1, float post, vf *acc) {
    float t[VSTEP];
    const int64_t left = k1 - k;
    if (left <= 0) return;
    for (int64_t i = 0; i < VSTEP; i++) t[i] = i < left ? w_scalar(wt, row, k + i) / post : 0;
    acc[2] = vfma(vld(t), vldn(x + k, left), acc[2]);
    if (left > VL) acc[3] = vfma(vld(t + VL), vldn(x + k + VL, left - VL), acc[3]);
}

static AINLINE vf g1_sum(const vf *acc) { return vadd(vadd(acc[0], acc[1]), vadd(acc[2], acc[3])); }

/* Groups of exactly one step: the scale multiplies two products of it. */
static AINLINE void g1_steps(int wt, const uint8_t *row, const float *xs, int64_t g0, int64_t gn, const float *sb, vf *tot) {
    int64_t g = 0;
    for (; g + 4 <= gn; g += 4) {
        const int64_t k = (g0 + g) * VSTEP;
        const uint8_t *p = row + w_bytes(wt, k);
        g1_prefetch(p, w_bytes(wt, 4 * VSTEP));
        UNROLL for (int i = 0; i < 4; i++) {
            vf a, b;
            w_pair(wt, p + w_bytes(wt, i * VSTEP), &a, &b);
            a = vmul(a, vld(xs + k + i * VSTEP));
            a = vfma(b, vld(xs + k + i * VSTEP + VL), a);
            tot[i] = vfma(a, vset(sb[g + i]), tot[i]);
        }
    }
    for (; g < gn; g++) {
        const int64_t k = (g0 + g) * VSTEP;
        vf a, b;
        w_pair(wt, row + w_bytes(wt, k), &a, &b);
        a = vmul(a, vld(xs + k));
        a = vfma(b, vld(xs + k + VL), a);
        tot[g & 3] = vfma(a, vset(sb[g]), tot[g & 3]);
    }
}

/* GR as in gemv_tile. */
static AINLINE vf g1_row(int wt, int GR, const hc_w *w, int64_t n, const float *x, const float *xs, int64_t K) {
    const float post = wt == HC_F8 ? HC_F8PAIR : 1.0f;
    const uint8_t *row = w->data + n * w->rs;
    vf tot[4] = {vzero(), vzero(), vzero(), vzero()};
    if (!GR) {
        g1_tail(wt, row, x, g1_span(wt, row, xs, 0, K, tot), K, post, tot);
        float s = post;
        if (w->sc) scales_f32(w, n, 0, 1, post, &s);
        return vmul(g1_sum(tot), vset(s));
    }
    const int64_t seg = GR == 2 ? VSTEP : w->bk, G = (K + seg - 1) / seg;
    float sb[SCB];
    for (int64_t g0 = 0; g0 < G; g0 += SCB) {
        const int64_t gn = MIN((int64_t)SCB, G - g0);
        int64_t g = 0;
        scales_f32(w, n, g0, gn, post, sb);
        if (GR == 2) {
            g = MIN(gn, K / seg - g0);
            g1_steps(wt, row, xs, g0, g, sb, tot);
        }
        for (; g < gn; g++) {
            const int64_t k0 = (g0 + g) * seg, k1 = MIN(k0 + seg, K);
            vf acc[4] = {vzero(), vzero(), vzero(), vzero()};
            g1_tail(wt, row, x, g1_span(wt, row, xs, k0, k1, acc), k1, post, acc);
            tot[g & 3] = vfma(g1_sum(acc), vset(sb[g]), tot[g & 3]);
        }
    }
    return g1_sum(tot);
}

static AINLINE void gemv1(int wt, int GR, const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t K, float *y) {
    float xs[G1_KMAX] __attribute__((aligned(64)));
    g1_warm(w->data + n0 * w->rs);
    g1_order(wt, x, K, xs);
    for (int64_t n = n0; n < n1; n += 4) {
        const int c = (int)MIN((int64_t)4, n1 - n);
        vf sums[4];
        float out[4];
        for (int i = 0; i < c; i++) sums[i] = g1_row(wt, GR, w, n + i, x, xs, K);
        vsums(sums, c, out);
        for (int i = 0; i < c; i++) y[n - n0 + i] += out[i];
    }
}
#define GEMV1_TYPE(NAME, WT, GR)                                                                                         \
    static __attribute__((noinline)) void NAME(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t K, float *y) { \
        gemv1(WT, GR, w, n0, n1, x, K, y);                                                                               \
    }
GEMV1_TYPE(gemv1_f32, HC_F32, 0)
GEMV1_TYPE(gemv1_f16, HC_F16, 0)
GEMV1_TYPE(gemv1_bf16, HC_BF16, 0)
GEMV1_TYPE(gemv1_f8, HC_F8, 0)
GEMV1_TYPE(gemv1_f8g, HC_F8, 1)
GEMV1_TYPE(gemv1_i8, HC_I8, 0)
GEMV1_TYPE(gemv1_i8g, HC_I8, 1)
GEMV1_TYPE(gemv1_i4, HC_I4, 0)
GEMV1_TYPE(gemv1_i4g, HC_I4, 1)
GEMV1_TYPE(gemv1_i4s, HC_I4, 2)
GEMV1_TYPE(gemv1_i8s, HC_I8, 2)

/* Whether gemv1 takes it: groups must hold whole quads where those have another order than pairs. */
static AINLINE int g1_takes(const hc_w *w, int64_t K, int grouped) {
    const int mixed = HC_QUAD_ORDER((int)w->wt) != (int)w->wt;
    return K <= G1_KMAX && !(grouped && mixed && w->bk % (2 * VSTEP));
}
static void gemv1_any(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t K, float *y, int grouped) {
    switch (w->wt) {
    case HC_F32: gemv1_f32(w, n0, n1, x, K, y); break;
    case HC_F16: gemv1_f16(w, n0, n1, x, K, y); break;
    case HC_BF16: gemv1_bf16(w, n0, n1, x, K, y); break;
    case HC_F8: (grouped ? gemv1_f8g : gemv1_f8)(w, n0, n1, x, K, y); break;
    case HC_I8: (!grouped ? gemv1_i8 : w->bk == VSTEP ? gemv1_i8s : gemv1_i8g)(w, n0, n1, x, K, y); break;
    default: (!grouped ? gemv1_i4 : w->bk == VSTEP ? gemv1_i4s : gemv1_i4g)(w, n0, n1, x, K, y);
    }
}

/* y[c] += sum_r x[r] W[r,c] over columns [c0,c1) of unscaled floating weights: rows in address order, sums in registers. */
static AINLINE void g1_rows_in(int wt, const hc_w *w, const float *x, int64_t R, int64_t c0, int64_t c1, float *y) {
    int64_t c = c0;
    for (; c + 8 * VL <= c1; c += 8 * VL) {
        vf acc[8];
        UNROLL for (int j = 0; j < 8; j++) acc[j] = vld(y + (c - c0) + j * VL);
        for (int64_t r = 0; r < R; r++) {
            const uint8_t *p = w->data + r * w->rs + w_bytes(wt, c);
            const vf xr = vset(x[r]);
            UNROLL for (int j = 0; j < 8; j++) acc[j] = vfma(w_nat(wt, p + w_bytes(wt, j * VL)), xr, acc[j]);
        }
        UNROLL for (int j = 0; j < 8; j++) vst(y + (c - c0) + j * VL, acc[j]);
    }
    for (; c + VL <= c1; c += VL) {
        vf acc = vld(y + (c - c0));
        for (int64_t r = 0; r < R; r++) acc = vfma(w_nat(wt, w->data + r * w->rs + w_bytes(wt, c)), vset(x[r]), acc);
        vst(y + (c - c0), acc);
    }
    for (; c < c1; c++) {
        float acc = y[c - c0];
        for (int64_t r = 0; r < R; r++) acc += w_scalar(wt, w->data + r * w->rs, c) * x[r];
        y[c - c0] = acc;
    }
}
static __attribute__((noinline)) int gemv1_rows_in(const hc_w *w, const float *x, int64_t R, int64_t c0, int64_t c1, float *y) {
    if (w->sc) return 0;
    switch (w->wt) {
    case HC_F32: g1_rows_in(HC_F32, w, x, R, c0, c1, y); return 1;
    case HC_F16: g1_rows_in(HC_F16, w, x, R, c0, c1, y); return 1;
    case HC_BF16: g1_rows_in(HC_BF16, w, x, R, c0, c1, y); return 1;
    default: return 0;
    }
}
#endif
