// copy_nibbles: out = in for dense packed i4 of `count` elements; the nibble beyond an odd count stays as it is.
// Accuracy: EXACT.
__kernel void copy_nibbles(SRC a, long a_o, MUT out, long out_o, long count, long chunk) {
  a += a_o;
  out += out_o;
  const long i0 = get_global_id(0) * chunk;
  const long bytes = (count + 1) / 2;
  for (long i = i0; i < min(i0 + chunk, bytes); i++) {
    out[i] = (i + 1) * 2 > count ? (uchar)((a[i] & 15) | (out[i] & 0xf0)) : a[i];
  }
}
