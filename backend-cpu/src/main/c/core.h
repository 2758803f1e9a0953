/* core.h: what every matrix kernel is made of.
 *
 *   dequant_row   one weight row, columns [k0,k1), to f32 with its scales (k0 even for I4)
 *   nt_block      C[m,n] += sum_k A[m,k] B[n,k]   A rows by pointer, B an f32 panel zero-padded to a multiple of VL
 *   nn_block      C[m,c] += sum_r A[m,r] B[r,c]
 *   f32_core      y[m,n-n0] += sum_k x[row(m),k] W[n,k]: GEMV up to 4 rows of x (one row: gemv1.h), else GEMM on panels
 *   lin_core      the same, with rounded activations (dot.h) where the weight descriptor allows them
 *
 * Accuracy: f32 products and sums in VL (or more) interleaved partial sums; decoded weights carry one rounding (the scale).
 */
#ifndef HC_CORE_H
#define HC_CORE_H
#include "vec.h"

#define UNROLL _Pragma("GCC unroll 32")

static AINLINE vf w_nat(int wt, const uint8_t *p) {
    switch (wt) {
    case HC_F32: return vld((const float *)p);
    case HC_F16: return vw_f16(p);
    case HC_BF16: return vw_bf16(p);
    case HC_F8: return vw_f8(p);
    case HC_I8: return vw_i8(p);
    default: return vw_i4(p);
    }
}
static AINLINE void w_pair(int wt, const uint8_t *p, vf *a, vf *b) {
    switch (wt) {
    case HC_BF16: vp_bf16(p, a, b); break;
    case HC_F8: vp_f8(p, a, b); break;
    case HC_I4: vp_i4(p, a, b); break;
    default: *a = w_nat(wt, p), *b = w_nat(wt, p + w_bytes(wt, VL));
    }
}
#ifdef HC_F8QUAD
#define HC_QUAD_ORDER(wt) ((wt) == HC_F8 ? HC_BF16 : (wt)) /* the type whose pair order the quad has */
#else
#define HC_QUAD_ORDER(wt) (wt)
#endif
static AINLINE void w_quad(int wt, const uint8_t *p, vf *v) {
#ifdef HC_F8QUAD
    if (wt == HC_F8) {
        vq_f8(p, v);
        return;
    }
#endif
    w_pair(wt, p, v, v + 1);
    w_pair(wt, p + w_bytes(wt, VSTEP), v + 2, v + 3);
}
static AINLINE void x_pair(int wt, const float *x, vf *a, vf *b) {
    (void)wt;
    if (HC_DEINT(wt)) vx_deint(x, a, b);
    else *a = vld(x), *b = vld(x + VL);
}

/* cnt scales of matrix row n from group g on, times f. */
static inline void scales_f32(const hc_w *w, int64_t n, int64_t g, int64_t cnt, float f, float *out) {
    int64_t at = (w->bn == 1 ? w->ro + n : (w->ro + n) / w->bn) * w->lds + g, i = 0;
    if (w->st == HC_SC_F16)
        for (; i + VL <= cnt; i += VL) vst(out + i, vmul(vw_f16(w->sc + 2 * (at + i)), vset(f)));
    for (; i < cnt; i++) out[i] = sc_scalar((int)w->st, w->sc, at + i) * f;
}

static AINLINE void deq_span(int wt, const uint8_t *row, int64_t k0, int64_t k1, float s, float *out) {
    vf vs = vset(s);
    int64_t k = k0;
    for (; k + VL <= k1; k += VL) vst(out + (k - k0), vmul(w_nat(wt, row + w_bytes(wt, k)), vs));
    for (; k < k1; k++) out[k - k0] = w_scalar(wt, row, k) * s;
}
static AINLINE void deq_row_t(int wt, const hc_w *w, int64_t n, int64_t k0, int64_t k1, float *out) {
    const uint8_t *row = w->data + n * w->rs;
    if (!w->sc) {
        deq_span(wt, row, k0, k1, 1.0f, out);
        return;
    }
    float sb[64];
    for (int64_t k = k0; k < k1;) {
        int64_t g = k / w->bk, gn = MIN((int64_t)64, (k1 - 1) / w->bk - g + 1);
        scales_f32(w, n, g, gn, 1.0f, sb);
        for (int64_t i = 0; i < gn; i++) {
            int64_t e = MIN((g + i + 1) * w->bk, k1);
            deq_span(wt, row, k, e, sb[i], out + (k - k0));
            k = e;
        }
    }
}
static void dequant_row(const hc_w *w, int64_t n, int64_t k0, int64_t k1, float *out) {
    switch (w->wt) {
    case HC_F32: deq_row_t(HC_F32, w, n, k0, k1, out); break;
    case HC_F16: deq_row_t(HC_F16, w, n, k0, k1, out); break;
    case HC_BF16: deq_row_t(HC_BF16, w, n, k0, k1, out); break;
    case HC_F8: deq_row_t(HC_F8, w, n, k0, k1, out); break;
    case HC_I8: deq_row_t(HC_I8, w, n, k0, k1, out); break;
    default: deq_row_t(HC_I4, w, n, k0, k1, out);
    }
}

static AINLINE int64_t pad_vl(int64_t k) { return (k + VL - 1) / VL * VL; }
static AINLINE void zero_tail(float *row, int64_t k) { for (int64_t p = pad_vl(k); k < p; k++) row[k] = 0; }

/* ---- C += A * B^T ------------------------------------------------------------------------------------------------- */
static AINLINE void nt_tile(int MR, int NR, const float *const *a, const float *b, int64_t ldb, int64_t k,
                            float *c, int64_t ldc, int nv) {
    vf acc[NT_MR * NT_NR];
    UNROLL for (int i = 0; i < MR * NR; i++) acc[i] = vzero();
    const float *a0 = a[0], *a1 = a[MR > 1], *a2 = a[MR > 2 ? 2 : 0], *a3 = a[MR > 3 ? 3 : 0];
    int64_t p = 0;
    for (; p + VL <= k; p += VL) {
        vf x[4];
        x[0] = vld(a0 + p);
        if (MR > 1) x[1] = vld(a1 + p);
        if (MR > 2) x[2] = vld(a2 + p);
        if (MR > 3) x[3] = vld(a3 + p);
        UNROLL for (int j = 0; j < NR; j++) {
            vf w = vld(b + j * ldb + p);
            UNROLL for (int i = 0; i < MR; i++) acc[i * NR + j] = vfma(x[i], w, acc[i * NR + j]);
        }
    }
    if (p < k) {
        UNROLL for (int i = 0; i < MR; i++) {
            vf x = vldn(a[i] + p, k - p);
            UNROLL for (int j = 0; j < NR; j++) acc[i * NR + j] = vfma(x, vld(b + j * ldb + p), acc[i * NR + j]);
        }
    }
    float out[NT_MR * NT_NR];
    vsums(acc, MR * NR, out);
    UNROLL for (int i = 0; i < MR; i++) {
        if (nv == NR) {
            UNROLL for (int j = 0; j < NR; j++) c[i * ldc + j] += out[i * NR + j];
        } else for (int j = 0; j < nv; j++) c[i * ldc + j] += out[i * NR + j];
    }
}
static __attribute__((noinline)) void nt_full(const float *const *a, const float *b, int64_t ldb, int64_t k, float *c, int64_t ldc) {
    nt_tile(NT_MR, NT_NR, a, b, ldb, k, c, ldc, NT_NR);
}
/* Any m <= NT_MR, n <= NT_NR; b must have NT_NR readable rows. */
static __attribute__((noinline)) void nt_edge(int m, int n, const float *const *a, const float *b, int64_t ldb, int64_t k, float *c,
                    int64_t ldc) {
    if (2 * n <= NT_NR) {
        for (int i = 0; i < m; i++) nt_tile(1, NT_NR / 2, a + i, b, ldb, k, c + i * ldc, ldc, n);
        return;
    }
    int i = 0;
    if (m == 4 && NT_MR >= 4) { nt_tile(NT_MR, NT_NR, a, b, ldb, k, c, ldc, n); return; }
    if (m >= 3) { nt_tile(3, NT_NR, a, b, ldb, k, c, ldc, n); i = 3; }
    if (m - i == 2) { nt_tile(2, NT_NR, a + i, b, ldb, k, c + i * ldc, ldc, n); i += 2; }
    if (m - i == 1) nt_tile(1, NT_NR, a + i, b, ldb, k, c + i * ldc, ldc, n);
}
static inline void nt_any(int m, int n, const float *const *a, const float *b, int64_t ldb, int64_t k, float *c, int64_t ldc) {
    if (m == NT_MR && n == NT_NR) nt_full(a, b, ldb, k, c, ldc);
    else nt_edge(m, n, a, b, ldb, k, c, ldc);
}
/* C[M,N] += A[M,K] B[N,K]^T with B rows readable up to the next multiple of NT_NR. */
static void nt_block(const float *a, int64_t lda, int64_t M, const float *b, int64_t ldb, int64_t N, int64_t K, float *c,
                     int64_t ldc) {
    for (int64_t n = 0; n < N; n += NT_NR)
        for (int64_t m = 0; m < M; m += NT_MR) {
            const float *ap[NT_MR];
            int mc = (int)MIN((int64_t)NT_MR, M - m);
            for (int i = 0; i < mc; i++) ap[i] = a + (m + i) * lda;
            for (int i = mc; i < NT_MR; i++) ap[i] = ap[0];
            nt_any(mc, (int)MIN((int64_t)NT_NR, N - n), ap, b + n * ldb, ldb, K, c + m * ldc + n, ldc);
        }
}

/* ---- C += A * B --------------------------------------------------------------------------------------------------- */
static AINLINE void nn_tile(int MR, int NV, const float *a, int64_t lda, const float *b, int64_t ldb, int64_t R, float *c,
                            int64_t ldc) {
    vf acc[16];
    UNROLL for (int i = 0; i < MR; i++)
        UNROLL for (int j = 0; j < NV; j++) acc[i * NV + j] = vld(c + i * ldc + j * VL);
    for (int64_t r = 0; r < R; r++) {
        vf w[4];
        UNROLL for (int j = 0; j < NV; j++) w[j] = vld(b + r * ldb + j * VL);
        UNROLL for (int i = 0; i < MR; i++) {
            vf x = vset(a[i * lda + r]);
            UNROLL for (int j = 0; j < NV; j++) acc[i * NV + j] = vfma(x, w[j], acc[i * NV + j]);
        }
    }
    UNROLL for (int i = 0; i < MR; i++)
        UNROLL for (int j = 0; j < NV; j++) vst(c + i * ldc + j * VL, acc[i * NV + j]);
}
static void nn_edge(const float *a, const float *b, int64_t ldb, int64_t R, float *c, int64_t n) {
    vf acc = vldn(c, n);
    for (int64_t r = 0; r < R; r++) acc = vfma(vset(a[r]), vldn(b + r * ldb, n), acc);
    vstn(c, acc, n);
}
static void nn_block(const float *a, int64_t lda, int64_t M, const float *b, int64_t ldb, int64_t R, int64_t N, float *c,
                     int64_t ldc) {
    int64_t n = 0;
    for (; n + 4 * VL <= N; n += 4 * VL) {
        int64_t m = 0;
        for (; m + 4 <= M; m += 4) nn_tile(4, 4, a + m * lda, lda, b + n, ldb, R, c + m * ldc + n, ldc);
        if (M - m >= 2) nn_tile(2, 4, a + m * lda, lda, b + n, ldb, R, c + m * ldc + n, ldc), m += 2;
        if (M - m >= 1) nn_tile(1, 4, a + m * lda, lda, b + n, ldb, R, c + m * ldc + n, ldc);
    }
    for (; n + VL <= N; n += VL) {
        int64_t m = 0;
        for (; m + 4 <= M; m += 4) nn_tile(4, 1, a + m * lda, lda, b + n, ldb, R, c + m * ldc + n, ldc);
        for (; m < M; m++) nn_tile(1, 1, a + m * lda, lda, b + n, ldb, R, c + m * ldc + n, ldc);
    }
    if (n < N)
        for (int64_t m = 0; m < M; m++) nn_edge(a + m * lda, b + n, ldb, R, c + m * ldc + n, N - n);
}

/* ---- GEMV: R weight rows by M rows of x, weights widened in registers ----------------------------------------------
 * GR 0: no scale or one a row. GR 1: groups of w->bk. GR 2: groups of exactly VSTEP.
 * M = 1 scales the partial sum of each group; larger M scales the widened weights, which all rows of x share.
 * The next tile of rows is prefetched (distance `ahead`) while this one is computed. */
#define SCB 128
static AINLINE void gemv_step(int wt, int NV, int R, int M, int scaled, const uint8_t *const *row, int64_t at, int64_t ahead,
                              const float *const *x, int64_t k, const float (*sb)[SCB], int64_t g, vf *a, vf *b) {
    vf xv[4][4];
    UNROLL for (int m = 0; m < M; m++) {
        const int xt = NV == 4 ? HC_QUAD_ORDER(wt) : wt;
        x_pair(xt, x[m] + k, &xv[m][0], &xv[m][1]);
        if (NV == 4) x_pair(xt, x[m] + k + VSTEP, &xv[m][2], &xv[m][3]);
    }
    if (wt == HC_I4 && R == 4) { /* a step is a fraction of a line: the rows take turns */
        const int64_t turn = NV == 4 ? (k / (2 * VSTEP) & 1) * 2 : k / VSTEP & 3;
        const uint8_t *p = row[0] + turn * (row[1] - row[0]) + at + ahead;
        __builtin_prefetch(p, 0, 2);
        if (NV == 4) __builtin_prefetch(p + (row[1] - row[0]), 0, 2);
    }
    UNROLL for (int r = 0; r < R; r++) {
        vf w[4];
        const uint8_t *p = row[r] + at;
        if (wt != HC_I4 || R != 4)
            UNROLL for (int l = 0; l < NV * (int)w_bytes(wt, VL); l += 64) __builtin_prefetch(p + ahead + l, 0, 2);
        if (NV == 4) w_quad(wt, p, w);
        else w_pair(wt, p, &w[0], &w[1]);
        UNROLL for (int v = 0; v < NV; v++) {
            if (M > 1 && scaled) w[v] = vmul(w[v], vset(sb[r][g]));
            UNROLL for (int m = 0; m < M; m++) {
                vf *acc = M == 1 && (v & 1) ? b : a;
                acc[r * M + m] = vfma(w[v], xv[m][v], acc[r * M + m]);
            }
        }
    }
}
static AINLINE void gemv_tile(int wt, int R, int M, int GR, const hc_w *w, int64_t n, int64_t ahead, const float *const *x,
                              int64_t K, float *y, int64_t ldy) {
    const float post = wt == HC_F8 ? HC_F8PAIR : 1.0f;
    const uint8_t *row[4];
    vf tot[16], a[16], b[4];
    UNROLL for (int r = 0; r < R; r++) row[r] = w->data + (n + r) * w->rs;
    UNROLL for (int i = 0; i < R * M; i++) tot[i] = a[i] = vzero();
    float sb[4][SCB];
    const int64_t seg = GR == 2 ? VSTEP : GR ? w->bk : K, G = (K + seg - 1) / seg;
    for (int64_t g0 = 0; g0 < G; g0 += SCB) {
        const int64_t gn = MIN((int64_t)SCB, G - g0);
        UNROLL for (int r = 0; r < R; r++) {
            if (w->sc) scales_f32(w, n + r, g0, gn, post, sb[r]);
            else sb[r][0] = post;
        }
        int64_t g = 0;
        if (GR == 2) {
            const int64_t full = MIN(gn, K / seg - g0);
            for (; g < full; g++) {
                const int64_t k = (g0 + g) * VSTEP;
                if (M == 1) UNROLL for (int r = 0; r < R; r++) a[r] = b[r] = vzero();
                gemv_step(wt, 2, R, M, GR, row, w_bytes(wt, k), ahead, x, k, sb, g, a, b);
                if (M == 1) UNROLL for (int r = 0; r < R; r++) tot[r] = vfma(vadd(a[r], b[r]), vset(sb[r][g]), tot[r]);
            }
        }
        for (; g < gn; g++) {
            const int64_t k0 = (g0 + g) * seg, len = MIN(seg, K - k0), k1 = k0 + len / VSTEP * VSTEP;
            int64_t k = k0;
            if (M == 1) UNROLL for (int r = 0; r < R; r++) a[r] = b[r] = vzero();
            if (GR != 2)
                for (; k + 2 * VSTEP <= k1; k += 2 * VSTEP)
                    gemv_step(wt, 4, R, M, GR, row, w_bytes(wt, k), ahead, x, k, sb, g, a, b);
            for (; k < k1; k += VSTEP) gemv_step(wt, 2, R, M, GR, row, w_bytes(wt, k), ahead, x, k, sb, g, a, b);
            if (__builtin_expect(k1 < k0 + len, 0)) {
                float t[VSTEP];
                const int64_t left = k0 + len - k1;
                UNROLL for (int r = 0; r < R; r++) {
                    const float f = M > 1 && GR ? sb[r][g] : 1.0f;
                    for (int64_t i = 0; i < VSTEP; i++) t[i] = i < left ? w_scalar(wt, row[r], k1 + i) / post * f : 0;
                    UNROLL for (int m = 0; m < M; m++) {
                        a[r * M + m] = vfma(vld(t), vldn(x[m] + k1, left), a[r * M + m]);
                        if (left > VL) a[r * M + m] = vfma(vld(t + VL), vldn(x[m] + k1 + VL, left - VL), a[r * M + m]);
                    }
                }
            }
            if (M == 1) UNROLL for (int r = 0; r < R; r++) tot[r] = vfma(vadd(a[r], b[r]), vset(sb[r][g]), tot[r]);
        }
    }
    float out[16];
    vsums(M == 1 ? tot : a, R * M, out);
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int r = 0; r < R; r++) y[m * ldy + r] += M == 1 || GR ? out[r * M + m] : out[r * M + m] * sb[r][0];
}
static AINLINE void gemv_m(int wt, int R, int M, int GR, const hc_w *w, int64_t n0, int64_t n1, const float *const *x,
                           int64_t K, float *y, int64_t ldy) {
    int64_t n = n0;
    for (; n + R <= n1; n += R)
        gemv_tile(wt, R, M, GR, w, n, n + 2 * R <= n1 ? R * w->rs : 0, x, K, y + (n - n0), ldy);
    for (; n < n1; n++) gemv_tile(wt, 1, M, GR, w, n, 0, x, K, y + (n - n0), ldy);
}
#define GEMV_TYPE(NAME, WT, GR)                                                                                          \
    static __attribute__((noinline)) void NAME(const hc_w *w, int64_t n0, int64_t n1, const float *const *x, int M,      \
                                               int64_t K, float *y, int64_t ldy) {                                       \
        switch (M) {                                                                                                     \
        case 1: gemv_m(WT, 4, 1, GR, w, n0, n1, x, K, y, ldy); break;                                                    \
        case 2: gemv_m(WT, 4, 2, GR, w, n0, n1, x, K, y, ldy); break;                                                    \
        case 3: gemv_m(WT, 4, 3, GR, w, n0, n1, x, K, y, ldy); break;                                                    \
        default: gemv_m(WT, 4, 4, GR, w, n0, n1, x, K, y, ldy);                                                          \
        }                                                                                                                \
    }
GEMV_TYPE(gemv_f32, HC_F32, 0)
GEMV_TYPE(gemv_f16, HC_F16, 0)
GEMV_TYPE(gemv_bf16, HC_BF16, 0)
GEMV_TYPE(gemv_f8, HC_F8, 0)
GEMV_TYPE(gemv_f8g, HC_F8, 1)
GEMV_TYPE(gemv_i8, HC_I8, 0)
GEMV_TYPE(gemv_i8g, HC_I8, 1)
GEMV_TYPE(gemv_i4, HC_I4, 0)
GEMV_TYPE(gemv_i4g, HC_I4, 1)
GEMV_TYPE(gemv_i4s, HC_I4, 2)
GEMV_TYPE(gemv_i8s, HC_I8, 2)

#include "gemv1.h"

/* ---- GEMM on decoded panels ----------------------------------------------------------------------------------------- */
#define GEMM_KC 1024
#define GEMM_MB 128
static AINLINE const float *x_row(const float *x, int64_t ldx, const int32_t *rows, int64_t m) {
    return x + (rows ? (int64_t)rows[m] : m) * ldx;
}
static __attribute__((noinline)) void gemm_panels(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx,
                                                  const int32_t *rows, int64_t M, int64_t K, float *y, int64_t ldy) {
    float panel[NT_NR * GEMM_KC] __attribute__((aligned(64)));
    for (int64_t mb = 0; mb < M; mb += GEMM_MB)
        for (int64_t kb = 0; kb < K; kb += GEMM_KC) {
            const int64_t kc = MIN((int64_t)GEMM_KC, K - kb), me = MIN(mb + GEMM_MB, M);
            for (int64_t n = n0; n < n1; n += NT_NR) {
                const int nc = (int)MIN((int64_t)NT_NR, n1 - n);
                for (int j = 0; j < nc; j++) {
                    dequant_row(w, n + j, kb, kb + kc, panel + j * GEMM_KC);
                    zero_tail(panel + j * GEMM_KC, kc);
                }
                if (nc < NT_NR) memset(panel + nc * GEMM_KC, 0, sizeof(float) * GEMM_KC * (size_t)(NT_NR - nc));
                for (int64_t m = mb; m < me; m += NT_MR) {
                    const float *ap[NT_MR];
                    const int mc = (int)MIN((int64_t)NT_MR, me - m);
                    for (int i = 0; i < mc; i++) ap[i] = x_row(x, ldx, rows, m + i) + kb;
                    for (int i = mc; i < NT_MR; i++) ap[i] = ap[0];
                    nt_any(mc, nc, ap, panel, GEMM_KC, kc, y + m * ldy + (n - n0), ldy);
                }
            }
        }
}

static void f32_core(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, const int32_t *rows, int64_t M,
                     int64_t K, float *y, int64_t ldy) {
    const int grouped = w->sc && w->bk < K;
    if (M > 4 || (grouped && w->bk % VSTEP) || (grouped && w->wt <= HC_BF16)) {
        gemm_panels(w, n0, n1, x, ldx, rows, M, K, y, ldy);
        return;
    }
    if (M == 1 && g1_takes(w, K, grouped)) {
        gemv1_any(w, n0, n1, x_row(x, ldx, rows, 0), K, y, grouped);
        return;
    }
    const float *xp[4] = {0};
    for (int m = 0; m < M; m++) xp[m] = x_row(x, ldx, rows, m);
    switch (w->wt) {
    case HC_F32: gemv_f32(w, n0, n1, xp, (int)M, K, y, ldy); break;
    case HC_F16: gemv_f16(w, n0, n1, xp, (int)M, K, y, ldy); break;
    case HC_BF16: gemv_bf16(w, n0, n1, xp, (int)M, K, y, ldy); break;
    case HC_F8: (grouped ? gemv_f8g : gemv_f8)(w, n0, n1, xp, (int)M, K, y, ldy); break;
    case HC_I8: (!grouped ? gemv_i8 : w->bk == VSTEP ? gemv_i8s : gemv_i8g)(w, n0, n1, xp, (int)M, K, y, ldy); break;
    default: (!grouped ? gemv_i4 : w->bk == VSTEP ? gemv_i4s : gemv_i4g)(w, n0, n1, xp, (int)M, K, y, ldy);
    }
}

#include "dot.h"

static void lin_core(const hc_w *w, int64_t n0, int64_t n1, const float *x, int64_t ldx, const int32_t *rows, int64_t M,
                     int64_t K, float *y, int64_t ldy) {
    if (M <= 0 || n1 <= n0 || K <= 0) return;
    if (dot_takes(w, K)) dot_core(w, n0, n1, x, ldx, rows, M, K, y, ldy);
    else f32_core(w, n0, n1, x, ldx, rows, M, K, y, ldy);
}
#endif
