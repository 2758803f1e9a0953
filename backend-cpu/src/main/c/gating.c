/* gating.c: HC_MOE_GATING, HC_TOPK, HC_ARGMAX, HC_SOFTMAX, HC_SWIGLU, HC_ADD. f32, order and ties exact by construction. */
#include "core.h"

/* The k largest of s[0..n) in descending order; equal values keep ascending index; NaN counts as below everything. */
static void top_k(const float *s, int64_t n, int64_t k, int32_t *ids) {
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        const float v = s[i];
        if (have == k && !(v > s[ids[k - 1]] || (s[ids[k - 1]] != s[ids[k - 1]] && v == v))) continue;
        int64_t at = have < k ? have++ : k - 1;
        for (; at > 0; at--) {
            const float u = s[ids[at - 1]];
            if (!(v > u || (u != u && v == v))) break;
            ids[at] = ids[at - 1];
        }
        ids[at] = (int32_t)i;
    }
}

static void softmax_row(const float *x, int64_t n, float scale, float *y) {
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++) m = MAX(m, x[i] * scale);
    vf l = vzero();
    for (int64_t i = 0; i < n; i += VL) {
        vf e = vexp(vsub(vmul(vldn(x + i, n - i), vset(scale)), vset(m)));
        vstn(y + i, e, n - i);
        l = vadd(l, n - i >= VL ? e : vldn(y + i, n - i));
    }
    const vf inv = vset(1.0f / vsum(l));
    for (int64_t i = 0; i < n; i += VL) vstn(y + i, vmul(vldn(y + i, n - i), inv), n - i);
}

static void keep_groups(float *choice, int64_t E, int64_t groups, int64_t keep, int rule, float *gs) {
    const int64_t size = E / groups;
    int32_t best[2];
    for (int64_t g = 0; g < groups; g++) {
        const float *c = choice + g * size;
        top_k(c, size, MIN((int64_t)2, size), best);
        gs[g] = rule && size > 1 ? c[best[0]] + c[best[1]] : c[best[0]];
    }
    for (int64_t g = 0; g < groups; g++) { /* kept if fewer than `keep` groups come before it */
        int64_t before = 0;
        for (int64_t o = 0; o < groups; o++) before += gs[o] > gs[g] || (gs[o] == gs[g] && o < g);
        if (before >= keep)
            for (int64_t i = 0; i < size; i++) choice[g * size + i] = -INFINITY;
    }
}

static void k_moe_gating(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t E = s[3], k = s[4];
    const float *bias = (const float *)s[6], factor = (float)f64_of_bits(s[11]);
    float *score = (float *)s[0], *choice = score + pad_vl(E), *gs = choice + pad_vl(E);
    for (int64_t t = begin; t < end; t++) {
        const float *x = (const float *)s[1] + t * s[2];
        int32_t *ids = (int32_t *)s[12] + t * k;
        float *w = (float *)s[13] + t * k, total = 0;
        if (s[5] == 0) softmax_row(x, E, 1.0f, score);
        else for (int64_t i = 0; i < E; i += VL)
            vstn(score + i, vdiv(vset(1.0f), vadd(vset(1.0f), vexp(vsub(vzero(), vldn(x + i, E - i))))), E - i);
        for (int64_t i = 0; i < E; i++) choice[i] = score[i] + (bias ? bias[i] : 0);
        if (s[7] > 1) keep_groups(choice, E, s[7], s[8], s[9] != 0, gs);
        top_k(choice, E, k, ids);
        for (int64_t i = 0; i < k; i++) total += w[i] = score[ids[i]];
        const float f = s[10] ? 1.0f / (total + 1e-20f) : 1.0f;
        for (int64_t i = 0; i < k; i++) w[i] = w[i] * f * factor;
    }
}

static void k_topk(const int64_t *s, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)s[1] + r * s[2];
        int32_t *ids = (int32_t *)s[5] + r * s[4];
        float *v = (float *)s[6] + r * s[4];
        top_k(x, s[3], s[4], ids);
        for (int64_t i = 0; i < s[4]; i++) v[i] = x[ids[i]];
    }
}

static void k_argmax(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t n = s[3];
    for (int64_t r = begin; r < end; r++) {
        const float *x = (const float *)s[1] + r * s[2];
        vf m = vset(-INFINITY);
        int64_t i = 0;
        for (; i + VL <= n; i += VL) m = vmax(vld(x + i), m); /* a NaN element leaves m */
        float best = vhmax(m);
        for (; i < n; i++) best = x[i] > best ? x[i] : best;
        int64_t at = 0;
        while (at < n && x[at] != best) at++;
        if (at == n) at = 0;
        ((int32_t *)s[4])[r] = (int32_t)at;
        if (s[5]) ((float *)s[5])[r] = x[at];
    }
}

static void k_softmax(const int64_t *s, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
        const int64_t n = s[3], valid = s[6] ? MIN(n, MAX((int64_t)0, (int64_t)((const int32_t *)s[6])[r])) : n;
        float *y = (float *)s[4] + r * s[5];
        if (valid > 0) softmax_row((const float *)s[1] + r * s[2], valid, (float)f64_of_bits(s[7]), y);
        for (int64_t i = valid; i < n; i++) y[i] = 0;
    }
}

static void k_swiglu(const int64_t *s, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
        silu_mul((const float *)s[1] + r * s[2], (const float *)s[3] + r * s[4], (float *)s[5] + r * s[6], s[7]);
}

static void k_add(const int64_t *s, int64_t begin, int64_t end) {
    const float *a = (const float *)s[1], *b = (const float *)s[2];
    float *y = (float *)s[3];
    for (int64_t i = begin; i < end; i += VL) {
        const int64_t n = end - i;
        vstn(y + i, vadd(vldn(a + i, n), vldn(b + i, n)), n);
    }
}
