/* test_kernels.c: every kernel x weight type x odd sizes x instruction set against an f64 reference that shares no code with
 * the kernels. usage: test_kernels [isa...]. Exit 1 on any failure. Every buffer is malloc'ed to its exact size so that
 * the address sanitizer sees reads past the end. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "halcyon_cpu.h"

static int fails, checks;
static const char *isa;
static void *scratch;
static uint64_t seed = 1;
static double rnd(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(seed >> 11) * 0x1p-52 - 1.0;
}
static int64_t irnd(int64_t n) { return (int64_t)((rnd() + 1) * 0.5 * (double)n) % n; }
static float *farr(int64_t n) { return malloc(sizeof(float) * (size_t)n); }
static float *frand(int64_t n) {
    float *p = farr(n);
    for (int64_t i = 0; i < n; i++) p[i] = (float)rnd();
    return p;
}
static int64_t dbits(double d) { int64_t v; memcpy(&v, &d, 8); return v; }
#define P(x) ((int64_t)(intptr_t)(x))

static void check(const char *what, const float *got, const double *want, const double *mag, int64_t n, double tol) {
    checks++;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tol * (mag ? mag[i] : 1) + 1e-30) && !(isnan(got[i]) && isnan(want[i]))) {
            printf("FAIL %s %s at %ld: got %.9g want %.9g (mag %.3g)\n", isa, what, (long)i, got[i], want[i], mag ? mag[i] : 1);
            fails++;
            return;
        }
}
static void expect(const char *what, int ok) {
    checks++;
    if (!ok) { printf("FAIL %s %s\n", isa, what); fails++; }
}
/* runs [0,n) in uneven pieces */
static void run(int k, const int64_t *s, int64_t n) {
    for (int64_t i = 0; i < n;) {
        int64_t e = i + 1 + irnd(n);
        if (e > n) e = n;
        hc_run(k, s, i, e);
        i = e;
    }
}

/* ---- storage types, decoded by arithmetic ------------------------------------------------------------------------- */
static double small_float(unsigned b, int eb, int mb, int bias, int has_inf) {
    unsigned e = b >> mb & ((1u << eb) - 1), m = b & ((1u << mb) - 1);
    double sg = b >> (eb + mb) & 1 ? -1 : 1;
    if (has_inf && e == (1u << eb) - 1) return m ? NAN : sg * INFINITY;
    if (!has_inf && e == (1u << eb) - 1 && m == (1u << mb) - 1) return NAN;
    return sg * (e ? ldexp(1 + (double)m / (1 << mb), (int)e - bias) : ldexp((double)m / (1 << mb), 1 - bias));
}
static double stored(int wt, const uint8_t *row, int64_t k) {
    float f;
    uint16_t h;
    switch (wt) {
    case HC_F32: memcpy(&f, row + 4 * k, 4); return f;
    case HC_F16: memcpy(&h, row + 2 * k, 2); return small_float(h, 5, 10, 15, 1);
    case HC_BF16: memcpy(&h, row + 2 * k, 2); return small_float(h, 8, 7, 127, 1);
    case HC_F8: return small_float(row[k], 4, 3, 7, 0);
    case HC_I8: return (int8_t)row[k];
    default: { int v = row[k / 2] >> (k & 1 ? 4 : 0) & 15; return v >= 8 ? v - 16 : v; }
    }
}
static int64_t rowbytes(int wt, int64_t k) { return wt == 0 ? 4 * k : wt < 3 ? 2 * k : wt == 5 ? (k + 1) / 2 : k; }

typedef struct { int64_t s[9]; uint8_t *raw, *sraw; double *val; int64_t N, K; } mat;
/* scheme: 0 none, 1 per row, 2 128x128 blocks, 3 group along K; unaligned data and scales */
static int64_t block_ro = 77;
static mat make(int wt, int64_t N, int64_t K, int scheme, int st, int64_t group) {
    mat m = {{0}, 0, 0, 0, N, K};
    int64_t rb = rowbytes(wt, K) + (scheme == 3 ? 1 : 0), n = rb * N;
    m.raw = malloc((size_t)n + 1);
    uint8_t *d = m.raw + 1;
    for (int64_t i = 0; i < n; i++) d[i] = (uint8_t)irnd(256);
    for (int64_t r = 0; r < N; r++)
        for (int64_t k = 0; k < K; k++) {
            uint8_t *p = d + r * rb;
            float f = (float)rnd();
            uint32_t u;
            memcpy(&u, &f, 4);
            if (wt == HC_F32) memcpy(p + 4 * k, &f, 4);
            if (wt == HC_BF16) { uint16_t h = (uint16_t)(u >> 16); memcpy(p + 2 * k, &h, 2); }
            if (wt == HC_F16) { uint16_t h = (uint16_t)(irnd(0x3c00) | (irnd(2) << 15)); memcpy(p + 2 * k, &h, 2); }
            if (wt == HC_F8 && (p[k] & 0x7f) == 0x7f) p[k] = 0x80;
        }
    int64_t bn = scheme == 2 ? 128 : 1, bk = scheme == 1 ? K : scheme == 2 ? 128 : group, ro = scheme == 2 ? block_ro : 0;
    int64_t lds = scheme ? (K + bk - 1) / bk + 1 : 0, sn = scheme ? ((N + ro) / bn + 1) * lds : 0;
    int sb = st == 0 ? 4 : st == 2 ? 1 : 2;
    m.sraw = malloc((size_t)(sn * sb) + 1);
    uint8_t *sc = m.sraw + 1;
    for (int64_t i = 0; i < sn; i++) {
        float f = (float)(0.01 + 0.1 * fabs(rnd()));
        uint32_t u;
        memcpy(&u, &f, 4);
        if (st == 0) memcpy(sc + 4 * i, &f, 4);
        if (st == 2) sc[i] = (uint8_t)(120 + irnd(8));
        if (st == 3) { uint16_t h = (uint16_t)(u >> 16); memcpy(sc + 2 * i, &h, 2); }
        if (st == 1) { uint16_t h = (uint16_t)(0x2000 + irnd(0x800)); memcpy(sc + 2 * i, &h, 2); }
    }
    m.val = malloc(sizeof(double) * (size_t)(N * K));
    for (int64_t r = 0; r < N; r++)
        for (int64_t k = 0; k < K; k++) {
            double s = 1;
            if (scheme) {
                int64_t at = (ro + r) / bn * lds + k / bk;
                s = st == 0 ? stored(HC_F32, sc, at) : st == 1 ? stored(HC_F16, sc, at) : st == 3 ? stored(HC_BF16, sc, at)
                    : ldexp(1, sc[at] - 127);
            }
            m.val[r * K + k] = stored(wt, d + r * rb, k) * s;
        }
    int64_t s[9] = {P(d), rb, wt, scheme ? P(sc) : 0, st, bn, bk, lds, ro};
    memcpy(m.s, s, sizeof s);
    return m;
}
static void unmake(mat *m) { free(m->raw); free(m->sraw); free(m->val); }
static mat any(int i, int64_t N, int64_t K) {
    switch (i % 12) {
    case 0: return make(HC_F32, N, K, 0, 0, 0);
    case 1: return make(HC_F16, N, K, 0, 0, 0);
    case 2: return make(HC_BF16, N, K, 0, 0, 0);
    case 3: return make(HC_F8, N, K, 2, HC_SC_F32, 0);
    case 4: return make(HC_F8, N, K, 2, HC_SC_UE8M0, 0);
    case 5: return make(HC_F8, N, K, 0, 0, 0);
    case 6: return make(HC_I8, N, K, 1, HC_SC_F32, 0);
    case 7: return make(HC_I8, N, K, 3, HC_SC_F16, 32);
    case 8: return make(HC_I4, N, K, 3, HC_SC_F16, 32);
    case 9: return make(HC_I4, N, K, 3, HC_SC_BF16, 64);
    case 10: return make(HC_I4, N, K, 3, HC_SC_F32, 14);
    default: return make(HC_BF16, N, K, 3, HC_SC_F32, 128);
    }
}

/* x as HC_DOT rounds it for these weights; a copy of x where it does not. */
static float *rounded(const mat *w, const float *x, int64_t M, int64_t K) {
    float *r = farr(M * K);
    const int64_t wt = w->s[2] & (HC_DOT - 1), bk = w->s[6];
    const int takes = wt == HC_BF16 ? !w->s[3] : wt >= HC_I8 && (bk >= K || bk % 32 == 0);
    memcpy(r, x, sizeof(float) * (size_t)(M * K));
    for (int64_t m = 0; m < M && takes; m++)
        for (int64_t k = 0; k < K;) {
            float *v = r + m * K + k;
            if (wt == HC_BF16) {
                int e;
                frexp(*v, &e);
                *v = (float)(rint(ldexp(*v, 8 - e)) * ldexp(1, e - 8)), k++;
                continue;
            }
            const int64_t n = K - k < 32 ? K - k : 32;
            float top = 0;
            for (int64_t i = 0; i < n; i++) top = fmaxf(top, fabsf(v[i]));
            for (int64_t i = 0; i < n && top > 0; i++) v[i] = rintf(v[i] * (127.0f / top)) * (top / 127.0f);
            k += n;
        }
    return r;
}

/* ---- matrix kernels -------------------------------------------------------------------------------------------------- */
static int64_t dot; /* HC_DOT or 0 */
static void linear_case(int wi, int64_t M, int64_t N, int64_t K, int extras) {
    mat w = any(wi, N, K);
    float *given = frand(M * K), *x = dot ? rounded(&w, given, M, K) : given, *y = frand(M * N), *b = frand(N);
    double *want = malloc(sizeof(double) * (size_t)(M * N)), *mag = malloc(sizeof(double) * (size_t)(M * N));
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double a = extras ? (double)b[n] + y[m * N + n] : 0, g = fabs(a);
            for (int64_t k = 0; k < K; k++) a += x[m * K + k] * w.val[n * K + k], g += fabs(x[m * K + k] * w.val[n * K + k]);
            want[m * N + n] = a, mag[m * N + n] = g;
        }
    int64_t s[20] = {0, P(given), K, M, N, K, P(y), N, extras ? P(b) : 0, extras ? P(y) : 0, N};
    memcpy(s + 11, w.s, sizeof w.s);
    s[13] |= dot;
    run(HC_LINEAR, s, N);
    char what[99];
    snprintf(what, 99, "linear%s w%d M%ld N%ld K%ld", dot ? " dot" : "", wi, (long)M, (long)N, (long)K);
    check(what, y, want, mag, M * N, 2e-6);
    if (!extras) { /* the result must not depend on the cut */
        float *whole = farr(M * N);
        s[6] = P(whole);
        hc_run(HC_LINEAR, s, 0, N);
        expect("linear cut", !memcmp(y, whole, sizeof(float) * (size_t)(M * N)));
        free(whole);
    }
    if (x != given) free(x);
    free(given), free(y), free(b), free(want), free(mag), unmake(&w);
}
/* NaN and infinity in one group of x reach every sum and no other row. */
static void dot_special(int wi, float special) {
    const int64_t M = 6, N = 7, K = 200;
    mat w = any(wi, N, K);
    float *x = frand(M * K), *y = farr(M * N);
    x[3 * K + 77] = special;
    int64_t s[20] = {0, P(x), K, M, N, K, P(y), N, 0, 0, N};
    memcpy(s + 11, w.s, sizeof w.s);
    s[13] |= HC_DOT;
    for (int64_t m = 1; m <= M; m += 5) { /* as a row of its own and among others */
        s[1] = P(x + (m == 1 ? 3 * K : 0)), s[3] = m;
        run(HC_LINEAR, s, N);
        for (int64_t i = 0; i < m * N; i++) expect("dot special", isfinite(y[i]) == !(m == 1 || i / N == 3));
    }
    free(x), free(y), unmake(&w);
}

static void head_case(int wi, int trans, int64_t T, int64_t heads, int64_t rows, int64_t C) {
    const int64_t per = rows + 3, ro = 2, in = trans ? rows : C, on = trans ? C : rows, blocks = 2;
    mat w = any(wi, heads * per + 2, C);
    float *x = frand(T * heads * in), *y = frand(T * heads * on);
    double *want = calloc((size_t)(T * heads * on), 8), *mag = calloc((size_t)(T * heads * on), 8);
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t n = 0; n < rows; n++)
                for (int64_t c = 0; c < C; c++) {
                    double v = w.val[(h * per + ro + n) * C + c] * x[(t * heads + h) * in + (trans ? n : c)];
                    int64_t o = (t * heads + h) * on + (trans ? c : n);
                    want[o] += v, mag[o] += fabs(v);
                }
    int64_t s[24] = {P(scratch), P(x), heads * in, in, T, heads, rows, C, P(y), heads * on, on, trans, per, ro, blocks};
    memcpy(s + 15, w.s, sizeof w.s);
    s[17] |= dot;
    run(HC_HEAD_MATMUL, s, heads * blocks);
    char what[99];
    snprintf(what, 99, "head w%d trans%d T%ld rows%ld C%ld", wi, trans, (long)T, (long)rows, (long)C);
    check(what, y, want, mag, T * heads * on, dot ? 2e-2 : 2e-6);
    free(x), free(y), free(want), free(mag), unmake(&w);
}

static void moe_case(int wi, int64_t T, int64_t E, int64_t k, int shared, int64_t H, int64_t I) {
    const int64_t Et = E + shared, S = T * (k + shared), I2 = shared ? 2 * I + 2 : I, iB = 24;
    mat *g = malloc(sizeof(mat) * (size_t)Et), *u = malloc(sizeof(mat) * (size_t)Et), *d = malloc(sizeof(mat) * (size_t)Et);
    int64_t *ex = malloc(sizeof(int64_t) * (size_t)(Et * HC_EXPERT_WORDS));
    for (int64_t e = 0; e < Et; e++) {
        int64_t in = e < E ? I : I2;
        g[e] = any(wi, in, H), u[e] = any(wi, in, H), d[e] = any(wi, H, in);
        int64_t v[9] = {g[e].s[0], g[e].s[3], u[e].s[0], u[e].s[3], d[e].s[0], d[e].s[3], in, d[e].s[1], d[e].s[7]};
        memcpy(ex + e * HC_EXPERT_WORDS, v, sizeof v);
    }
    int32_t *ids = malloc(4 * (size_t)(T * k)), *off = malloc(4 * (size_t)(Et + 1)), *rows = malloc(4 * (size_t)S);
    float *gate = frand(T * k), *wt = farr(S), *x = frand(T * H), *h = farr(S * I2), *y = frand(T * H);
    for (int64_t t = 0; t < T; t++)
        for (int64_t j = 0; j < k; j++) ids[t * k + j] = (int32_t)((t * 7 + j * 3 + (t & 1)) % E);
    int64_t maxTasks = Et * ((I2 + iB - 1) / iB);
    int32_t *tasks = malloc(8 * (size_t)maxTasks), count = -1;
    int64_t r[14] = {0, P(ids), P(gate), T, k, E, shared, P(off), P(rows), P(wt), P(ex), iB, P(tasks), P(&count)};
    run(HC_MOE_ROUTE, r, 1);
    double *want = calloc((size_t)(T * H), 8), *mag = calloc((size_t)(T * H), 8), *hv = malloc(8 * (size_t)I2);
    for (int64_t i = 0; i < T * H; i++) want[i] = y[i], mag[i] = fabs(y[i]);
    for (int64_t t = 0; t < T; t++)
        for (int64_t j = 0; j < k + shared; j++) {
            int64_t e = j < k ? ids[t * k + j] : E + j - k, in = e < E ? I : I2;
            double wgt = j < k ? gate[t * k + j] : 1;
            for (int64_t i = 0; i < in; i++) {
                double a = 0, b = 0;
                for (int64_t c = 0; c < H; c++) a += x[t * H + c] * g[e].val[i * H + c], b += x[t * H + c] * u[e].val[i * H + c];
                hv[i] = a / (1 + exp(-a)) * b;
            }
            for (int64_t n = 0; n < H; n++)
                for (int64_t i = 0; i < in; i++) {
                    double v = wgt * hv[i] * d[e].val[n * in + i];
                    want[t * H + n] += v, mag[t * H + n] += fabs(v);
                }
        }
    int64_t a[18] = {P(scratch), P(x), H, H, P(ex), P(off), P(rows), P(tasks), P(&count), iB, P(h), I2,
                     g[0].s[2] | dot, g[0].s[1], g[0].s[4], g[0].s[5], g[0].s[6], g[0].s[7]};
    run(HC_MOE_GATE_UP, a, maxTasks + 3);
    int64_t q[18] = {P(scratch), P(h), I2, T, H, P(ex), Et, P(off), P(rows), P(wt), P(y), H, P(y), H,
                     d[0].s[2] | dot, d[0].s[4], d[0].s[5], wi == 6 ? 1 << 30 : d[0].s[6]};
    run(HC_MOE_DOWN, q, H);
    char what[99];
    snprintf(what, 99, "moe w%d T%ld H%ld I%ld", wi, (long)T, (long)H, (long)I);
    check(what, y, want, mag, T * H, dot ? 4e-2 : 2e-5);
    for (int64_t e = 0; e < Et; e++) unmake(g + e), unmake(u + e), unmake(d + e);
    free(g), free(u), free(d), free(ex), free(ids), free(off), free(rows), free(gate), free(wt), free(x), free(h), free(y);
    free(tasks), free(want), free(mag), free(hv);
}

/* ---- attention --------------------------------------------------------------------------------------------------------- */
typedef struct { uint8_t *raw, *base; double *val; int32_t *table; int64_t bs, maxB, rowB; } cache_t;
static cache_t make_cache(int dt, int64_t seqs, int64_t len, int64_t D) {
    cache_t c = {0, 0, 0, 0, 5, 0, 0};
    c.maxB = (len + c.bs - 1) / c.bs;
    int64_t rows = seqs * c.maxB * c.bs;
    c.rowB = rowbytes(dt, D);
    c.raw = malloc((size_t)(rows * c.rowB));
    c.base = c.raw;
    c.val = malloc(8 * (size_t)(rows * D));
    for (int64_t i = 0; i < rows * D; i++) {
        float f = (float)rnd();
        uint32_t u;
        memcpy(&u, &f, 4);
        uint16_t h = dt == HC_BF16 ? (uint16_t)(u >> 16) : (uint16_t)(irnd(0x3c00) | irnd(2) << 15);
        if (dt == HC_F32) memcpy(c.raw + 4 * i, &f, 4);
        else memcpy(c.raw + 2 * i, &h, 2);
        c.val[i] = stored(dt, c.raw, i);
    }
    c.table = malloc(4 * (size_t)(seqs * c.maxB));
    for (int64_t i = 0; i < seqs * c.maxB; i++) c.table[i] = (int32_t)(seqs * c.maxB - 1 - i);
    return c;
}
static const double *crow(const cache_t *c, int64_t seq, int64_t p, int64_t D) {
    return c->val + (c->table[seq * c->maxB + p / c->bs] * c->bs + p % c->bs) * D;
}
static void free_cache(cache_t *c) { free(c->raw), free(c->val), free(c->table); }

static void decode_case(int dt, int64_t H, int64_t C, int64_t R, int64_t len, int64_t split, int64_t np) {
    const int64_t T = 3, D = C + R, ns = (len + split - 1) / split;
    cache_t c = make_cache(dt, 2, len, D);
    int32_t seq[3] = {1, 0, 1}, pos[3] = {(int32_t)len - 1, 0, (int32_t)len / 2};
    float *q = frand(T * H * D), *out = farr(T * H * C), *part = farr(T * ns * H * (C + 2));
    double scale = 1.7 / sqrt((double)D), *want = calloc((size_t)(T * H * C), 8), *s = malloc(8 * (size_t)len);
    for (int64_t t = 0; t < T; t++)
        for (int64_t h = 0; h < H; h++) {
            double m = -INFINITY, l = 0;
            for (int64_t p = 0; p <= pos[t]; p++) {
                const double *r = crow(&c, seq[t], p, D);
                s[p] = 0;
                for (int64_t i = 0; i < D; i++) s[p] += scale * q[(t * H + h) * D + i] * r[i];
                m = fmax(m, s[p]);
            }
            for (int64_t p = 0; p <= pos[t]; p++) l += s[p] = exp(s[p] - m);
            for (int64_t p = 0; p <= pos[t]; p++)
                for (int64_t i = 0; i < C; i++) want[(t * H + h) * C + i] += s[p] / l * crow(&c, seq[t], p, D)[i];
        }
    int64_t a[23] = {P(scratch), P(q), H * D, D, H, C, R, P(c.base), c.rowB, dt, P(c.table), c.maxB, c.bs, P(seq), P(pos),
                     dbits(scale), ns, split, P(part), np, P(out), H * C, C};
    run(HC_MLA_DECODE, a, T * ns * np);
    int64_t g[8] = {0, P(part), ns, H, C, P(out), H * C, C};
    if (ns > 1) run(HC_MLA_MERGE, g, T * H);
    char what[99];
    snprintf(what, 99, "mla_decode dt%d H%ld C%ld R%ld len%ld split%ld parts%ld", dt, (long)H, (long)C, (long)R, (long)len,
             (long)split, (long)np);
    check(what, out, want, 0, T * H * C, 5e-6);
    free(q), free(out), free(part), free(want), free(s), free_cache(&c);
}

static void prefill_case(int dt, int wi, int64_t H, int64_t nope, int64_t R, int64_t V, int64_t C, int64_t QB) {
    const int64_t D = nope + R, CD = C + R, len = 211;
    cache_t c = make_cache(dt, 3, len, CD);
    mat w = any(wi, H * (nope + V), C);
    const int32_t start[3] = {0, 130, 137}, sr[2] = {2, 0};
    const int64_t T = 137, nQB = (130 + QB - 1) / QB;
    int32_t pos[137];
    for (int i = 0; i < 137; i++) pos[i] = i < 130 ? i + 81 : (i - 130);
    float *q = frand(T * H * D), *out = frand(T * H * V);
    double scale = 1.0 / sqrt((double)D), *want = calloc((size_t)(T * H * V), 8), *s = malloc(8 * (size_t)len);
    double *kn = malloc(8 * (size_t)(len * (nope + V)));
    for (int64_t i = 0; i < 2; i++)
        for (int64_t h = 0; h < H; h++) {
            for (int64_t p = 0; p < len; p++)
                for (int64_t n = 0; n < nope + V; n++) {
                    double a = 0;
                    for (int64_t k = 0; k < C; k++) a += crow(&c, sr[i], p, CD)[k] * w.val[(h * (nope + V) + n) * C + k];
                    kn[p * (nope + V) + n] = a;
                }
            for (int64_t t = start[i]; t < start[i + 1]; t++) {
                double m = -INFINITY, l = 0;
                for (int64_t p = 0; p <= pos[t]; p++) {
                    const float *qq = q + (t * H + h) * D;
                    s[p] = 0;
                    for (int64_t n = 0; n < nope; n++) s[p] += scale * qq[n] * kn[p * (nope + V) + n];
                    for (int64_t n = 0; n < R; n++) s[p] += scale * qq[nope + n] * crow(&c, sr[i], p, CD)[C + n];
                    m = fmax(m, s[p]);
                }
                for (int64_t p = 0; p <= pos[t]; p++) l += s[p] = exp(s[p] - m);
                for (int64_t p = 0; p <= pos[t]; p++)
                    for (int64_t n = 0; n < V; n++) want[(t * H + h) * V + n] += s[p] / l * kn[p * (nope + V) + nope + n];
            }
        }
    double top = 0;
    for (int64_t i = 0; i < len * (nope + V); i++) top = fmax(top, fabs(kn[i]));
    double *mag = malloc(8 * (size_t)(T * H * V));
    for (int64_t i = 0; i < T * H * V; i++) mag[i] = top * (1 + top);
    int64_t a[33] = {P(scratch), P(q), H * D, D, H, nope, R, V, C, P(c.base), c.rowB, dt, P(c.table), c.maxB, c.bs, P(start),
                     P(sr), P(pos), dbits(scale), P(out), H * V, V, QB, nQB};
    memcpy(a + 24, w.s, sizeof w.s);
    run(HC_MLA_PREFILL, a, 2 * H * nQB);
    char what[99];
    snprintf(what, 99, "mla_prefill dt%d w%d nope%ld V%ld C%ld QB%ld", dt, wi, (long)nope, (long)V, (long)C, (long)QB);
    check(what, out, want, mag, T * H * V, 1e-5);
    free(q), free(out), free(want), free(s), free(kn), free(mag), free_cache(&c), unmake(&w);
}
#include "test_rows.h"

int main(int argc, char **argv) {
    const char *all[] = {"avx512", "avx2", "generic"};
    if (posix_memalign(&scratch, 64, HC_SCRATCH_BYTES)) return 2;
    for (int i = 0; i < (argc > 1 ? argc - 1 : 3); i++) {
        isa = argc > 1 ? argv[1 + i] : all[i];
        hc_set_isa(isa);
        if (strcmp(hc_isa(), isa) && strcmp(isa, "generic")) { printf("skip %s\n", isa); continue; }
        isa = hc_isa();
        const int64_t Ms[] = {1, 2, 3, 4, 5, 8, 19, 131}, Ns[] = {5, 64, 137}, Ks[] = {12, 84, 100, 256, 1100, 2050};
        for (int w = 0; w < 12; w++) {
            for (int m = 0; m < 8; m++)
                for (int n = 0; n < 3; n++)
                    for (int k = 0; k < 6; k++)
                        if (Ms[m] * Ns[n] * Ks[k] < 9000000) linear_case(w, Ms[m], Ns[n], Ks[k], (m + n + k) & 1);
            for (int t = 0; t < 2; t++)
                head_case(w, t, 1, 3, 20, 84), head_case(w, t, 7, 2, 33, 200), head_case(w, t, 2, 2, 128, 512);
            block_ro = 0;
            moe_case(w, 1, 8, 3, 1, 84, 52), moe_case(w, 37, 5, 2, 0, 100, 30), moe_case(w, 9, 4, 2, 2, 64, 128), moe_case(w, 6, 4, 2, 1, 300, 130);
            block_ro = 77;
            prefill_case(w % 3, w, 2, 12, 4, 10, 28, 150);
        }
        dot = HC_DOT;
        for (int w = 2; w < 12; w++) {
            const int64_t Kd[] = {1, 2, 31, 33, 64, 130, 258, 513, 1100, 8200};
            for (int m = 0; m < 8; m++)
                for (int k = 0; k < 10; k++)
                    if (Ms[m] * Kd[k] < 200000) linear_case(w, Ms[m], 37, Kd[k], (m + k) & 1);
            if (w > 2 && w < 6) continue;
            head_case(w, 0, 1, 3, 20, 84), head_case(w, 0, 7, 2, 33, 200), head_case(w, 1, 2, 2, 128, 512);
            moe_case(w, 1, 8, 3, 1, 84, 52), moe_case(w, 37, 5, 2, 0, 100, 30), moe_case(w, 9, 4, 2, 2, 64, 128);
            if (w != 10 && w != 11) dot_special(w, NAN), dot_special(w, INFINITY);
        }
        dot = 0;
        prefill_case(HC_BF16, 2, 2, 128, 64, 128, 512, 64);
        for (int dt = 0; dt < 3; dt++)
            decode_case(dt, 3, 20, 6, 101, 40, 1), decode_case(dt, 16, 288, 32, 333, 40, 3),
            decode_case(dt, 128, 512, 64, 57, 40, 1), decode_case(dt, 16, 256, 32, 50, 50, 4), decode_case(dt, 7, 20, 6, 9, 64, 5);
        row_kernels();
        printf("%s: %d checks, %d failures\n", isa, checks, fails);
    }
    return fails != 0;
}
