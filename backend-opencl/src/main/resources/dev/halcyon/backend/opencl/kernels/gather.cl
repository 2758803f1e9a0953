// Indexed rows.
//
// gather: out[m, r] = table[clamp(index[m]), r], zeros for a negative index; all over one index space of rank up to 8: index
//   strides are 0 along r, table strides 0 along m. TT, TO dtype codes: equal bytes copy (CONVERT 0), or f32 out (CONVERT 1).
// scatter_add: out[index[i], :] += source[i, :], i ascending: a work-item owns columns. T 0 f32, 5 i32.
// scatter_update: out[index[i], :] = source[i, :]. ES element bytes.
// Accuracy: EXACT; scatter_add CORRECTLY_ROUNDED per addition, in the defined order.
#ifdef GATHER
__kernel void gather(SRC table, long t_o, SRC index, long i_o, MUT out, long out_o, long8 vdims, long8 t_strides,
                     long8 i_strides, long8 o_strides, int rank, long total, long chunk, long rowStride, long rows) {
  long dims[8];
  long st[8];
  long si[8];
  long so[8];
  vstore8(vdims, 0, dims);
  vstore8(t_strides, 0, st);
  vstore8(i_strides, 0, si);
  vstore8(o_strides, 0, so);
  table += t_o;
  index += i_o;
  out += out_o;
  long i = get_global_id(0) * chunk;
  const long end = min(i + chunk, total);
  const int last = rank - 1;
  while (i < end) {
    long rest = i;
    long column = 0;
    long ot = 0;
    long oi = 0;
    long oo = 0;
    for (int d = last; d >= 0; d--) {
      const long q = rest / dims[d];
      const long at = rest - q * dims[d];
      rest = q;
      if (d == last) column = at;
      ot += at * st[d];
      oi += at * si[d];
      oo += at * so[d];
    }
    const long n = min(end - i, dims[last] - column);
    if (si[last] == 0) {
      const long id = rows == 0 ? -1 : LDI(index + oi * 4);
      const long from = ot + min(id, rows - 1) * rowStride;
      for (long j = 0; j < n; j++) {
        const long o = oo + j * so[last];
        const long f = from + j * st[last];
#if CONVERT
        STF(out + o * 4, id < 0 ? 0.0f : load_float(table, f, TT));
#elif ES == 1
        out[o] = id < 0 ? (uchar)0 : table[f];
#elif ES == 2
        STH(out + o * 2, id < 0 ? (ushort)0 : LDH(table + f * 2));
#elif ES == 4
        STI(out + o * 4, id < 0 ? 0 : LDI(table + f * 4));
#else
        STL(out + o * 8, id < 0 ? 0 : LDL(table + f * 8));
#endif
      }
    } else {
      for (long j = 0; j < n; j++) {
        const long id = rows == 0 ? -1 : LDI(index + (oi + j * si[last]) * 4);
        const long o = oo + j * so[last];
        const long f = ot + j * st[last] + min(id, rows - 1) * rowStride;
#if CONVERT
        STF(out + o * 4, id < 0 ? 0.0f : load_float(table, f, TT));
#elif ES == 1
        out[o] = id < 0 ? (uchar)0 : table[f];
#elif ES == 2
        STH(out + o * 2, id < 0 ? (ushort)0 : LDH(table + f * 2));
#elif ES == 4
        STI(out + o * 4, id < 0 ? 0 : LDI(table + f * 4));
#else
        STL(out + o * 8, id < 0 ? 0 : LDL(table + f * 8));
#endif
      }
    }
    i += n;
  }
}
#endif

#ifdef SCATTER
__kernel void scatter_add(SRC index, long i_o, SRC source, long s_o, MUT out, long out_o, long M, long W, long N,
                          long chunk, long si, long sr, long sc, long outr, long outc) {
  index += i_o;
  source += s_o;
  out += out_o;
  const long c0 = get_global_id(0) * chunk;
  const long c1 = min(c0 + chunk, W);
  for (long i = 0; i < M; i++) {
    const long row = LDI(index + i * si * 4);
    if (row < 0 || row >= N) continue;
    for (long c = c0; c < c1; c++) {
      MUT p = out + (row * outr + c * outc) * 4;
#if T == 0
      STF(p, LDF(p) + LDF(source + (i * sr + c * sc) * 4));
#else
      STI(p, LDI(p) + LDI(source + (i * sr + c * sc) * 4));
#endif
    }
  }
}

__kernel void scatter_update(SRC index, long i_o, SRC source, long s_o, MUT out, long out_o, long M, long W, long N,
                             long chunk, long si, long sr, long sc, long outr, long outc) {
  index += i_o;
  source += s_o;
  out += out_o;
  const long i0 = get_global_id(0) * chunk;
  for (long i = i0; i < min(i0 + chunk, M); i++) {
    const long row = LDI(index + i * si * 4);
    if (row < 0 || row >= N) continue;
    for (long c = get_global_id(1); c < W; c += get_global_size(1)) {
      const long f = i * sr + c * sc;
      const long o = row * outr + c * outc;
#if ES == 1
      out[o] = source[f];
#elif ES == 2
      STH(out + o * 2, LDH(source + f * 2));
#elif ES == 4
      STI(out + o * 4, LDI(source + f * 4));
#else
      STL(out + o * 8, LDL(source + f * 8));
#endif
    }
  }
}
#endif
