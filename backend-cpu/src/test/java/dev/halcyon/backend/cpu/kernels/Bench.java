package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;

/**
 * A tier with native memory to run its kernels in. Every array has guard bands on both sides;
 * closing checks them.
 */
final class Bench implements AutoCloseable {
  private static final long BAND = 64;
  private static final byte GUARD = 0x5a;

  final KernelTier tier;
  final Random random = new Random(42);
  final long scratch;
  private final Arena arena = Arena.ofConfined();
  private final List<MemorySegment> guarded = new ArrayList<>();

  Bench(KernelTier tier) {
    this.tier = tier;
    scratch = bytes(Kernels.SCRATCH_BYTES, 0);
  }

  /** All tiers this process can have: a parameter source. */
  static Stream<Named<KernelTier>> tiers() {
    List<KernelTier> tiers = new ArrayList<>();
    tiers.add(KernelTiers.scalar());
    KernelTiers.vector().tier().ifPresent(tiers::add);
    try {
      tiers.add(CTier.load());
    } catch (CTier.UnavailableException e) {
      // nothing to compare with on this platform
    }
    return tiers.stream().map(tier -> Named.of(tier.name(), tier));
  }

  /** Address of {@code n} bytes, {@code shift} bytes off a 64-byte boundary. */
  long bytes(long n, long shift) {
    MemorySegment all = arena.allocate(n + 2 * BAND + shift, 64);
    all.fill(GUARD);
    guarded.add(all.asSlice(0, BAND + shift));
    guarded.add(all.asSlice(BAND + shift + n));
    return all.address() + BAND + shift;
  }

  /** Uninitialised f32, filled with a value that spoils any sum. */
  long floats(long n) {
    long address = bytes(4 * n, 0);
    for (long i = 0; i < n; i++) {
      Raw.f32(address + 4 * i, 1e30f);
    }
    return address;
  }

  /** Uniform in (-1, 1). */
  long randoms(long n) {
    long address = bytes(4 * n, 0);
    for (long i = 0; i < n; i++) {
      Raw.f32(address + 4 * i, 2 * random.nextFloat() - 1);
    }
    return address;
  }

  long floats(float... values) {
    long address = bytes(4L * values.length, 0);
    for (int i = 0; i < values.length; i++) {
      Raw.f32(address + 4L * i, values[i]);
    }
    return address;
  }

  long ints(int... values) {
    long address = bytes(4L * values.length, 0);
    for (int i = 0; i < values.length; i++) {
      Raw.i32(address + 4L * i, values[i]);
    }
    return address;
  }

  static long real(double value) {
    return Double.doubleToRawLongBits(value);
  }

  /** Slots from parts that are Long, Integer, Double (its bits) or long[] (several slots). */
  static long[] slots(Object... parts) {
    List<Long> all = new ArrayList<>();
    for (Object part : parts) {
      switch (part) {
        case Long v -> all.add(v);
        case Integer v -> all.add((long) v);
        case Double v -> all.add(real(v));
        case long[] vs -> {
          for (long v : vs) {
            all.add(v);
          }
        }
        default -> throw new AssertionError(part);
      }
    }
    return all.stream().mapToLong(Long::longValue).toArray();
  }

  /** Runs the whole index space, in chunks of {@code step}, later chunks first. */
  void run(int kernel, long[] slots, long count, long step) {
    try (Arena call = Arena.ofConfined()) {
      long address = call.allocateFrom(ValueLayout.JAVA_LONG, slots).address();
      for (long begin = (count - 1) / step * step; begin >= 0; begin -= step) {
        tier.run(kernel, address, begin, Math.min(begin + step, count));
      }
    }
  }

  void run(int kernel, long[] slots, long count) {
    run(kernel, slots, count, Math.max(1, count));
  }

  static float[] read(long address, int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = Raw.f32(address + 4L * i);
    }
    return values;
  }

  static int[] readInts(long address, int n) {
    int[] values = new int[n];
    for (int i = 0; i < n; i++) {
      values[i] = Raw.i32(address + 4L * i);
    }
    return values;
  }

  /** Elementwise |got - want| at most {@code bound}, with the place in the message. */
  static void near(String what, float got, double want, double bound) {
    if (Double.isNaN(want) ? !Float.isNaN(got) : !(Math.abs(got - want) <= bound)) {
      throw new AssertionError(what + ": got " + got + ", want " + want + " +- " + bound);
    }
  }

  @Override
  public void close() {
    for (MemorySegment band : guarded) {
      for (long i = 0; i < band.byteSize(); i++) {
        assertEquals(GUARD, band.get(ValueLayout.JAVA_BYTE, i), "a guard band was written");
      }
    }
    arena.close();
  }
}
