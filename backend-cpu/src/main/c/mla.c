/* mla.c: HC_MLA_DECODE, HC_MLA_MERGE, HC_MLA_PREFILL. Attention over the paged latent cache as tiles of cache rows decoded
 * to f32 once and shared by all heads (decode) or all queries (prefill): both products run on the register tiles of core.h.
 * Softmax is the online form with a running maximum per row; f32 throughout. */
#include "core.h"

typedef struct {
    const uint8_t *base;
    int64_t rowBytes, dtype;
    const int32_t *table;
    int64_t maxBlocks, blockSize;
} hc_cache;

/* Positions p0..p0+n of a sequence, elements [c0,c1) of each row, to out rows of stride ld, zero-padded to VL. */
static void cache_rows(const hc_cache *c, int64_t seq, int64_t p0, int64_t n, int64_t width, float *out, int64_t ld) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t p = p0 + i;
        const int64_t row = c->table[seq * c->maxBlocks + p / c->blockSize] * c->blockSize + p % c->blockSize;
        const hc_w w = {c->base + row * c->rowBytes, 0, c->dtype, 0, 0, 1, 1, 0, 0, 0};
        dequant_row(&w, 0, 0, width, out + i * ld);
        zero_tail(out + i * ld, width);
    }
}

/* One online-softmax step for a row: s[0..n) scores (unscaled) become weights; acc is rescaled if the maximum moves. */
static void online_row(float *s, int64_t n, float scale, float *mx, float *sum, float *acc, int64_t width) {
    vf vm = vset(-INFINITY);
    for (int64_t i = 0; i < n; i += VL) {
        vf v = vmul(vldn(s + i, n - i), vset(scale));
        vstn(s + i, v, n - i);
        if (n - i >= VL) vm = vmax(vm, v);
        else for (int64_t j = i; j < n; j++) vm = vmax(vm, vset(s[j]));
    }
    const float m = MAX(*mx, vhmax(vm));
    if (m != *mx) {
        const float f = *mx == -INFINITY ? 0 : expf(*mx - m);
        for (int64_t i = 0; i < width; i += VL) vstn(acc + i, vmul(vldn(acc + i, width - i), vset(f)), width - i);
        *sum *= f;
        *mx = m;
    }
    vf l = vzero();
    for (int64_t i = 0; i < n; i += VL) {
        vf e = vexp(vsub(vldn(s + i, n - i), vset(m)));
        vstn(s + i, e, n - i);
        l = vadd(l, n - i >= VL ? e : vldn(s + i, n - i));
    }
    *sum += vsum(l);
}

static void k_mla_decode(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t qt = s[2], qh = s[3], H = s[4], C = s[5], D = s[5] + s[6], nSplit = s[16], splitLen = s[17], nPart = s[19];
    const hc_cache cache = {(const uint8_t *)s[7], s[8], s[9], (const int32_t *)s[10], s[11], s[12]};
    const int32_t *seqOf = (const int32_t *)s[13], *pos = (const int32_t *)s[14];
    const float scale = (float)f64_of_bits(s[15]);
    const int64_t ld = pad_vl(D), lanes = NT_NR * 4;
    float *panel = (float *)s[0];
    const int64_t TR = MAX((int64_t)NT_NR, MIN(lanes, (80 << 10) / (4 * ld) / NT_NR * NT_NR));
    float *sc = panel + (TR + NT_NR) * ld;
    const int64_t HB = MIN(H, (int64_t)512); /* heads per pass: bounds the score tile */
    const int64_t perPart = ((H + nPart - 1) / nPart + 3) / 4 * 4;
    for (int64_t task = begin; task < end; task++) {
        const int64_t piece = task / nPart, t = piece / nSplit, ha = MIN(task % nPart * perPart, H), hb = MIN(ha + perPart, H);
        const int64_t p0 = piece % nSplit * splitLen, p1 = MIN(p0 + splitLen, (int64_t)pos[t] + 1);
        const float *q = (const float *)s[1] + t * qt;
        float *part = (float *)s[18] + piece * H * (C + 2), *mx = part + H * C, *sum = mx + H;
        float *acc = nSplit == 1 ? (float *)s[20] + t * s[21] : part;
        const int64_t lda = nSplit == 1 ? s[22] : C;
        for (int64_t h = ha; h < hb; h++) {
            mx[h] = -INFINITY, sum[h] = 0;
            memset(acc + h * lda, 0, sizeof(float) * (size_t)C);
        }
        for (int64_t p = p0; p < p1; p += TR) {
            const int64_t n = MIN(TR, p1 - p);
            cache_rows(&cache, seqOf[t], p, n, D, panel, ld);
            for (int64_t h0 = ha; h0 < hb; h0 += HB) {
                const int64_t hc = MIN(HB, hb - h0);
                memset(sc, 0, sizeof(float) * (size_t)(hc * TR));
                nt_block(q + h0 * qh, qh, hc, panel, ld, n, D, sc, TR);
                for (int64_t h = 0; h < hc; h++)
                    online_row(sc + h * TR, n, scale, mx + h0 + h, sum + h0 + h, acc + (h0 + h) * lda, C);
                nn_block(sc, TR, hc, panel, ld, n, C, acc + h0 * lda, lda);
            }
        }
        if (nSplit > 1) continue;
        for (int64_t h = ha; h < hb; h++) {
            const vf inv = vset(1.0f / sum[h]);
            float *o = acc + h * lda;
            for (int64_t c = 0; c < C; c += VL) vstn(o + c, vmul(vldn(o + c, C - c), inv), C - c);
        }
    }
}

static void k_mla_merge(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t nSplit = s[2], H = s[3], C = s[4];
    for (int64_t i = begin; i < end; i++) {
        const int64_t t = i / H, h = i % H;
        const float *part = (const float *)s[1] + t * nSplit * H * (C + 2);
        float *out = (float *)s[5] + t * s[6] + h * s[7], m = -INFINITY, l = 0;
        for (int64_t k = 0; k < nSplit; k++) m = MAX(m, part[k * H * (C + 2) + H * C + h]);
        memset(out, 0, sizeof(float) * (size_t)C);
        for (int64_t k = 0; k < nSplit; k++) {
            const float *a = part + k * H * (C + 2), mk = a[H * C + h], f = mk == -INFINITY ? 0 : expf(mk - m);
            if (f == 0) continue;
            l += f * a[H * C + H + h];
            for (int64_t c = 0; c < C; c += VL)
                vstn(out + c, vfma(vldn(a + h * C + c, C - c), vset(f), vldn(out + c, C - c)), C - c);
        }
        const vf inv = vset(1.0f / l);
        for (int64_t c = 0; c < C; c += VL) vstn(out + c, vmul(vldn(out + c, C - c), inv), C - c);
    }
}

#define PRE_QB 48
static void k_mla_prefill(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t qt = s[2], qh = s[3], H = s[4], nope = s[5], R = s[6], V = s[7], C = s[8], QB = s[22], nQB = s[23];
    const hc_cache cache = {(const uint8_t *)s[9], s[10], s[11], (const int32_t *)s[12], s[13], s[14]};
    const int32_t *start = (const int32_t *)s[15], *seqRow = (const int32_t *)s[16], *pos = (const int32_t *)s[17];
    const float scale = (float)f64_of_bits(s[18]);
    const hc_w kvb = w_from_slots(s + 24);
    const int64_t D = nope + R, ldl = pad_vl(C + R), ldk = pad_vl(D), ldv = pad_vl(V);
    /* scratch: latent tile, k tile, v tile, scores, running max and sum per query */
    const int64_t room = (int64_t)HC_SCRATCH_BYTES / 4 - 2 * MIN(QB, (int64_t)16384) - 64;
    int64_t TR = room / (ldl + ldk + ldv + PRE_QB + 8) - NT_NR;
    TR = MAX((int64_t)NT_NR, MIN((int64_t)96, TR / NT_NR * NT_NR));
    float *lat = (float *)s[0], *kt = lat + TR * ldl, *vt = kt + (TR + NT_NR) * ldk, *sc = vt + TR * ldv;
    float *mx = sc + PRE_QB * TR, *sum = mx + MIN(QB, (int64_t)16384);
    for (int64_t task = begin; task < end; task++) {
        const int64_t b = task % nQB, h = task / nQB % H, seq = task / nQB / H;
        const int64_t t0 = start[seq] + b * QB, t1 = MIN(t0 + QB, (int64_t)start[seq + 1]);
        if (t0 >= t1) continue;
        const int64_t ctx = (int64_t)pos[t1 - 1] + 1, row = seqRow ? seqRow[seq] : seq;
        const float *q = (const float *)s[1] + h * qh;
        float *out = (float *)s[19] + h * s[21];
        const hc_w wk = w_rows_from(kvb, h * (nope + V)), wv = w_rows_from(wk, nope);
        for (int64_t t = t0; t < t1; t++) {
            memset(out + t * s[20], 0, sizeof(float) * (size_t)V);
            mx[t - t0] = -INFINITY, sum[t - t0] = 0;
        }
        int64_t first = t0; /* first query that sees the tile */
        for (int64_t p = 0; p < ctx; p += TR) {
            const int64_t n = MIN(TR, ctx - p);
            while (pos[first] < p) first++;
            cache_rows(&cache, row, p, n, C + R, lat, ldl);
            for (int64_t i = 0; i < n; i++) {
                memset(kt + i * ldk, 0, sizeof(float) * (size_t)nope);
                memcpy(kt + i * ldk + nope, lat + i * ldl + C, sizeof(float) * (size_t)R);
                zero_tail(kt + i * ldk, D);
                memset(vt + i * ldv, 0, sizeof(float) * (size_t)ldv);
            }
            lin_core(&wk, 0, nope, lat, ldl, 0, n, C, kt, ldk);
            lin_core(&wv, 0, V, lat, ldl, 0, n, C, vt, ldv);
            for (int64_t t = first; t < t1; t += PRE_QB) {
                const int64_t qc = MIN((int64_t)PRE_QB, t1 - t), nv = MIN(n, (int64_t)pos[t + qc - 1] - p + 1);
                memset(sc, 0, sizeof(float) * (size_t)(qc * TR));
                nt_block(q + t * qt, qt, qc, kt, ldk, nv, D, sc, TR);
                for (int64_t i = 0; i < qc; i++) {
                    const int64_t len = MIN(nv, (int64_t)pos[t + i] - p + 1);
                    if (len < nv) memset(sc + i * TR + len, 0, sizeof(float) * (size_t)(nv - len));
                    online_row(sc + i * TR, len, scale, mx + (t + i - t0), sum + (t + i - t0), out + (t + i) * s[20], V);
                }
                nn_block(sc, TR, qc, vt, ldv, nv, V, out + t * s[20], s[20]);
            }
        }
        for (int64_t t = t0; t < t1; t++) {
            const float inv = 1.0f / sum[t - t0];
            float *o = out + t * s[20];
            for (int64_t i = 0; i < V; i++) o[i] *= inv;
        }
    }
}
