/* test_rows.h: the row kernels: norm, rope, cache, gating, quantisation. Part of test_kernels.c. */
static void norm_rope_kv(void) {
    for (int wt = 0; wt < 3; wt++)
        for (int64_t n = 5; n < 300; n += 47) {
            const int64_t M = 3;
            mat w = make(wt, 1, n, 0, 0, 0);
            float *x = frand(M * n), *r = frand(M * n), *y = farr(M * n), *sum = farr(M * n);
            double *want = malloc(8 * (size_t)(M * n)), *ws = malloc(8 * (size_t)(M * n));
            for (int64_t m = 0; m < M; m++) {
                double q = 0;
                for (int64_t i = 0; i < n; i++) ws[m * n + i] = (double)x[m * n + i] + r[m * n + i], q += ws[m * n + i] * ws[m * n + i];
                for (int64_t i = 0; i < n; i++) want[m * n + i] = ws[m * n + i] / sqrt(q / (double)n + 1e-6) * w.val[i];
            }
            int64_t s[13] = {0, P(x), n, n, P(y), n, w.s[0], wt, dbits(1e-6), P(r), n, P(sum), n};
            run(HC_RMSNORM, s, M);
            check("rmsnorm", y, want, 0, M * n, 3e-6), check("rmsnorm sum", sum, ws, 0, M * n, 3e-7);
            free(x), free(r), free(y), free(sum), free(want), free(ws), unmake(&w);
        }
    const int64_t T = 4, heads = 3, D = 14, rot = 6, off = 8;
    float *c = frand(50 * rot / 2), *sn = frand(50 * rot / 2);
    int32_t pos[4] = {3, 0, 49, 7}, slot[4] = {2, -1, 0, 5};
    for (int inter = 0; inter < 2; inter++) {
        float *x = frand(T * heads * D);
        double *want = malloc(8 * (size_t)(T * heads * D));
        for (int64_t t = 0; t < T; t++)
            for (int64_t h = 0; h < heads; h++) {
                float *p = x + (t * heads + h) * D;
                double *o = want + (t * heads + h) * D;
                for (int i = 0; i < D; i++) o[i] = p[i];
                for (int i = 0; i < rot / 2; i++) {
                    int64_t a = off + (inter ? 2 * i : i), b = off + (inter ? 2 * i + 1 : i + rot / 2);
                    double cc = c[pos[t] * rot / 2 + i], ss = sn[pos[t] * rot / 2 + i];
                    o[a] = p[a] * cc - p[b] * ss, o[b] = p[a] * ss + p[b] * cc;
                }
            }
        int64_t s[16] = {0, P(x), heads * D, D, heads, off, rot, P(x), heads * D, D, off, P(c), P(sn), P(pos), inter, 0};
        run(HC_ROPE, s, T);
        check("rope", x, want, 0, T * heads * D, 1e-6);
        free(x), free(want);
    }
    for (int dt = 0; dt < 3; dt++) {
        const int64_t C = 37, W = C + rot;
        float *kv = frand(T * W), *w = frand(C), *got = farr(6 * W);
        uint8_t *cache = calloc(1, (size_t)(6 * rowbytes(dt, W)));
        double *want = calloc((size_t)(6 * W), 8);
        for (int64_t t = 0; t < T; t++) {
            if (slot[t] < 0) continue;
            double q = 0, *o = want + slot[t] * W;
            for (int64_t i = 0; i < C; i++) q += (double)kv[t * W + i] * kv[t * W + i];
            for (int64_t i = 0; i < C; i++) o[i] = kv[t * W + i] / sqrt(q / (double)C + 1e-6) * w[i];
            for (int i = 0; i < rot / 2; i++) {
                double a = kv[t * W + C + 2 * i], b = kv[t * W + C + 2 * i + 1];
                double cc = c[pos[t] * rot / 2 + i], ss = sn[pos[t] * rot / 2 + i];
                o[C + 2 * i] = a * cc - b * ss, o[C + 2 * i + 1] = a * ss + b * cc;
            }
        }
        int64_t s[15] = {P(scratch), P(kv), W, C, rot, P(w), 0, dbits(1e-6), P(c), P(sn), P(pos), P(slot), P(cache), rowbytes(dt, W), dt};
        run(HC_KV_APPEND, s, T);
        for (int64_t i = 0; i < 6 * W; i++) got[i] = (float)stored(dt, cache, i);
        check("kv_append", got, want, 0, 6 * W, dt == 0 ? 3e-6 : dt == 1 ? 2e-3 : 1e-2);
        free(kv), free(w), free(got), free(cache), free(want);
    }
    free(c), free(sn);
}

static void gating(void) {
    for (int variant = 0; variant < 24; variant++) {
        const int64_t E = 32, k = 5, T = 6, G = variant & 4 ? 8 : 1, keep = 3;
        const int sig = variant & 1, rule = variant >> 1 & 1, renorm = variant >> 3 & 1, ties = variant >= 16;
        float *x = frand(T * E), *b = frand(E), *w = farr(T * k);
        int32_t *ids = malloc(4 * (size_t)(T * k));
        for (int64_t i = 0; i < T * E && ties; i++) x[i] = 0.25f;
        for (int64_t i = 0; i < E; i++) b[i] = ties ? 0 : b[i] - 1.5f; /* negative choices tell -inf from 0 */
        int64_t s[14] = {P(scratch), P(x), E, E, k, sig, rule ? P(b) : 0, G, keep, rule, renorm, dbits(2.5), P(ids), P(w)};
        run(HC_MOE_GATING, s, T);
        int ok = 1;
        double *want = malloc(8 * (size_t)(T * k));
        for (int64_t t = 0; t < T; t++) {
            double sc[32], ch[32], gs[8], l = 0, tot = 0;
            int dropped[32] = {0};
            for (int i = 0; i < E; i++) l += exp(x[t * E + i]);
            for (int i = 0; i < E; i++) sc[i] = sig ? 1 / (1 + exp(-x[t * E + i])) : exp(x[t * E + i]) / l, ch[i] = sc[i] + (rule ? b[i] : 0);
            for (int g = 0; g < G && G > 1; g++) {
                double a = -1e9, c2 = -1e9;
                for (int i = 0; i < 4; i++) {
                    double v = ch[g * 4 + i];
                    if (v > a) c2 = a, a = v;
                    else if (v > c2) c2 = v;
                }
                gs[g] = rule ? a + c2 : a;
            }
            if (ties) for (int i = 0; i < E; i++) ch[i] = 1;
            if (ties) for (int g = 0; g < G; g++) gs[g] = 1;
            for (int g = 0; g < G && G > 1; g++) {
                int before = 0;
                for (int o = 0; o < G; o++) before += gs[o] > gs[g] || (gs[o] == gs[g] && o < g);
                for (int i = 0; i < 4 && before >= keep; i++) dropped[g * 4 + i] = 1;
            }
            for (int j = 0; j < k; j++) {
                int best = -1;
                for (int i = 0; i < E; i++) if (!dropped[i] && (best < 0 || ch[i] > ch[best])) best = i;
                dropped[best] = 1;
                ok &= ids[t * k + j] == best;
                tot += want[t * k + j] = sc[best];
            }
            for (int j = 0; j < k; j++) want[t * k + j] *= 2.5 / (renorm ? tot : 1);
        }
        expect("gating ids", ok);
        check("gating weights", w, want, 0, T * k, 3e-6);
        free(x), free(b), free(w), free(ids), free(want);
    }
}

static void elementwise(void) {
    const int64_t n = 71, R = 3;
    float *g = frand(R * n), *u = frand(R * n), *y = farr(R * n);
    double *want = malloc(8 * (size_t)(R * n));
    for (int64_t i = 0; i < R * n; i++) g[i] *= 60;
    g[0] = -100, g[1] = 100, g[2] = -88, g[3] = 0;
    for (int64_t i = 0; i < R * n; i++) want[i] = g[i] / (1 + exp(-(double)g[i])) * u[i];
    int64_t s[8] = {0, P(g), n, P(u), n, P(y), n, n};
    run(HC_SWIGLU, s, R);
    double *mag = malloc(8 * (size_t)(R * n));
    for (int64_t i = 0; i < R * n; i++) mag[i] = fabs(want[i]);
    check("swiglu", y, want, mag, R * n, 1e-6);
    int32_t valid[3] = {71, 1, 0};
    for (int64_t r = 0; r < R; r++) {
        double m = -INFINITY, l = 0;
        for (int64_t i = 0; i < valid[r]; i++) m = fmax(m, g[r * n + i] * 0.5);
        for (int64_t i = 0; i < n; i++) l += want[r * n + i] = i < valid[r] ? exp(g[r * n + i] * 0.5 - m) : 0;
        for (int64_t i = 0; i < n && l > 0; i++) want[r * n + i] /= l;
    }
    int64_t sm[8] = {0, P(g), n, n, P(y), n, P(valid), dbits(0.5)};
    run(HC_SOFTMAX, sm, R);
    check("softmax", y, want, 0, R * n, 1e-6);
    for (int64_t i = 0; i < R * n; i++) want[i] = (double)g[i] + u[i];
    int64_t ad[4] = {0, P(g), P(u), P(y)};
    run(HC_ADD, ad, R * n);
    check("add", y, want, 0, R * n, 4e-6);

    float v[3][40];
    for (int i = 0; i < 40; i++) v[0][i] = i == 17 || i == 33 ? 5 : (float)rnd(), v[1][i] = NAN, v[2][i] = i < 3 || i == 9 ? NAN : -INFINITY;
    v[0][20] = NAN, v[0][39] = NAN;
    int32_t ids[3], tk[9];
    float val[3], tv[9];
    int64_t am[6] = {0, P(v), 40, 40, P(ids), P(val)};
    run(HC_ARGMAX, am, 3);
    expect("argmax", ids[0] == 17 && ids[1] == 0 && ids[2] == 3 && val[0] == 5 && isnan(val[1]) && val[2] == -INFINITY);
    int64_t t[7] = {0, P(v), 40, 40, 3, P(tk), P(tv)};
    run(HC_TOPK, t, 3);
    expect("topk", tk[0] == 17 && tk[1] == 33 && tv[2] < 1 && tk[3] == 0 && tk[4] == 1 && tk[5] == 2 && tk[6] == 3 && tk[7] == 4);
    free(g), free(u), free(y), free(want), free(mag);
}

static double ulp_round(double x, int mant, int emin) { /* round to nearest even with mant fraction bits */
    int e;
    frexp(x, &e);
    e = e - 1 < emin ? emin : e - 1;
    return ldexp(nearbyint(ldexp(x, mant - e)), e - mant);
}
static void conversions(void) {
    const int64_t n = 3001;
    float *x = frand(n), *back = farr(n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)ldexp(x[i], (int)irnd(50) - 30);
    x[0] = 0, x[1] = -0.0f, x[2] = INFINITY, x[3] = NAN, x[4] = 65519, x[5] = 65520, x[6] = 1e-7f, x[7] = 464, x[8] = -1e9f, x[9] = 0x1p-9f, x[10] = 0x1p-10f;
    const int mant[4] = {23, 10, 7, 3}, emin[4] = {-126, -14, -126, -6};
    for (int dt = 1; dt < 4; dt++) {
        uint8_t *d = malloc((size_t)rowbytes(dt, n));
        int64_t s[5] = {0, P(x), 0, P(d), dt}, r[5] = {0, P(d), dt, P(back), 0};
        run(HC_CONVERT, s, n), run(HC_CONVERT, r, n);
        int bad = -1;
        for (int64_t i = 0; i < n; i++) {
            double want = isfinite(x[i]) ? ulp_round(x[i], mant[dt], emin[dt]) : x[i], got = stored(dt, d, i);
            if (dt == 1 && fabs(want) > 65504 && isfinite(want)) want = copysign(INFINITY, want);
            if (dt == 3 && fabs(want) > 448) want = copysign(448, want);
            if (!(got == want || (isnan(got) && isnan(want))) || !(got == back[i] || (isnan(got) && isnan(back[i])))) bad = (int)i;
        }
        if (bad >= 0) printf("  dt %d x %a got %a back %a\n", dt, x[bad], stored(dt, d, bad), back[bad]);
        expect("convert", bad < 0);
        free(d);
    }
    for (int b = 0; b < 256; b++) { /* every e4m3 code through LINEAR and DEQUANT */
        uint8_t w[64] = {0};
        float one[64] = {0}, y = 0, z[64];
        w[b % 61] = (uint8_t)b;
        one[b % 61] = 1;
        int64_t s[20] = {0, P(one), 64, 1, 1, 64, P(&y), 1, 0, 0, 0, P(w), 64, HC_F8, 0, 0, 1, 64, 1, 0};
        run(HC_LINEAR, s, 1);
        int64_t q[14] = {0, 0, 64, P(z), 64, P(w), 64, HC_F8, 0, 0, 1, 64, 1, 0};
        run(HC_DEQUANT, q, 1);
        double want = stored(HC_F8, w, b % 61);
        expect("e4m3 code", (y == want && z[b % 61] == want) || (isnan(want) && isnan(y) && isnan(z[b % 61])));
    }
    free(x), free(back);
}

static void quantise(void) {
    for (int wi = 0; wi < 12; wi++) { /* gather rows */
        mat w = any(wi, 9, 101 + (wi > 6));
        int32_t ids[4] = {8, 0, 3, 3};
        float *y = farr(4 * w.K);
        double *want = malloc(8 * (size_t)(4 * w.K)), *mag = malloc(8 * (size_t)(4 * w.K));
        for (int i = 0; i < 4; i++)
            for (int64_t k = 0; k < w.K; k++) want[i * w.K + k] = w.val[ids[i] * w.K + k], mag[i * w.K + k] = fabs(want[i * w.K + k]);
        int64_t s[14] = {0, P(ids), w.K, P(y), w.K};
        memcpy(s + 5, w.s, sizeof w.s);
        run(HC_DEQUANT, s, 4);
        check("dequant", y, want, mag, 4 * w.K, 6e-8);
        free(y), free(want), free(mag), unmake(&w);
    }
    for (int out = HC_I8; out <= HC_I4; out++)
        for (int src = 0; src < 4; src++) {
            const int64_t N = 7, K = 150, group = 32, G = 5;
            mat w = any(src, N, K);
            int64_t rb = rowbytes(out, K);
            uint8_t *q = malloc((size_t)(N * rb));
            uint16_t *sc = malloc(2 * (size_t)(N * G));
            int64_t s[17] = {P(scratch), K, group, P(q), rb, out, P(sc), G};
            memcpy(s + 8, w.s, sizeof w.s);
            run(HC_QUANTIZE, s, N);
            int ok = 1, full = 0;
            for (int64_t n = 0; n < N; n++)
                for (int64_t k = 0; k < K; k++) {
                    double d = stored(HC_F16, (uint8_t *)sc, n * G + k / group), v = stored(out, q + n * rb, k);
                    double lim = out == HC_I4 && v == 7 ? 1.02 : 0.51; /* +8 saturates to 7 */
                    ok &= fabs(v * d - w.val[n * K + k]) <= lim * fabs(d) + 1e-12;
                    full |= v == (out == HC_I4 ? -8 : 127) || v == -127;
                }
            expect("quantize", ok && full);
            free(q), free(sc), unmake(&w);
        }
    const int64_t K = 300;
    float *x = frand(2 * K), sc[6];
    uint8_t *q = malloc((size_t)(2 * K));
    for (int64_t i = 0; i < 128; i++) x[K + i] = 0;
    for (int pow2 = 0; pow2 < 2; pow2++) {
        int64_t s[9] = {0, P(x), K, K, P(q), K, P(sc), 3, pow2};
        run(HC_ACT_QUANT_FP8, s, 2);
        int ok = 1;
        for (int64_t r = 0; r < 2; r++)
            for (int64_t k = 0; k < K; k++) {
                double a = 1e-4;
                for (int64_t i = k / 128 * 128; i < K && i < k / 128 * 128 + 128; i++) a = fmax(a, fabs((double)x[r * K + i]));
                double want = (double)(float)((float)a / 448.0f), e = stored(HC_F8, q + r * K, k), d = sc[r * 3 + k / 128];
                if (pow2) want = exp2(ceil(log2(want)));
                ok &= d == want && fabs(e * d - x[r * K + k]) <= fmax(fabs(x[r * K + k]) / 16 * 1.001, d * 0x1p-10);
            }
        expect("act_quant_fp8", ok);
    }
    free(x), free(q);
    for (int wt = 0; wt < 6; wt++) {
        const int64_t n = 1000;
        uint8_t *a = malloc((size_t)rowbytes(wt, n)), *b = malloc((size_t)rowbytes(wt, n));
        int64_t s[5] = {0, P(a), wt, 42, dbits(0.02)}, t[5] = {0, P(b), wt, 42, dbits(0.02)};
        hc_run(HC_FILL_RANDOM, s, 0, n);
        hc_run(HC_FILL_RANDOM, t, 0, 334), hc_run(HC_FILL_RANDOM, t, 334, n);
        double sum = 0, sq = 0;
        for (int64_t i = 0; i < n; i++) sum += stored(wt, a, i), sq += stored(wt, a, i) * stored(wt, a, i);
        double sd = sqrt(sq / (double)n), unit = wt < 4 ? 0.02 / sqrt(3) : wt == 4 ? 73.3 : 4.64;
        expect("fill_random", !memcmp(a, b, (size_t)rowbytes(wt, n)) && fabs(sd / unit - 1) < 0.1 && fabs(sum / (double)n) < 0.2 * unit);
        free(a), free(b);
    }
    float *big = frand(1040);
    int64_t s[2] = {P(scratch), P(big)};
    hc_run(HC_READ_BANDWIDTH, s, 0, 65);
    double sum = 0;
    for (int i = 0; i < 1040; i++) sum += big[i];
    expect("read_bandwidth", fabs(*(double *)scratch - sum) < 1e-3);
    free(big);
}

static void row_kernels(void) { norm_rope_kv(), gating(), elementwise(), conversions(), quantise(); }
