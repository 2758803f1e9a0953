/* moe.c: HC_MOE_ROUTE, HC_MOE_GATE_UP, HC_MOE_DOWN: the expert feed-forward, one code path for decode and prefill.
 * Slots are sorted by expert, so each expert's weights are read once for all of its tokens. DOWN cuts the output
 * columns, not the experts: no two chunks write the same place and every sum has one order (ascending slot). */
#include "core.h"

static void k_moe_route(const int64_t *s, int64_t begin, int64_t end) {
    if (begin > 0 || end < 1) return;
    const int32_t *ids = (const int32_t *)s[1];
    const float *gate = (const float *)s[2];
    const int64_t T = s[3], k = s[4], E = s[5], shared = s[6], iBlock = s[11], *ex = (const int64_t *)s[10];
    int32_t *off = (int32_t *)s[7], *rows = (int32_t *)s[8], *tasks = (int32_t *)s[12], *count = (int32_t *)s[13];
    float *wt = (float *)s[9];
    memset(off, 0, sizeof(int32_t) * (size_t)(E + shared + 1));
    for (int64_t i = 0; i < T * k; i++)
        if (ids[i] >= 0 && ids[i] < E) off[ids[i] + 1]++;
    for (int64_t e = 0; e < E; e++) off[e + 1] += off[e];
    for (int64_t e = E; e < E + shared; e++) off[e + 1] = off[e] + (int32_t)T;
    for (int64_t i = 0; i < T * k; i++) /* off[e] serves as the cursor of e, restored below */
        if (ids[i] >= 0 && ids[i] < E) {
            const int32_t at = off[ids[i]]++;
            rows[at] = (int32_t)(i / k);
            wt[at] = gate[i];
        }
    for (int64_t e = E; e > 0; e--) off[e] = off[e - 1];
    off[0] = 0;
    for (int64_t e = E; e < E + shared; e++)
        for (int64_t t = 0; t < T; t++) rows[off[e] + t] = (int32_t)t, wt[off[e] + t] = 1.0f;
    int32_t n = 0;
    for (int64_t e = 0; e < E + shared; e++)
        if (off[e + 1] > off[e])
            for (int64_t b = 0; b * iBlock < ex[e * HC_EXPERT_WORDS + 6]; b++, n++)
                tasks[2 * n] = (int32_t)e, tasks[2 * n + 1] = (int32_t)b;
    *count = n;
}

/* g = silu(g) * u */
static void silu_mul(const float *g, const float *u, float *y, int64_t n) {
    const vf one = vset(1.0f);
    for (int64_t i = 0; i < n; i += VL) {
        vf a = vldn(g + i, n - i), b = vldn(u + i, n - i);
        vf e = vexp(vsub(vzero(), a));
        vstn(y + i, vmul(vdiv(a, vadd(one, e)), b), n - i);
    }
}

static void k_moe_gate_up(const int64_t *s, int64_t begin, int64_t end) {
    const float *x = (const float *)s[1];
    const int64_t ldx = s[2], H = s[3], *experts = (const int64_t *)s[4], iBlock = s[9], ldh = s[11];
    const int32_t *off = (const int32_t *)s[5], *rows = (const int32_t *)s[6], *tasks = (const int32_t *)s[7];
    float *h = (float *)s[10], *up = (float *)s[0];
    const int64_t last = MIN(end, (int64_t)*(const int32_t *)s[8]);
    for (int64_t i = begin; i < last; i++) {
        const int64_t e = tasks[2 * i], n0 = tasks[2 * i + 1] * iBlock, *ex = experts + e * HC_EXPERT_WORDS;
        const int64_t n1 = MIN(n0 + iBlock, ex[6]), nb = n1 - n0;
        hc_w g = {(const uint8_t *)ex[0], s[13], WTYPE(s[12]), (const uint8_t *)ex[1], s[14], s[15], s[16], s[17], 0, WDOT(s[12])};
        hc_w u = g;
        u.data = (const uint8_t *)ex[2], u.sc = (const uint8_t *)ex[3];
        for (int64_t at = off[e]; at < off[e + 1]; at += 1024) {
            const int64_t M = MIN((int64_t)1024, off[e + 1] - at);
            for (int64_t m = 0; m < M; m++) {
                memset(h + (at + m) * ldh + n0, 0, sizeof(float) * (size_t)nb);
                memset(up + m * nb, 0, sizeof(float) * (size_t)nb);
            }
            if (M == 1) g1_warm(u.data + n0 * u.rs);
            lin_core(&g, n0, n1, x, ldx, rows + at, M, H, h + at * ldh + n0, ldh);
            lin_core(&u, n0, n1, x, ldx, rows + at, M, H, up, nb);
            for (int64_t m = 0; m < M; m++) {
                float *hp = h + (at + m) * ldh + n0;
                silu_mul(hp, up + m * nb, hp, nb);
            }
        }
    }
}

/* Asks for the first rows of the next expert with tokens while this one is read. */
static void warm_next(const int64_t *experts, const int32_t *off, int64_t e, int64_t Et, int64_t n0) {
    while (e < Et && off[e + 1] == off[e]) e++;
    if (e < Et) g1_warm((const uint8_t *)experts[e * HC_EXPERT_WORDS + 4] + n0 * experts[e * HC_EXPERT_WORDS + 7]);
}

static void k_moe_down(const int64_t *s, int64_t begin, int64_t end) {
    const float *h = (const float *)s[1], *wt = (const float *)s[9], *base = (const float *)s[12];
    const int64_t ldh = s[2], T = s[3], *experts = (const int64_t *)s[5], Et = s[6], ldy = s[11], ldb = s[13];
    const int32_t *off = (const int32_t *)s[7], *rows = (const int32_t *)s[8];
    float *y = (float *)s[10], *tmp = (float *)s[0];
    for (int64_t n0 = begin; n0 < end; n0 += 480) {
        const int64_t n1 = MIN(n0 + 480, end), nb = n1 - n0;
        for (int64_t t = 0; t < T; t++)
            for (int64_t n = n0; n < n1; n++) y[t * ldy + n] = base ? base[t * ldb + n] : 0;
        for (int64_t e = 0; e < Et; e++) {
            const int64_t *ex = experts + e * HC_EXPERT_WORDS;
            const hc_w w = {(const uint8_t *)ex[4], ex[7], WTYPE(s[14]), (const uint8_t *)ex[5], s[15], s[16], s[17], ex[8], 0,
                            WDOT(s[14])};
            for (int64_t at = off[e]; at < off[e + 1]; at += 512) {
                const int64_t M = MIN((int64_t)512, off[e + 1] - at);
                memset(tmp, 0, sizeof(float) * (size_t)(M * nb));
                if (M == 1) warm_next(experts, off, e + 1, Et, n0);
                lin_core(&w, n0, n1, h + at * ldh, ldh, 0, M, ex[6], tmp, nb);
                for (int64_t m = 0; m < M; m++) {
                    float *yp = y + rows[at + m] * ldy + n0;
                    const vf g = vset(wt[at + m]);
                    for (int64_t n = 0; n < nb; n += VL)
                        vstn(yp + n, vfma(g, vldn(tmp + m * nb + n, nb - n), vldn(yp + n, nb - n)), nb - n);
                }
            }
        }
    }
}
