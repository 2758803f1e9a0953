/* norm.c: HC_RMSNORM, HC_ROPE, HC_KV_APPEND. Row kernels; sums in VL interleaved f32 partial sums, rotation in f32. */
#include "core.h"

static AINLINE vf ldw(const uint8_t *w, int wt, int64_t i, int64_t n) {
    float t[VL];
    if (!w) return vset(1.0f);
    if (n - i >= VL) return w_nat(wt, w + w_bytes(wt, i));
    for (int64_t j = 0; j < VL; j++) t[j] = i + j < n ? w_scalar(wt, w, i + j) : 0;
    return vld(t);
}

static AINLINE void rms_t(int wt, const float *x, int64_t n, const uint8_t *w, double eps, float *y) {
    vf a = vzero(), b = vzero();
    int64_t i = 0;
    for (; i + VSTEP <= n; i += VSTEP) {
        vf p = vld(x + i), q = vld(x + i + VL);
        a = vfma(p, p, a), b = vfma(q, q, b);
    }
    for (; i < n; i += VL) {
        vf p = vldn(x + i, n - i);
        a = vfma(p, p, a);
    }
    const vf r = vset((float)(1.0 / sqrt((double)vsum(vadd(a, b)) / (double)n + eps)));
    for (i = 0; i < n; i += VL) vstn(y + i, vmul(vmul(vldn(x + i, n - i), r), ldw(w, wt, i, n)), n - i);
}
static void rms_row(int64_t wt, const float *x, int64_t n, const uint8_t *w, double eps, float *y) {
    if (wt == HC_F16) rms_t(HC_F16, x, n, w, eps, y);
    else if (wt == HC_BF16) rms_t(HC_BF16, x, n, w, eps, y);
    else rms_t(HC_F32, x, n, w, eps, y);
}

static void k_rmsnorm(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t n = s[3];
    for (int64_t m = begin; m < end; m++) {
        const float *v = (const float *)s[1] + m * s[2];
        float *y = (float *)s[4] + m * s[5];
        if (s[9]) {
            const float *r = (const float *)s[9] + m * s[10];
            float *sum = s[11] ? (float *)s[11] + m * s[12] : y;
            for (int64_t i = 0; i < n; i++) sum[i] = v[i] + r[i];
            v = sum;
        }
        rms_row(s[7], v, n, (const uint8_t *)s[6], f64_of_bits(s[8]), y);
    }
}

static void rope_vec(const float *x, float *y, int64_t rot, const float *c, const float *sn, int interleaved, float sign) {
    const int64_t h = rot / 2;
    for (int64_t i = 0; i < h; i++) {
        const int64_t p = interleaved ? 2 * i : i, q = interleaved ? 2 * i + 1 : i + h;
        const float a = x[p], b = x[q], si = sign * sn[i];
        y[p] = a * c[i] - b * si;
        y[q] = a * si + b * c[i];
    }
}

static void k_rope(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t heads = s[4], rot = s[6];
    const int32_t *pos = (const int32_t *)s[13];
    for (int64_t r = begin; r < end; r++)
        for (int64_t h = 0; h < heads; h++)
            rope_vec((const float *)s[1] + r * s[2] + h * s[3] + s[5], (float *)s[7] + r * s[8] + h * s[9] + s[10], rot,
                     (const float *)s[11] + pos[r] * (rot / 2), (const float *)s[12] + pos[r] * (rot / 2), s[14] != 0,
                     s[15] ? -1.0f : 1.0f);
}

static void store_row(const float *v, int64_t n, int64_t dtype, uint8_t *out) {
    if (dtype == HC_F32) {
        memcpy(out, v, sizeof(float) * (size_t)n);
    } else if (dtype == HC_F16) {
        int64_t i = 0;
        for (; i + VL <= n; i += VL) vst_f16((uint16_t *)(out + 2 * i), vld(v + i));
        for (; i < n; i++) { uint16_t h = f16_of_f32(v[i]); memcpy(out + 2 * i, &h, 2); }
    } else if (dtype == HC_BF16) {
        for (int64_t i = 0; i < n; i++) { uint16_t h = bf16_of_f32(v[i]); memcpy(out + 2 * i, &h, 2); }
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = f8_of_f32(v[i]);
    }
}

static void k_kv_append(const int64_t *s, int64_t begin, int64_t end) {
    const int64_t C = s[3], R = s[4];
    const int32_t *pos = (const int32_t *)s[10], *slot = (const int32_t *)s[11];
    float *tmp = (float *)s[0];
    for (int64_t t = begin; t < end; t++) {
        if (slot[t] < 0) continue;
        const float *kv = (const float *)s[1] + t * s[2];
        rms_row(s[6], kv, C, (const uint8_t *)s[5], f64_of_bits(s[7]), tmp);
        rope_vec(kv + C, tmp + C, R, (const float *)s[8] + pos[t] * (R / 2), (const float *)s[9] + pos[t] * (R / 2), 1, 1.0f);
        store_row(tmp, C + R, s[14], (uint8_t *)s[12] + slot[t] * s[13]);
    }
}
