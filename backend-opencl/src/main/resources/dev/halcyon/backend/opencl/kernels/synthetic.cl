// fill_random: uniform values in (-amplitude, amplitude), or random codes of quantised data (WT 3 f8, 6 i8, 8 i4).
// read_all: sums words, to measure how fast memory is read; one f32 a group.
// Accuracy: none is promised; the same seed gives the same bits.
static inline uint hash_at(ulong seed, ulong i) {
  ulong z = (i + 1) * 0x9e3779b97f4a7c15UL + seed * 0xd1342543de82ef95UL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
  return (uint)(z >> 40);
}

__kernel void fill_random(MUT out, long out_o, long total, long chunk, long seed, float amplitude) {
  out += out_o;
  const long i0 = get_global_id(0) * chunk;
  for (long i = i0; i < min(i0 + chunk, total); i++) {
#if CODES == 4
    out[i] = (uchar)((hash_at(seed, 2 * i) & 15) | (hash_at(seed, 2 * i + 1) & 15) << 4);
#elif CODES == 8
    out[i] = (uchar)(char)((int)(hash_at(seed, i) % 255) - 127);
#else
    store_float(out, i, amplitude * ((hash_at(seed, i) + 0.5f) * 0x1p-23f - 1.0f), WT);
#endif
  }
}

__kernel void read_all(SRC a, long a_o, MUT out, long out_o, long vectors) {
  a += a_o;
  fv s0 = (fv)(0.0f);
  fv s1 = (fv)(0.0f);
  fv s2 = (fv)(0.0f);
  fv s3 = (fv)(0.0f);
#if LANES > 1
  const long step = get_global_size(0);
  for (long i = get_global_id(0); i < vectors; i += step) s0 += LDFV(a + i * VW * 4);
#else
  const long each = (vectors + get_global_size(0) - 1) / get_global_size(0);
  long i = get_global_id(0) * each;
  const long end = min(i + each, vectors);
  for (; i + 4 <= end; i += 4) {
    UNROLL for (int b = 0; b < 16 * VW; b += 64) PREFETCH(a + i * VW * 4 + b);
    s0 += LDFV(a + i * VW * 4);
    s1 += LDFV(a + (i + 1) * VW * 4);
    s2 += LDFV(a + (i + 2) * VW * 4);
    s3 += LDFV(a + (i + 3) * VW * 4);
  }
  for (; i < end; i++) s0 += LDFV(a + i * VW * 4);
#endif
  STF(out + out_o + get_global_id(0) * 4, sum_of(s0 + s1 + s2 + s3));
}
