/* dtype.h: storage types, their scalar conversions (all round to nearest even) and the weight descriptor. */
#ifndef HC_DTYPE_H
#define HC_DTYPE_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "halcyon_cpu.h"

#define AINLINE inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static AINLINE float f32_of_bits(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static AINLINE uint32_t bits_of_f32(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static AINLINE double f64_of_bits(int64_t u) { double d; memcpy(&d, &u, 8); return d; }
static AINLINE uint16_t ld_u16(const void *p) { uint16_t u; memcpy(&u, p, 2); return u; }
static AINLINE float ld_f32(const void *p) { float f; memcpy(&f, p, 4); return f; }

static AINLINE float f32_of_bf16(uint16_t h) { return f32_of_bits((uint32_t)h << 16); }

static AINLINE uint16_t bf16_of_f32(float f) {
    uint32_t u = bits_of_f32(f);
    uint32_t r = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16) | 0x40 : r);
}

static AINLINE float f32_of_f16(uint16_t h) {
    uint32_t m = h & 0x7fff, s = (uint32_t)(h & 0x8000) << 16;
    float f = f32_of_bits(m << 13) * 0x1p112f;                 /* exact, subnormals included */
    uint32_t u = m >= 0x7c00 ? (m << 13) | 0x7f800000 : bits_of_f32(f);
    return f32_of_bits(u | s);
}

static AINLINE uint16_t f16_of_f32(float f) {
    uint32_t u = bits_of_f32(f), s = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(s | 0x7e00);
    if (u >= 0x477ff000) return (uint16_t)(s | 0x7c00);        /* 65520 and above round to infinity */
    if (u < 0x38800000) {                                      /* subnormal: let the FPU round at 2^-24 */
        float r = f32_of_bits(u) + 0.5f;
        return (uint16_t)(s | (bits_of_f32(r) - 0x3f000000));
    }
    return (uint16_t)(s | ((u - 0x38000000 + 0xfff + ((u >> 13) & 1)) >> 13));
}

static AINLINE float f32_of_f8(uint8_t b) {
    uint32_t m = b & 0x7f, s = (uint32_t)(b & 0x80) << 24;
    float f = f32_of_bits(m << 20) * 0x1p120f;
    return f32_of_bits((m == 0x7f ? 0x7fc00000 : bits_of_f32(f)) | s);
}

/* Saturating: beyond 448 (also infinity) becomes 448; NaN stays NaN. */
static AINLINE uint8_t f8_of_f32(float f) {
    uint32_t u = bits_of_f32(f), s = (u >> 24) & 0x80;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint8_t)(s | 0x7f);
    if (u >= 0x43e00000) return (uint8_t)(s | 0x7e);           /* 448 */
    if (u < 0x3c800000) {                                      /* below 2^-6: multiples of 2^-9 */
        float r = f32_of_bits(u) + 0x1p14f;
        return (uint8_t)(s | (bits_of_f32(r) - 0x46800000));
    }
    uint32_t r = (u - 0x3c000000 + 0x7ffff + ((u >> 20) & 1)) >> 20;
    return (uint8_t)(s | MIN(r, 0x7e));
}

static AINLINE int i4_at(const uint8_t *p, int64_t i) {
    int v = (i & 1) ? p[i >> 1] >> 4 : p[i >> 1] & 15;
    return (v ^ 8) - 8;
}

/* Weight matrix: element (n,k) = stored(n,k) * scale[((ro+n)/bn)*lds + k/bk]. */
typedef struct {
    const uint8_t *data;
    int64_t rs;
    int64_t wt;
    const uint8_t *sc;
    int64_t st, bn, bk, lds, ro;
    int64_t dot; /* activations may be rounded */
} hc_w;

/* The two parts of a wtype slot. */
#define WTYPE(slot) ((slot) & (HC_DOT - 1))
#define WDOT(slot) ((slot) / HC_DOT)

static AINLINE hc_w w_from_slots(const int64_t *s) {
    hc_w w = {(const uint8_t *)s[0], s[1], WTYPE(s[2]), (const uint8_t *)s[3], s[4], s[5], s[6], s[7], s[8], WDOT(s[2])};
    return w;
}

static AINLINE hc_w w_rows_from(hc_w w, int64_t row) {
    w.data += row * w.rs;
    w.ro += row;
    return w;
}

static AINLINE int64_t w_bytes(int wt, int64_t k) {
    return wt == HC_F32 ? k * 4 : wt == HC_F16 || wt == HC_BF16 ? k * 2 : wt == HC_I4 ? k >> 1 : k;
}

static AINLINE float w_scalar(int wt, const uint8_t *row, int64_t k) {
    switch (wt) {
    case HC_F32: return ld_f32(row + 4 * k);
    case HC_F16: return f32_of_f16(ld_u16(row + 2 * k));
    case HC_BF16: return f32_of_bf16(ld_u16(row + 2 * k));
    case HC_F8: return f32_of_f8(row[k]);
    case HC_I8: return (float)(int8_t)row[k];
    default: return (float)i4_at(row, k);
    }
}

static AINLINE float sc_scalar(int st, const uint8_t *p, int64_t i) {
    switch (st) {
    case HC_SC_F32: return ld_f32(p + 4 * i);
    case HC_SC_F16: return f32_of_f16(ld_u16(p + 2 * i));
    case HC_SC_BF16: return f32_of_bf16(ld_u16(p + 2 * i));
    default: return p[i] == 255 ? f32_of_bits(0x7fc00000) : p[i] ? f32_of_bits((uint32_t)p[i] << 23) : 0x1p-127f;
    }
}
#endif
