package dev.halcyon.backend.cpu.kernels;

import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of {@link #COUNT} f32 from memory, in the order of the elements. The widest shape of the
 * machine decides the lane count; nothing here assumes one.
 *
 * @implNote Small methods that inline: their vectors never reach the heap. Weights widen exactly:
 *     the f32 with the fields of an f16 is its value / 2^112, of an e4m3 its value / 2^120,
 *     subnormals included; infinity and NaN are patched.
 */
final class Lanes {
  private Lanes() {}

  static final VectorSpecies<Float> F32 = FloatVector.SPECIES_PREFERRED;
  static final VectorSpecies<Integer> I32 = F32.withLanes(int.class);

  /** Lanes of a vector. */
  static final int COUNT = F32.length();

  /** Bytes of a vector. */
  static final int BYTES = 4 * COUNT;

  static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final VectorSpecies<Short> I16 =
      VectorSpecies.of(short.class, VectorShape.forBitSize(16 * COUNT));

  /** With four lanes there is no shape of four bytes; that case goes another way. */
  static final VectorSpecies<Byte> I8 =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * COUNT)));

  private static final IntVector BYTE_SHIFTS =
      IntVector.fromArray(I32, new int[] {24, 16, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0);

  private static final VectorShuffle<Float> BY_8 = rotation(8);
  private static final VectorShuffle<Float> BY_4 = rotation(4);
  private static final VectorShuffle<Float> BY_2 = rotation(2);
  private static final VectorShuffle<Float> BY_1 = rotation(1);

  private static VectorShuffle<Float> rotation(int lanes) {
    return VectorShuffle.iota(F32, lanes % COUNT, 1, true);
  }

  static FloatVector zero() {
    return FloatVector.zero(F32);
  }

  static FloatVector all(float value) {
    return FloatVector.broadcast(F32, value);
  }

  static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(F32, Raw.ALL, address, ORDER);
  }

  /** Absent lanes are 0. */
  static FloatVector load(long address, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(F32, Raw.ALL, address, ORDER, mask);
  }

  static void store(FloatVector v, long address) {
    v.intoMemorySegment(Raw.ALL, address, ORDER);
  }

  static void store(FloatVector v, long address, VectorMask<Float> mask) {
    v.intoMemorySegment(Raw.ALL, address, ORDER, mask);
  }

  /** The first n lanes. */
  static VectorMask<Float> first(long n) {
    return F32.indexInRange(0, n);
  }

  /**
   * The sum of the lanes, halves added to halves. The API's own reduction may take any order and
   * takes another one compiled than interpreted, which would make results vary between runs.
   */
  static float sum(FloatVector v) {
    FloatVector s = v;
    if (COUNT >= 16) {
      s = s.add(s.rearrange(BY_8));
    }
    if (COUNT >= 8) {
      s = s.add(s.rearrange(BY_4));
    }
    s = s.add(s.rearrange(BY_2));
    return s.add(s.rearrange(BY_1)).lane(0);
  }

  /** {@link #sum} of a vector in memory. */
  static float sum(long address) {
    return sum(load(address));
  }

  /** The larger lanes; a NaN in v leaves those of {@code best}. */
  static FloatVector larger(FloatVector best, FloatVector v) {
    return best.blend(v, v.compare(GT, best));
  }

  /** Sign-extended bytes. */
  static IntVector bytes(long address) {
    if (COUNT == 4) {
      IntVector word = IntVector.broadcast(I32, Raw.i32(address));
      return word.lanewise(LSHL, BYTE_SHIFTS).lanewise(ASHR, 24);
    }
    return (IntVector)
        ByteVector.fromMemorySegment(I8, Raw.ALL, address, ORDER)
            .convertShape(VectorOperators.B2I, I32, 0);
  }

  private static IntVector shorts(long address) {
    return (IntVector)
        ShortVector.fromMemorySegment(I16, Raw.ALL, address, ORDER)
            .convertShape(VectorOperators.S2I, I32, 0);
  }

  static FloatVector toFloats(IntVector v) {
    return (FloatVector) v.convert(VectorOperators.I2F, 0);
  }

  static FloatVector i8(long address) {
    if (COUNT == 4) {
      return toFloats(bytes(address));
    }
    return (FloatVector)
        ByteVector.fromMemorySegment(I8, Raw.ALL, address, ORDER)
            .convertShape(VectorOperators.B2F, F32, 0);
  }

  static FloatVector bf16(long address) {
    return shorts(address).lanewise(LSHL, 16).reinterpretAsFloats();
  }

  static FloatVector f16(long address) {
    return fromF16(shorts(address).lanewise(LSHL, 13).and(0x8fffe000));
  }

  /** From the sign in place and the other fields 13 bits up. */
  private static FloatVector fromF16(IntVector fields) {
    FloatVector value = fields.reinterpretAsFloats().mul(0x1p112f);
    IntVector special = fields.or(0x7f800000);
    return value.blend(
        special.reinterpretAsFloats(), fields.and(0x0f800000).compare(EQ, 0x0f800000).cast(F32));
  }

  static FloatVector f8(long address) {
    return fromF8(bytes(address));
  }

  private static FloatVector fromF8(IntVector bytes) {
    FloatVector value =
        bytes.lanewise(LSHL, 20).and(0x87f00000).reinterpretAsFloats().mul(0x1p120f);
    return value.blend(Float.NaN, bytes.and(0x7f).compare(EQ, 0x7f).cast(F32));
  }

  /** The low nibbles of sign-extended bytes. */
  static FloatVector lowNibbles(IntVector bytes) {
    return toFloats(bytes.lanewise(LSHL, 28).lanewise(ASHR, 28));
  }

  /** The high nibbles of sign-extended bytes. */
  static FloatVector highNibbles(IntVector bytes) {
    return toFloats(bytes.lanewise(ASHR, 4));
  }

  /**
   * exp: below 2 ulp, underflow is gradual, NaN propagates. {@code 2^n * exp(r)} with r at most
   * half of ln 2 and a polynomial of degree seven.
   */
  static FloatVector exp(FloatVector x) {
    FloatVector v = x.blend(89f, x.compare(GT, 89f));
    v = v.blend(-104.5f, v.compare(LT, -104.5f));
    // the addition leaves the rounded integer in the low bits
    FloatVector shifted = v.fma(all(1.44269504088896341f), all(0x1.8p23f));
    IntVector n = shifted.reinterpretAsInts().sub(0x4b400000);
    FloatVector whole = shifted.sub(0x1.8p23f);
    FloatVector r = whole.fma(all(-0.693359375f), v);
    r = whole.fma(all(2.12194440e-4f), r);
    FloatVector p = all(1.9875691500e-4f);
    p = p.fma(r, all(1.3981999507e-3f));
    p = p.fma(r, all(8.3334519073e-3f));
    p = p.fma(r, all(4.1665795894e-2f));
    p = p.fma(r, all(1.6666665459e-1f));
    p = p.fma(r, all(5.0000001201e-1f));
    p = r.mul(r).fma(p, r).add(1f);
    // in two factors, for results below and above the range of one
    IntVector half = n.lanewise(ASHR, 1);
    IntVector rest = n.sub(half);
    return p.mul(powerOfTwo(half)).mul(powerOfTwo(rest));
  }

  private static FloatVector powerOfTwo(IntVector n) {
    return n.add(127).lanewise(LSHL, 23).reinterpretAsFloats();
  }
}
