/* vec.h: the SIMD layer. One vector type `vf` of VL floats; kernels are written once against these names.
 *
 *   vzero vset vld vst vldn vstn      n-element forms touch only the first n lanes (n may exceed VL: clipped)
 *   vadd vsub vmul vdiv vmax vmin     x86 rule: the SECOND operand is returned when either one is NaN
 *   vfma(a,b,c) = a*b+c   vsum  vhmax  vsum4 (four horizontal sums at once)
 *   vexp                              below 2 ulp, underflow is gradual, NaN propagates
 *   vw_*(p)                           load VL weights of a storage type in natural order, widened exactly
 *   vp_*(p,&a,&b)                     load 2*VL weights in the type's cheapest order: natural (lo, hi) or, where
 *                                     HC_DEINT(wt) is 1, (even, odd); vxp loads x in the matching order
 *   HC_F8PAIR                         factor still to be applied to what vp_f8 returns
 */
#ifndef HC_VEC_H
#define HC_VEC_H
#include "dtype.h"

#if defined(__AVX512F__) && defined(HC_USE_SIMD)
#include "vec_avx512.h"
#elif defined(__AVX2__) && defined(HC_USE_SIMD)
#include "vec_avx2.h"
#else
#include "vec_generic.h"
#endif

#define VSTEP (2 * VL)

/* exp(x) = 2^n * exp(r), |r| <= ln2/2, degree-7 polynomial. */
static AINLINE vf vexp(vf x) {
    x = vmin(vset(89.0f), vmax(vset(-104.5f), x));
    vf n = vround(vmul(x, vset(1.44269504088896341f)));
    vf r = vfma(n, vset(-0.693359375f), x);
    r = vfma(n, vset(2.12194440e-4f), r);
    vf p = vset(1.9875691500e-4f);
    p = vfma(p, r, vset(1.3981999507e-3f));
    p = vfma(p, r, vset(8.3334519073e-3f));
    p = vfma(p, r, vset(4.1665795894e-2f));
    p = vfma(p, r, vset(1.6666665459e-1f));
    p = vfma(p, r, vset(5.0000001201e-1f));
    p = vfma(vmul(r, r), p, r);
    return vscale2(vadd(p, vset(1.0f)), n);
}

/* Sums of n vectors to out[0..n), each in the same order whatever n is: results must not depend on how work is cut. */
static AINLINE void vsums(const vf *v, int n, float *out) {
    int i = 0;
    for (; i + 4 <= n; i += 4) vsum4(v[i], v[i + 1], v[i + 2], v[i + 3], out + i);
    for (; i < n; i++) {
        float t[4];
        vsum4(v[i], v[i], v[i], v[i], t);
        out[i] = t[0];
    }
}
#endif
