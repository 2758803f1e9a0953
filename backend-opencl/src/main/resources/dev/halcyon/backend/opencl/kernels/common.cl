// Prepended to every family: element access by dtype, vectors, lanes.
//
// Memory arrives as a byte pointer and a byte offset, so that a tensor may begin anywhere in its buffer. UNALIGNED is
// defined where host memory is imported in place: then no load or store assumes more than byte alignment.
//   VW     elements of a vector (4, 8 or 16)
//   LANES  work-items of a group that share a row; 1 on CPUs, where a work-item is a thread's chunk of work
// dtype codes: 0 f32, 1 f16, 2 bf16, 3 f8_e4m3fn, 4 i64, 5 i32, 6 i8, 7 u8, 8 i4 (low nibble first).
// Accuracy: conversions are exact or correctly rounded (nearest even); subnormals are kept.
#pragma OPENCL FP_CONTRACT ON
#define UNROLL _Pragma("unroll")

#define SRC __global const uchar* restrict
#define MUT __global uchar*

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define fv CAT(float, VW)
#define iv CAT(int, VW)
#define uv CAT(uint, VW)
#define usv CAT(ushort, VW)
#define ucv CAT(uchar, VW)
#define scv CAT(char, VW)
#define as_fv CAT(as_float, VW)
#define as_uv CAT(as_uint, VW)
#define as_iv CAT(as_int, VW)

#if UNALIGNED
typedef float float_u __attribute__((aligned(1)));
typedef int int_u __attribute__((aligned(1)));
typedef long long_u __attribute__((aligned(1)));
typedef ushort ushort_u __attribute__((aligned(1)));
typedef fv fv_u __attribute__((aligned(1)));
typedef usv usv_u __attribute__((aligned(1)));
#define LDFV(p) (*(__global const fv_u*)(p))
#define STFV(p, v) (*(__global fv_u*)(p) = (v))
#define LDUSV(p) (*(__global const usv_u*)(p))
#else
typedef float float_u;
typedef int int_u;
typedef long long_u;
typedef ushort ushort_u;
#define LDFV(p) CAT(vload, VW)(0, (__global const float*)(p))
#define STFV(p, v) CAT(vstore, VW)((v), 0, (__global float*)(p))
#define LDUSV(p) CAT(vload, VW)(0, (__global const ushort*)(p))
#endif
#define LDUCV(p) CAT(vload, VW)(0, (__global const uchar*)(p))
#define LDSCV(p) CAT(vload, VW)(0, (__global const char*)(p))
#define LDF(p) (*(__global const float_u*)(p))
#define LDI(p) (*(__global const int_u*)(p))
#define LDL(p) (*(__global const long_u*)(p))
#define LDH(p) (*(__global const ushort_u*)(p))
#define STF(p, v) (*(__global float_u*)(p) = (v))
#define STI(p, v) (*(__global int_u*)(p) = (v))
#define STL(p, v) (*(__global long_u*)(p) = (v))
#define STH(p, v) (*(__global ushort_u*)(p) = (v))

// Memory streams on CPUs: the hardware's prefetchers alone reach half of the bandwidth.
#define AHEAD 8192
#if UNALIGNED && defined(__clang__)
#define PREFETCH(p) __builtin_prefetch((const void*)(size_t)((p) + AHEAD), 0, 3)
#else
#define PREFETCH(p)
#endif

#if LANES > 1
#define LID ((int)get_local_id(0))
#define SYNC barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#else
#define LID 0
#define SYNC
#endif

static inline float bf16_to_f32(ushort h) { return as_float((uint)h << 16); }

static inline float f16_to_f32(ushort h) {
  uint b = (uint)(h & 0x7fff) << 13;
  float f = b >= 0x0f800000u ? as_float(b | 0x7f800000u) : as_float(b) * 0x1p112f;
  return as_float(as_uint(f) | (uint)(h & 0x8000) << 16);
}

static inline float f8_to_f32(uchar b) {
  float f = (b & 0x7f) == 0x7f ? as_float(0x7fc00000u) : as_float((uint)(b & 0x7f) << 20) * 0x1p120f;
  return as_float(as_uint(f) | (uint)(b & 0x80) << 24);
}

static inline float ue8m0_to_f32(uchar b) {
  return b == 0 ? as_float(0x00400000u) : b == 255 ? as_float(0x7fc00000u) : as_float((uint)b << 23);
}

static inline ushort f32_to_bf16(float v) {
  uint b = as_uint(v);
  return isnan(v) ? (ushort)(b >> 16 | 0x40) : (ushort)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

static inline ushort f32_to_f16(float v) {
  uint b = as_uint(v);
  uint sign = b >> 16 & 0x8000u;
  uint a = b & 0x7fffffffu;
  if (a > 0x7f800000u) return (ushort)(sign | 0x7e00u | (a >> 13 & 0x3ffu));
  if (a >= 0x477ff000u) return (ushort)(sign | 0x7c00u);
  if (a < 0x38800000u) return (ushort)(sign | (as_uint(as_float(a) + 0.5f) - 0x3f000000u));
  return (ushort)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1)) >> 13);
}

static inline uchar f32_to_f8(float v) {
  uint sign = as_uint(v) >> 24 & 0x80u;
  if (isnan(v)) return (uchar)(sign | 0x7fu);
  float a = fabs(v);
  if (a >= 448.0f) return (uchar)(sign | 0x7eu);
  int e = max((int)(as_uint(a) >> 23 & 255u) - 127, -6);
  int steps = (int)rint(a * as_float((uint)(130 - e) << 23));
  return (uchar)(sign | (uint)(((e + 6) << 3) + steps));
}

static inline float scale_to_f32(SRC s, long i, int format) {
  switch (format) {
    case 0: return LDF(s + i * 4);
    case 1: return f16_to_f32(LDH(s + i * 2));
    case 2: return bf16_to_f32(LDH(s + i * 2));
    default: return ue8m0_to_f32(s[i]);
  }
}

// A floating element i of a row as f32.
static inline float load_float(SRC p, long i, int dtype) {
  switch (dtype) {
    case 0: return LDF(p + i * 4);
    case 1: return f16_to_f32(LDH(p + i * 2));
    case 2: return bf16_to_f32(LDH(p + i * 2));
    default: return f8_to_f32(p[i]);
  }
}

static inline void store_float(MUT p, long i, float v, int dtype) {
  switch (dtype) {
    case 0: STF(p + i * 4, v); break;
    case 1: STH(p + i * 2, f32_to_f16(v)); break;
    case 2: STH(p + i * 2, f32_to_bf16(v)); break;
    default: p[i] = f32_to_f8(v);
  }
}

static inline fv f16v_to_f32(usv h) {
  uv b = CAT(convert_uint, VW)(h & (usv)(0x7fff)) << 13;
  uv f = as_uv(as_fv(b) * 0x1p112f);
  f = select(f, b | (uv)(0x7f800000u), as_iv(b) >= (iv)(0x0f800000));
  return as_fv(f | CAT(convert_uint, VW)(h & (usv)(0x8000)) << 16);
}

static inline fv f8v_to_f32(ucv v) {
  uv u = CAT(convert_uint, VW)(v);
  uv b = u & (uv)(0x7f);
  uv f = as_uv(as_fv(b << 20) * 0x1p120f);
  f = select(f, (uv)(0x7fc00000u), as_iv(b) == (iv)(0x7f));
  return as_fv(f | (u & (uv)(0x80)) << 24);
}

// VW neighbours from element i of a row of floating dtype.
static inline fv load_floats(SRC p, long i, int dtype) {
  switch (dtype) {
    case 0: return LDFV(p + i * 4);
    case 1: return f16v_to_f32(LDUSV(p + i * 2));
    case 2: return as_fv(CAT(convert_uint, VW)(LDUSV(p + i * 2)) << 16);
    default: return f8v_to_f32(LDUCV(p + i));
  }
}

#if VW == 16
static inline float sum_of(fv v) {
  float8 a = v.lo + v.hi;
  float4 b = a.lo + a.hi;
  float2 c = b.lo + b.hi;
  return c.x + c.y;
}
#elif VW == 8
static inline float sum_of(fv v) {
  float4 b = v.lo + v.hi;
  float2 c = b.lo + b.hi;
  return c.x + c.y;
}
#else
static inline float sum_of(fv v) {
  float2 c = v.lo + v.hi;
  return c.x + c.y;
}
#endif

#if LANES > 1
// Sum and maximum over the lanes of a group, in every lane.
static inline float lanes_sum(float v, __local float* t) {
  barrier(CLK_LOCAL_MEM_FENCE);
  t[LID] = v;
  for (int n = LANES / 2; n > 0; n >>= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (LID < n) t[LID] += t[LID + n];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return t[0];
}

static inline float lanes_max(float v, __local float* t) {
  barrier(CLK_LOCAL_MEM_FENCE);
  t[LID] = v;
  for (int n = LANES / 2; n > 0; n >>= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (LID < n) t[LID] = fmax(t[LID], t[LID + n]);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return t[0];
}
#define LANE_MEMORY __local float lane_memory[LANES];
#else
#define LANE_MEMORY
#define lanes_sum(v, t) (v)
#define lanes_max(v, t) (v)
#endif
