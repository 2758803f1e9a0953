// map: out[i] = f(a[i], b[i], c[i]) over a strided index space of rank up to 8.
//
//   KIND  0 unary, 1 binary, 2 select, 3 copy, 4 fill, 5 iota, 6 cast; OP the function of KIND; ES element bytes (copy, fill)
//   TA, TB, TO  dtype codes of operand a (the condition of select), of the others, and of out
//   ARITY operands read
// Layout: dims and strides in elements, innermost in component rank - 1; a work-item does `chunk` consecutive elements.
// Accuracy: copy, fill, iota, integer functions EXACT; add, sub, mul, div, sqrt CORRECTLY_ROUNDED; the others ULP(4).
// Integers: wrap around; float to integer truncates and saturates, NaN gives 0; a narrower integer saturates.

#if KIND == 3 || KIND == 4
#if ES == 1
typedef uchar item_t;
#define LOAD(p, i) (p)[i]
#define STORE(p, i, v) (p)[i] = (v)
#elif ES == 2
typedef ushort item_t;
#define LOAD(p, i) LDH((p) + (i) * 2)
#define STORE(p, i, v) STH((p) + (i) * 2, v)
#elif ES == 4
typedef int item_t;
#define LOAD(p, i) LDI((p) + (i) * 4)
#define STORE(p, i, v) STI((p) + (i) * 4, v)
#else
typedef long item_t;
#define LOAD(p, i) LDL((p) + (i) * 8)
#define STORE(p, i, v) STL((p) + (i) * 8, v)
#endif
#endif

#if KIND <= 2 || KIND == 5
#if TO == 0
typedef float item_t;
#define LOADN(p, i) LDF((p) + (i) * 4)
#define STORE(p, i, v) STF((p) + (i) * 4, v)
#else
typedef int item_t;
#define LOADN(p, i) LDI((p) + (i) * 4)
#define STORE(p, i, v) STI((p) + (i) * 4, v)
#endif
#endif

#if KIND == 0
static inline float f1(float x) {
#if OP == 0
  return -x;
#elif OP == 1
  return fabs(x);
#elif OP == 2
  return exp(x);
#elif OP == 3
  return log(x);
#elif OP == 4
  return sqrt(x);
#elif OP == 5
  return 1.0f / sqrt(x);
#elif OP == 6
  return 1.0f / x;
#elif OP == 7
  return 1.0f / (1.0f + exp(-x));
#elif OP == 8
  return x / (1.0f + exp(-x));
#elif OP == 9
  return tanh(x);
#elif OP == 10
  return cos(x);
#else
  return sin(x);
#endif
}
#endif

#if KIND == 1
static inline item_t f2(item_t a, item_t b) {
#if OP == 0
  return a + b;
#elif OP == 1
  return a - b;
#elif OP == 2
  return a * b;
#elif OP == 3
#if TO == 0
  return a / b;
#else
  if (b == 0) return 0;
  if (b == -1) return (int)(0u - (uint)a);
  int q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
#endif
#elif OP == 4
#if TO == 0
  float r = fmod(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
#else
  if (b == 0 || b == -1) return 0;
  int r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
#endif
#elif OP == 5
#if TO == 0
  return isnan(a) || isnan(b) ? as_float(0x7fc00000u) : a > b || (a == b && !signbit(a)) ? a : b;
#else
  return max(a, b);
#endif
#elif OP == 6
#if TO == 0
  return isnan(a) || isnan(b) ? as_float(0x7fc00000u) : a < b || (a == b && signbit(a)) ? a : b;
#else
  return min(a, b);
#endif
#elif OP == 7
  return a == b ? 1 : 0;
#elif OP == 8
  return a < b ? 1 : 0;
#elif OP == 9
  return a <= b ? 1 : 0;
#else
  return a / (1.0f + exp(-a)) * b;
#endif
}
#endif

#if KIND == 6
#if TA <= 3
#define LOADC(p, i) load_float(p, i, TA)
typedef float from_t;
#elif TA == 4
#define LOADC(p, i) LDL((p) + (i) * 8)
typedef long from_t;
#elif TA == 5
#define LOADC(p, i) LDI((p) + (i) * 4)
typedef int from_t;
#elif TA == 6
#define LOADC(p, i) ((char)(p)[i])
typedef char from_t;
#else
#define LOADC(p, i) (p)[i]
typedef uchar from_t;
#endif

// An integer as f32 that any narrower format still rounds correctly: rounded to odd.
static inline float odd_f32(long v) {
  float f = convert_float_rtz(v);
  return f < 9.2e18f && f > -9.2e18f && (long)f != v ? as_float(as_uint(f) | 1u) : f;
}

static inline void cast_one(MUT p, long i, from_t v) {
#if TO == 0
#if TA <= 3
  STF(p + i * 4, v);
#else
  STF(p + i * 4, convert_float_rte(v));
#endif
#elif TO <= 3
#if TA <= 3
  store_float(p, i, v, TO);
#else
  store_float(p, i, odd_f32((long)v), TO);
#endif
#elif TA <= 3
  float t = isnan(v) ? 0.0f : v;
#if TO == 4
  STL(p + i * 8, t >= 9223372036854775808.0f ? LONG_MAX : t <= -9223372036854775808.0f ? LONG_MIN : (long)t);
#elif TO == 5
  STI(p + i * 4, t >= 2147483648.0f ? INT_MAX : t <= -2147483648.0f ? INT_MIN : (int)t);
#elif TO == 6
  p[i] = (uchar)(char)(int)clamp(t, -128.0f, 127.0f);
#else
  p[i] = (uchar)(int)clamp(t, 0.0f, 255.0f);
#endif
#elif TO == 4
  STL(p + i * 8, (long)v);
#elif TO == 5
  STI(p + i * 4, (int)clamp((long)v, (long)INT_MIN, (long)INT_MAX));
#elif TO == 6
  p[i] = (uchar)(char)clamp((long)v, -128L, 127L);
#else
  p[i] = (uchar)clamp((long)v, 0L, 255L);
#endif
}
#endif

__kernel void map(
#if ARITY >= 1
    __global const uchar* a, long a_o, long8 a_strides,
#endif
#if ARITY >= 2
    __global const uchar* b, long b_o, long8 b_strides,
#endif
#if ARITY >= 3
    __global const uchar* c, long c_o, long8 c_strides,
#endif
    MUT out, long out_o, long8 out_strides, long8 out_dims, int rank, long total, long chunk, long value) {
  long dims[8];
  long so[8];
  vstore8(out_dims, 0, dims);
  vstore8(out_strides, 0, so);
  out += out_o;
#if ARITY >= 1
  long sa[8];
  vstore8(a_strides, 0, sa);
  a += a_o;
#endif
#if ARITY >= 2
  long sb[8];
  vstore8(b_strides, 0, sb);
  b += b_o;
#endif
#if ARITY >= 3
  long sc[8];
  vstore8(c_strides, 0, sc);
  c += c_o;
#endif
  long i = get_global_id(0) * chunk;
  const long end = min(i + chunk, total);
  const int last = rank - 1;
  while (i < end) {
    long rest = i;
    long column = 0;
    long oo = 0;
    long oa = 0;
    long ob = 0;
    long oc = 0;
    for (int d = last; d >= 0; d--) {
      const long q = rest / dims[d];
      const long at = rest - q * dims[d];
      rest = q;
      if (d == last) column = at;
      oo += at * so[d];
#if ARITY >= 1
      oa += at * sa[d];
#endif
#if ARITY >= 2
      ob += at * sb[d];
#endif
#if ARITY >= 3
      oc += at * sc[d];
#endif
    }
    const long n = min(end - i, dims[last] - column);
    const long io = so[last];
#if ARITY >= 1
    const long ia = sa[last];
#endif
#if ARITY >= 2
    const long ib = sb[last];
#endif
#if ARITY >= 3
    const long ic = sc[last];
#endif
    for (long j = 0; j < n; j++) {
#if KIND == 0
      STORE(out, oo + j * io, f1(LOADN(a, oa + j * ia)));
#elif KIND == 1
      STORE(out, oo + j * io, f2(LOADN(a, oa + j * ia), LOADN(b, ob + j * ib)));
#elif KIND == 2
#if TA == 0
      const bool yes = LDF(a + (oa + j * ia) * 4) != 0.0f;
#elif TA == 5
      const bool yes = LDI(a + (oa + j * ia) * 4) != 0;
#else
      const bool yes = a[oa + j * ia] != 0;
#endif
      STORE(out, oo + j * io, yes ? LOADN(b, ob + j * ib) : LOADN(c, oc + j * ic));
#elif KIND == 3
      STORE(out, oo + j * io, LOAD(a, oa + j * ia));
#elif KIND == 4
      STORE(out, oo + j * io, (item_t)value);
#elif KIND == 5
      STORE(out, oo + j * io, (item_t)(column + j));
#else
      cast_one(out, oo + j * io, LOADC(a, oa + j * ia));
#endif
    }
    i += n;
  }
}
