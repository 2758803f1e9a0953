package dev.halcyon.backend.cpu.kernels;

/** DEQUANT, QUANTIZE, ACT_QUANT_FP8, CONVERT and FILL_RANDOM: bit-exact conversions. */
final class QuantKernels {
  /** Elements converted at a time. */
  private static final long CHUNK = 1024;

  /** Columns of a block of ACT_QUANT_FP8. */
  private static final long FP8_BLOCK = 128;

  private final KernelMath math;

  QuantKernels(KernelMath math) {
    this.math = math;
  }

  void dequant(long slots, long begin, long end) {
    long ids = Raw.slot(slots, 1);
    long k = Raw.slot(slots, 2);
    WeightMatrix w = WeightMatrix.of(slots, 5);
    for (long i = begin; i < end; i++) {
      long row = ids == 0 ? i : Raw.i32(ids + 4 * i);
      math.decode(w, row, 0, k, Raw.slot(slots, 3) + 4 * i * Raw.slot(slots, 4));
    }
  }

  void quantize(long slots, long begin, long end) {
    long x = Raw.slot(slots, 0);
    long k = Raw.slot(slots, 1);
    long group = Raw.slot(slots, 2);
    boolean nibbles = Raw.slot(slots, 5) == Kernels.I4;
    WeightMatrix w = WeightMatrix.of(slots, 8);
    for (long row = begin; row < end; row++) {
      math.decode(w, row, 0, k, x);
      long out = Raw.slot(slots, 3) + row * Raw.slot(slots, 4);
      for (long k0 = 0; k0 < k; k0 += group) {
        long scale = Raw.slot(slots, 6) + 2 * (row * Raw.slot(slots, 7) + k0 / group);
        quantizeGroup(x, k0, Math.min(k0 + group, k), nibbles, out, scale);
      }
    }
  }

  private static void quantizeGroup(
      long x, long k0, long k1, boolean nibbles, long out, long scale) {
    float extreme = 0;
    for (long k = k0; k < k1; k++) {
      float v = Raw.f32(x + 4 * k);
      extreme = Math.abs(v) > Math.abs(extreme) ? v : extreme;
    }
    float wanted = nibbles ? extreme / -8 : Math.abs(extreme) / 127;
    short stored = Float.floatToFloat16(Math.clamp(wanted, -65504f, 65504f));
    Raw.i16(scale, stored);
    float s = Float.float16ToFloat(stored);
    for (long k = k0; k < k1; k++) {
      float v = Raw.f32(x + 4 * k);
      double nearest = s == 0 || Float.isNaN(v) ? 0 : Math.rint(v / s);
      int q = (int) (nibbles ? Math.clamp(nearest, -8, 7) : Math.clamp(nearest, -127, 127));
      if (!nibbles) {
        Raw.i8(out + k, (byte) q);
      } else if ((k & 1) == 0) {
        Raw.i8(out + k / 2, (byte) (q & 15));
      } else {
        Raw.i8(out + k / 2, (byte) (Raw.i8(out + k / 2) | q << 4));
      }
    }
  }

  static void actQuantFp8(long slots, long begin, long end) {
    long k = Raw.slot(slots, 3);
    boolean powerOfTwo = Raw.slot(slots, 8) != 0;
    for (long row = begin; row < end; row++) {
      long x = Raw.slot(slots, 1) + 4 * row * Raw.slot(slots, 2);
      long q = Raw.slot(slots, 4) + row * Raw.slot(slots, 5);
      for (long k0 = 0; k0 < k; k0 += FP8_BLOCK) {
        long k1 = Math.min(k0 + FP8_BLOCK, k);
        float amax = 1e-4f;
        for (long i = k0; i < k1; i++) {
          float v = Math.abs(Raw.f32(x + 4 * i));
          amax = v > amax ? v : amax;
        }
        float scale = amax / 448;
        if (powerOfTwo) { // the exponent goes up unless the mantissa is zero
          int bits = Float.floatToRawIntBits(scale);
          scale = Float.intBitsToFloat(bits + 0x7fffff & 0xff800000);
        }
        Raw.f32(Raw.slot(slots, 6) + 4 * (row * Raw.slot(slots, 7) + k0 / FP8_BLOCK), scale);
        for (long i = k0; i < k1; i++) {
          Raw.i8(q + i, Storage.toF8(Raw.f32(x + 4 * i) / scale));
        }
      }
    }
  }

  void convert(long slots, long begin, long end) {
    WeightMatrix source = WeightMatrix.plain(Raw.slot(slots, 1), 0, (int) Raw.slot(slots, 2));
    int type = (int) Raw.slot(slots, 4);
    long values = ThreadScratch.address();
    for (long i = begin; i < end; i += CHUNK) {
      long n = Math.min(CHUNK, end - i);
      math.decode(source, 0, i, i + n, values);
      Storage.storeRow(type, values, n, Raw.slot(slots, 3) + Storage.bytes(type, i));
    }
  }

  static void fillRandom(long slots, long begin, long end) {
    long to = Raw.slot(slots, 1);
    int type = (int) Raw.slot(slots, 2);
    long seed = Raw.slot(slots, 3);
    float amplitude = (float) Raw.real(slots, 4);
    switch (type) {
      case Kernels.I4 -> {
        for (long i = begin; i < end; i += 2) {
          Raw.i8(to + i / 2, (byte) (hash(seed, i) & 15 | (hash(seed, i + 1) & 15) << 4));
        }
      }
      case Kernels.I8 -> {
        for (long i = begin; i < end; i++) {
          Raw.i8(to + i, (byte) (hash(seed, i) % 255 - 127));
        }
      }
      default -> {
        for (long i = begin; i < end; i++) {
          float u = (hash(seed, i) + 0.5f) * 0x1p-23f - 1;
          Storage.store(type, to, i, amplitude * u);
        }
      }
    }
  }

  /** 24 random bits of element i. */
  private static int hash(long seed, long i) {
    long z = (i + 1) * 0x9e3779b97f4a7c15L + seed * 0xd1342543de82ef95L;
    z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
    z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
    return (int) (z >>> 40);
  }
}
