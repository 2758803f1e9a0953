/* vec_generic.h: 4 floats in the compiler's own vector type: NEON on aarch64, SSE2 on baseline x86-64. */
#define VL 4
#define HC_DEINT(wt) 0
#define HC_F8PAIR 1.0f
#define NT_MR 4
#define NT_NR 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

static AINLINE vf vzero(void) { return (vf){0, 0, 0, 0}; }
static AINLINE vf vset(float f) { return (vf){f, f, f, f}; }
static AINLINE vf vld(const float *p) { vf v; memcpy(&v, p, 16); return v; }
static AINLINE void vst(float *p, vf v) { memcpy(p, &v, 16); }
static AINLINE vf vldn(const float *p, int64_t n) {
    vf v = {0, 0, 0, 0};
    for (int i = 0; i < 4; i++) if (i < n) v[i] = p[i];
    return v;
}
static AINLINE void vstn(float *p, vf v, int64_t n) {
    for (int i = 0; i < 4; i++) if (i < n) p[i] = v[i];
}
static AINLINE vf vadd(vf a, vf b) { return a + b; }
static AINLINE vf vsub(vf a, vf b) { return a - b; }
static AINLINE vf vmul(vf a, vf b) { return a * b; }
static AINLINE vf vdiv(vf a, vf b) { return a / b; }
static AINLINE vf vpick(vi m, vf a, vf b) { return (vf)(((vi)a & m) | ((vi)b & ~m)); }
static AINLINE vf vmax(vf a, vf b) { return vpick(a > b, a, b); }
static AINLINE vf vmin(vf a, vf b) { return vpick(a < b, a, b); }
static AINLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
static AINLINE vf vround(vf a) { return (a + 0x1.8p23f) - 0x1.8p23f; } /* |a| < 2^22 */
static AINLINE vf vscale2(vf a, vf n) { /* two factors, so that results may be subnormal */
    vi i = (vi)(vpick(n == n, n, vzero()) + 0x1.8p23f) - 0x4b400000, h = i >> 1;
    a = a * (vf)((h + 127) << 23);
    return a * (vf)((i - h + 127) << 23);
}
static AINLINE float vsum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
static AINLINE float vhmax(vf v) { return MAX(MAX(v[0], v[1]), MAX(v[2], v[3])); }
static AINLINE void vsum4(vf a, vf b, vf c, vf d, float *out) {
    out[0] = vsum(a), out[1] = vsum(b), out[2] = vsum(c), out[3] = vsum(d);
}

typedef uint8_t u8x4 __attribute__((vector_size(4)));
typedef int8_t i8x4 __attribute__((vector_size(4)));
typedef uint16_t u16x4 __attribute__((vector_size(8)));
static AINLINE vf vw_bf16(const uint8_t *p) {
    u16x4 h;
    memcpy(&h, p, 8);
    return (vf)(__builtin_convertvector(h, vi) << 16);
}
static AINLINE vf vw_f16(const uint8_t *p) {
#if defined(__aarch64__)
    typedef _Float16 h4 __attribute__((vector_size(8)));
    h4 h;
    memcpy(&h, p, 8);
    return __builtin_convertvector(h, vf);
#else
    u16x4 h;
    memcpy(&h, p, 8);
    vi u = __builtin_convertvector(h, vi), m = u & 0x7fff;
    vi v = (vi)((vf)(m << 13) * 0x1p112f), big = m >= 0x7c00;
    return (vf)((v & ~big) | (((m << 13) | 0x7f800000) & big) | ((u & 0x8000) << 16));
#endif
}
static AINLINE vf vw_f8(const uint8_t *p) {
    u8x4 b;
    memcpy(&b, p, 4);
    vi u = __builtin_convertvector(b, vi), m = u & 0x7f;
    vi v = (vi)((vf)(m << 20) * 0x1p120f), nan = m == 0x7f;
    return (vf)(v | (nan & 0x7fc00000) | ((u & 0x80) << 24));
}
static AINLINE vf vw_i8(const uint8_t *p) {
    i8x4 b;
    memcpy(&b, p, 4);
    return __builtin_convertvector(__builtin_convertvector(b, vi), vf);
}
static AINLINE vf vw_i4(const uint8_t *p) {
    vi v = {p[0] & 15, p[0] >> 4, p[1] & 15, p[1] >> 4};
    return __builtin_convertvector((v ^ 8) - 8, vf);
}
static AINLINE void vp_f8(const uint8_t *p, vf *a, vf *b) { *a = vw_f8(p), *b = vw_f8(p + 4); }
static AINLINE void vp_bf16(const uint8_t *p, vf *a, vf *b) { *a = vw_bf16(p), *b = vw_bf16(p + 8); }
static AINLINE void vp_i4(const uint8_t *p, vf *a, vf *b) { *a = vw_i4(p), *b = vw_i4(p + 2); }
static AINLINE void vx_deint(const float *x, vf *a, vf *b) { *a = vld(x), *b = vld(x + 4); }
static AINLINE void vst_f16(uint16_t *p, vf v) { for (int i = 0; i < 4; i++) p[i] = f16_of_f32(v[i]); }
