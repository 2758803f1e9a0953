// matmul: out[b, m, n] = sum_k a[b, m, k] * b[b, k, n], any strides, up to 6 batch axes.
//
//   TA, TB dtype codes (f32, f16, bf16); MODE 0 any strides, 1 both adjacent along k, 2 b adjacent along n
// One group: `block` rows m of one batch, `chunk` columns n. Accuracy: BOUND(K), f32 accumulation.
#define A_BYTES (TA == 0 ? 4 : 2)
#define B_BYTES (TB == 0 ? 4 : 2)

__kernel void matmul(SRC a, long a_o, SRC b, long b_o, MUT out, long out_o, long8 vdims, long8 a_strides,
                     long8 b_strides, long8 o_strides, int batchRank, int M, int N, int K, long am, long ak, long bk,
                     long bn, long om, long on, int chunk, int block) {
  LANE_MEMORY
  long dims[8];
  long sa[8];
  long sb[8];
  long so[8];
  vstore8(vdims, 0, dims);
  vstore8(a_strides, 0, sa);
  vstore8(b_strides, 0, sb);
  vstore8(o_strides, 0, so);
  a += a_o;
  b += b_o;
  out += out_o;
  long batch = get_group_id(2);
  long oa = 0;
  long ob = 0;
  long oo = 0;
  for (int d = batchRank - 1; d >= 0; d--) {
    const long q = batch / dims[d];
    const long at = batch - q * dims[d];
    batch = q;
    oa += at * sa[d];
    ob += at * sb[d];
    oo += at * so[d];
  }
  a += oa * A_BYTES;
  b += ob * B_BYTES;
  out += oo * 4;
  const int n0 = get_group_id(0) * chunk;
  const int n1 = min(n0 + chunk, N);
  const int m0 = get_group_id(1) * block;
  const int m1 = min(m0 + block, M);
#if MODE == 1
  for (int m = m0; m < m1; m += MT) {
    for (int n = n0; n < n1; n += NT) {
      fv acc[MT][NT];
      float d[MT][NT];
      UNROLL for (int i = 0; i < MT; i++) {
        UNROLL for (int j = 0; j < NT; j++) acc[i][j] = (fv)(0.0f);
      }
      int k = LID * VW;
      for (; k + VW <= K; k += LANES * VW) {
        fv bv[NT];
        UNROLL for (int j = 0; j < NT; j++) {
          bv[j] = load_floats(b, min(n + j, n1 - 1) * bn + k, TB);
        }
        UNROLL for (int i = 0; i < MT; i++) {
          const fv av = load_floats(a, min(m + i, m1 - 1) * am + k, TA);
          UNROLL for (int j = 0; j < NT; j++) acc[i][j] += av * bv[j];
        }
      }
      UNROLL for (int i = 0; i < MT; i++) {
        UNROLL for (int j = 0; j < NT; j++) d[i][j] = sum_of(acc[i][j]);
      }
      for (k = K / VW * VW + LID; k < K; k += LANES) {
        for (int i = 0; i < MT; i++) {
          const float av = load_float(a, min(m + i, m1 - 1) * am + k, TA);
          for (int j = 0; j < NT; j++) d[i][j] += av * load_float(b, min(n + j, n1 - 1) * bn + k, TB);
        }
      }
      for (int i = 0; i < MT; i++) {
        for (int j = 0; j < NT; j++) {
          const float v = lanes_sum(d[i][j], lane_memory);
          if (LID == 0 && m + i < m1 && n + j < n1) STF(out + ((m + i) * om + (n + j) * on) * 4, v);
        }
      }
    }
  }
#else
  int begin = n0 + LID;
#if MODE == 2
  begin = n0 + LID * VW;
  for (; begin + VW <= n1; begin += LANES * VW) {
    for (int m = m0; m < m1; m += MT) {
      fv acc[MT];
      UNROLL for (int i = 0; i < MT; i++) acc[i] = (fv)(0.0f);
      for (int k = 0; k < K; k++) {
        const fv bv = load_floats(b, k * bk + begin, TB);
        UNROLL for (int i = 0; i < MT; i++) {
          acc[i] += load_float(a, min(m + i, m1 - 1) * am + k * ak, TA) * bv;
        }
      }
      for (int i = 0; i < MT; i++) {
        if (m + i >= m1) break;
        if (on == 1) {
          STFV(out + ((m + i) * om + begin) * 4, acc[i]);
        } else {
          float t[VW];
          CAT(vstore, VW)(acc[i], 0, t);
          for (int j = 0; j < VW; j++) STF(out + ((m + i) * om + (begin + j) * on) * 4, t[j]);
        }
      }
    }
  }
  begin = n0 + (n1 - n0) / VW * VW + LID;
#endif
  for (int n = begin; n < n1; n += LANES) {
    for (int m = m0; m < m1; m++) {
      float acc = 0.0f;
      for (int k = 0; k < K; k++) acc += load_float(a, m * am + k * ak, TA) * load_float(b, k * bk + n * bn, TB);
      STF(out + (m * om + n * on) * 4, acc);
    }
  }
#endif
}
