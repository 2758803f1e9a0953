/* quant.c: HC_DEQUANT, HC_QUANTIZE, HC_ACT_QUANT_FP8, HC_CONVERT, HC_FILL_RANDOM, HC_READ_BANDWIDTH.
 * Conversions are correctly rounded (nearest even). */
#include "core.h"

static void k_dequant(const int64_t *s, int64_t begin, int64_t end) {
    const int32_t *ids = (const int32_t *)s[1];
    const hc_w w = w_from_slots(s + 5);
    for (int64_t i = begin; i < end; i++) dequant_row(&w, ids ? ids[i] : i, 0, s[2], (float *)s[3] + i * s[4]);
}

static void quant_group(const float *x, int64_t k0, int64_t n, int i4, uint8_t *q, uint8_t *scale) {
    float ext = 0;
    for (int64_t i = 0; i < n; i++) ext = fabsf(x[i]) > fabsf(ext) ? x[i] : ext;
    float want = i4 ? ext / -8.0f : fabsf(ext) / 127.0f;
    want = MAX(-65504.0f, MIN(65504.0f, want));
    const uint16_t h = f16_of_f32(want);
    const float s = f32_of_f16(h), lo = i4 ? -8.0f : -127.0f, hi = i4 ? 7.0f : 127.0f;
    memcpy(scale, &h, 2);
    for (int64_t i = 0; i < n; i++) {
        const float r = s == 0 || x[i] != x[i] ? 0 : MAX(lo, MIN(hi, rintf(x[i] / s)));
        if (!i4) q[k0 + i] = (uint8_t)(int8_t)r;
        else if ((k0 + i) & 1) q[(k0 + i) / 2] |= (uint8_t)(((int)r & 15) << 4);
        else q[(k0 + i) / 2] = (uint8_t)((int)r & 15);
    }
}

static void k_quantize(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t K = s[1], group = s[2];
    const hc_w w = w_from_slots(s + 8);
    float *x = (float *)s[0];
    for (int64_t r = begin; r < end; r++) {
        dequant_row(&w, r, 0, K, x);
        for (int64_t k = 0; k < K; k += group)
            quant_group(x + k, k, MIN(group, K - k), s[5] == HC_I4, (uint8_t *)s[3] + r * s[4],
                        (uint8_t *)s[6] + 2 * (r * s[7] + k / group));
    }
}

static void k_act_quant_fp8(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t K = s[3];
    for (int64_t r = begin; r < end; r++)
        for (int64_t k = 0; k < K; k += 128) {
            const float *x = (const float *)s[1] + r * s[2] + k;
            uint8_t *q = (uint8_t *)s[4] + r * s[5] + k;
            const int64_t n = MIN((int64_t)128, K - k);
            float amax = 1e-4f;
            for (int64_t i = 0; i < n; i++) amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
            float sc = amax / 448.0f;
            if (s[8]) { /* next power of two: round the exponent up unless the mantissa is zero */
                const uint32_t u = bits_of_f32(sc);
                sc = f32_of_bits((u + 0x7fffff) & 0xff800000);
            }
            ((float *)s[6])[r * s[7] + k / 128] = sc;
            for (int64_t i = 0; i < n; i++) q[i] = f8_of_f32(x[i] / sc);
        }
}

static void k_convert(const int64_t *s, int64_t begin, int64_t end) {
    const hc_w w = {(const uint8_t *)s[1], 0, s[2], 0, 0, 1, 1, 0, 0, 0};
    float t[1024];
    for (int64_t i = begin; i < end; i += 1024) {
        const int64_t n = MIN((int64_t)1024, end - i);
        dequant_row(&w, 0, i, i + n, t);
        store_row(t, n, s[4], (uint8_t *)s[3] + w_bytes((int)s[4], i));
    }
}

static AINLINE uint32_t hash_at(uint64_t seed, uint64_t i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u + seed * 0xd1342543de82ef95u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 40); /* 24 bits */
}

static void k_fill_random(const int64_t *s, int64_t begin, int64_t end) {
    uint8_t *d = (uint8_t *)s[1];
    const uint64_t seed = (uint64_t)s[3];
    const float a = (float)f64_of_bits(s[4]);
    if (s[2] == HC_I4) {
        for (int64_t i = begin; i < end; i += 2)
            d[i / 2] = (uint8_t)((hash_at(seed, (uint64_t)i) & 15) | (hash_at(seed, (uint64_t)i + 1) & 15) << 4);
        return;
    }
    if (s[2] == HC_I8) {
        for (int64_t i = begin; i < end; i++) d[i] = (uint8_t)(int8_t)((int)(hash_at(seed, (uint64_t)i) % 255) - 127);
        return;
    }
    float t[256];
    for (int64_t i = begin; i < end; i += 256) {
        const int64_t n = MIN((int64_t)256, end - i);
        for (int64_t j = 0; j < n; j++) t[j] = a * (((float)hash_at(seed, (uint64_t)(i + j)) + 0.5f) * 0x1p-23f - 1.0f);
        store_row(t, n, s[2], d + w_bytes((int)s[2], i));
    }
}

static void k_read_bandwidth(const int64_t *s, int64_t begin, int64_t end) {
    const float *p = (const float *)s[1] + begin * 16, *e = (const float *)s[1] + end * 16;
    vf a = vzero(), b = vzero(), c = vzero(), d = vzero();
    for (; p + 8 * VL <= e; p += 8 * VL) {
        a = vadd(a, vld(p)), b = vadd(b, vld(p + VL)), c = vadd(c, vld(p + 2 * VL)), d = vadd(d, vld(p + 3 * VL));
        a = vadd(a, vld(p + 4 * VL)), b = vadd(b, vld(p + 5 * VL)), c = vadd(c, vld(p + 6 * VL));
        d = vadd(d, vld(p + 7 * VL));
    }
    for (; p < e; p += VL) a = vadd(a, vld(p));
    const double sum = vsum(vadd(vadd(a, b), vadd(c, d)));
    if (s[0]) memcpy((void *)s[0], &sum, 8);
}
