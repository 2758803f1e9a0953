package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * An operand in device memory: a view of a range of a {@link Stage}, whose other bytes are guards.
 * Nothing but the elements of written operands may change.
 */
final class Placed {
  private final Tensor region;
  private final Tensor view;
  private final byte[] before;
  private final StorageFormat format;
  private final int bits;
  private final long[] positions;
  private final List<Placed> scales;

  Placed(Tensor region, Tensor view, byte[] before, Stage.Range range, List<Placed> scales) {
    this.region = region;
    this.view = view;
    this.before = before;
    this.scales = scales;
    this.format = StorageFormat.of(view.dtype());
    this.bits = view.dtype().bits();
    this.positions = positions(8L * range.first() + bits * range.physical().firstElement());
  }

  private Placed(Tensor region, Tensor view, byte[] before) {
    this.region = region;
    this.view = view;
    this.before = before;
    this.scales = List.of();
    this.format = StorageFormat.of(view.dtype());
    this.bits = view.dtype().bits();
    this.positions = new long[0];
  }

  /** A stack of operands that are only read and were written one by one: all of it is guarded. */
  static Placed apart(Tensor region, Tensor stack, byte[] before) {
    return new Placed(region, stack, before);
  }

  /** The operand to enqueue. */
  Tensor view() {
    return view;
  }

  /** The operand's scales, if quantised: none or one. */
  List<Placed> scales() {
    return scales;
  }

  /** Writes the content, or ones in every bit, into the image of the region. */
  void write(Optional<HostTensor> content) {
    for (int i = 0; i < positions.length; i++) {
      long value = content.isPresent() ? format.encode(content.get().stored()[i]) : -1L;
      setBits(before, positions[i], value);
    }
  }

  /** Bit positions of the elements in the region, row-major. */
  private long[] positions(long firstBit) {
    long[] strides = view.type().strides().toArray();
    long[] dims = view.shape().dims();
    long[] all = new long[Math.toIntExact(view.shape().elementCount())];
    long[] index = new long[dims.length];
    long at = firstBit;
    for (int i = 0; i < all.length; i++) {
      all[i] = at;
      for (int a = dims.length - 1; a >= 0; a--) {
        at += bits * strides[a];
        if (++index[a] < dims[a]) {
          break;
        }
        at -= bits * strides[a] * dims[a];
        index[a] = 0;
      }
    }
    return all;
  }

  private void setBits(byte[] bytes, long bit, long value) {
    int at = (int) (bit / 8);
    if (bits == 4) {
      int low = (int) (bit % 8);
      bytes[at] = (byte) (bytes[at] & ~(15 << low) | (int) (value & 15) << low);
      return;
    }
    for (int b = 0; b < bits / 8; b++) {
      bytes[at + b] = (byte) (value >> 8 * b);
    }
  }

  private long bits(byte[] bytes, long bit) {
    int at = (int) (bit / 8);
    if (bits == 4) {
      return bytes[at] >> bit % 8 & 15;
    }
    long value = 0;
    for (int b = 0; b < bits / 8; b++) {
      value |= (bytes[at + b] & 0xffL) << 8 * b;
    }
    return value;
  }

  /** Waits and reads the region with all operands of the stage. */
  byte[] read(CommandStream stream) {
    byte[] after = new byte[before.length];
    stream.download(region, MemorySegment.ofArray(after));
    return after;
  }

  /** The numbers in a region that was read, row-major. */
  double[] decode(byte[] after) {
    double[] values = new double[positions.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = format.decode(bits(after, positions[i]));
    }
    return values;
  }

  /**
   * Takes over the elements of a written operand, so that only guards remain to compare. A last
   * byte of which a nibble is left belongs to the operand as a whole.
   */
  void accept(byte[] after, byte[] expected) {
    if (bits == 4 && positions.length > 0) {
      int last = (int) (positions[positions.length - 1] / 8);
      expected[last] = after[last];
    }
    for (long position : positions) {
      setBits(expected, position, bits(after, position));
    }
  }

  /** The image of the region as it was uploaded. */
  byte[] before() {
    return before;
  }

  /** The first byte that changed although it must not. */
  static OptionalInt damaged(byte[] expected, byte[] after) {
    int at = Arrays.mismatch(expected, after);
    return at < 0 ? OptionalInt.empty() : OptionalInt.of(at);
  }

  /** First and last byte of the elements; nothing if there are none. */
  Optional<int[]> extent() {
    return positions.length == 0
        ? Optional.empty()
        : Optional.of(
            new int[] {
              (int) (Arrays.stream(positions).min().getAsLong() / 8),
              (int) ((Arrays.stream(positions).max().getAsLong() + bits - 1) / 8)
            });
  }
}
