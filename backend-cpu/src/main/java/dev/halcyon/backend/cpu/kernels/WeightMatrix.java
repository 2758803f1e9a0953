package dev.halcyon.backend.cpu.kernels;

/**
 * A weight matrix {@code W[N,K]}, the nine slots {@code W} of the header: element (n,k) is the
 * stored value times {@code scale[((rowOffset+n)/blockN)*ldScale + k/blockK]}. Without scales the
 * address is 0.
 */
record WeightMatrix(
    long data,
    long rowBytes,
    int type,
    long scales,
    int scaleType,
    long blockN,
    long blockK,
    long ldScale,
    long rowOffset) {

  static WeightMatrix of(long slots, int first) {
    return new WeightMatrix(
        Raw.slot(slots, first),
        Raw.slot(slots, first + 1),
        (int) Raw.slot(slots, first + 2),
        Raw.slot(slots, first + 3),
        (int) Raw.slot(slots, first + 4),
        Raw.slot(slots, first + 5),
        Raw.slot(slots, first + 6),
        Raw.slot(slots, first + 7),
        Raw.slot(slots, first + 8));
  }

  /** Unscaled rows at an address. */
  static WeightMatrix plain(long data, long rowBytes, int type) {
    return new WeightMatrix(data, rowBytes, type, 0, 0, 1, 1, 0, 0);
  }

  /** The same matrix from row {@code first} on. */
  WeightMatrix from(long first) {
    return new WeightMatrix(
        data + first * rowBytes,
        rowBytes,
        type,
        scales,
        scaleType,
        blockN,
        blockK,
        ldScale,
        rowOffset + first);
  }

  /** Address of row {@code n}. */
  long row(long n) {
    return data + n * rowBytes;
  }

  /** Whether the scale changes within the first {@code k} columns of a row. */
  boolean grouped(long k) {
    return scales != 0 && blockK < k;
  }

  /** Scale of group {@code g} of row {@code n}; there must be scales. */
  float scale(long n, long g) {
    return Storage.scale(scaleType, scales, (rowOffset + n) / blockN * ldScale + g);
  }
}
