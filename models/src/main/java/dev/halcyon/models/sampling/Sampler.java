package dev.halcyon.models.sampling;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/**
 * Chooses the next token from logits. Temperature 0 takes the largest logit, the lowest index among
 * equals. Otherwise, in this order: divide by the temperature, keep the top-k, keep the top-p,
 * renormalise, draw. Ties at the borders go to the lower index, so that a seed gives the same
 * tokens on every machine that computes the same logits.
 *
 * <p>Allocates only when the vocabulary grows. One thread at a time; one instance per generation.
 */
public final class Sampler {
  private static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

  private final SamplingOptions options;
  private long state;
  private float[] copy = new float[0];
  private int[] heap = new int[0];
  private float[] values = copy;
  private int base;

  /** A sampler whose random numbers start from the seed in {@code options}, or from a fresh one. */
  public Sampler(SamplingOptions options) {
    this.options = options;
    this.state = options.seed().orElseGet(() -> RandomGenerator.getDefault().nextLong());
  }

  /** The options given to the constructor. */
  public SamplingOptions options() {
    return options;
  }

  /** The next token of {@code logits}, one per vocabulary entry; the array is not changed. */
  public int sample(float[] logits) {
    return sample(logits, 0, logits.length);
  }

  /** The next token of {@code logits[offset .. offset+length)}, counted from {@code offset}. */
  public int sample(float[] logits, int offset, int length) {
    java.util.Objects.checkFromIndexSize(offset, length, logits.length);
    values = logits;
    base = offset;
    int best = argmax(length);
    return options.temperature() == 0 || options.topK() == 1 ? best : draw(length, best);
  }

  /** The next token of little-endian f32 {@code logits}, one per vocabulary entry. */
  public int sample(MemorySegment logits) {
    int n = Math.toIntExact(logits.byteSize() / Float.BYTES);
    if (copy.length < n) {
      copy = new float[n];
    }
    MemorySegment.copy(logits, F32, 0, copy, 0, n);
    return sample(copy, 0, n);
  }

  private int argmax(int n) {
    int best = -1;
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      float v = values[base + i];
      if (v > max) {
        max = v;
        best = i;
      } else if (v != v) {
        throw broken("logit " + i + " is NaN");
      }
    }
    if (best < 0) {
      throw broken(n == 0 ? "there are no logits" : "all logits are -Infinity");
    }
    if (max == Float.POSITIVE_INFINITY) {
      throw broken("logit " + best + " is +Infinity");
    }
    return best;
  }

  private static HalException broken(String what) {
    return HalException.of(HalErrorCode.INVALID_ARGUMENT, "cannot sample: " + what)
        .remedy(
            "the model's numbers are broken: check the checkpoint, and compare the device with"
                + " `halcyon parity`")
        .build();
  }

  private int draw(int n, int best) {
    double scale = 1 / options.temperature();
    float max = values[base + best];
    boolean ordered = options.topP() < 1 || (options.topK() > 0 && options.topK() < n);
    double total = 0;
    if (!ordered) {
      for (int i = 0; i < n; i++) {
        total += Math.exp((values[base + i] - max) * scale);
      }
      double left = nextDouble() * total;
      int last = best;
      for (int i = 0; i < n; i++) {
        double w = Math.exp((values[base + i] - max) * scale);
        if (w > 0) {
          left -= w;
          last = i;
          if (left < 0) {
            break;
          }
        }
      }
      return last;
    }
    return drawOrdered(n, max, scale);
  }

  /** Pops candidates best first until top-k or top-p is reached, then draws among them. */
  private int drawOrdered(int n, float max, double scale) {
    if (heap.length < n) {
      heap = new int[n];
    }
    for (int i = 0; i < n; i++) {
      heap[i] = i;
    }
    for (int i = n / 2 - 1; i >= 0; i--) {
      sink(i, n);
    }
    int limit = options.topK() > 0 ? Math.min(options.topK(), n) : n;
    int kept = 0;
    double mass = 0;
    int size = n;
    // popped candidates are stored behind the shrinking heap: the k-th best is heap[n - 1 - k]
    while (kept < limit) {
      int top = heap[0];
      heap[0] = heap[--size];
      heap[size] = top;
      sink(0, size);
      kept++;
      mass += Math.exp((values[base + top] - max) * scale);
      // with top-k, top-p refers to the mass of the top-k, which is known only afterwards
      if (options.topK() == 0
          && options.topP() < 1
          && mass >= options.topP() * totalMass(n, max, scale, kept)) {
        break;
      }
    }
    if (options.topK() > 0 && options.topP() < 1) {
      double wanted = options.topP() * mass;
      mass = 0;
      int i = 0;
      do {
        mass += Math.exp((values[base + heap[n - 1 - i]] - max) * scale);
        i++;
      } while (i < kept && mass < wanted);
      kept = i;
    }
    double left = nextDouble() * mass;
    for (int i = 0; i < kept; i++) {
      left -= Math.exp((values[base + heap[n - 1 - i]] - max) * scale);
      if (left < 0) {
        return heap[n - 1 - i];
      }
    }
    return heap[n - kept];
  }

  private double allMass;

  /** Mass of all tokens, computed when the first candidate is popped. */
  private double totalMass(int n, float max, double scale, int kept) {
    if (kept == 1) {
      allMass = 0;
      for (int i = 0; i < n; i++) {
        allMass += Math.exp((values[base + i] - max) * scale);
      }
    }
    return allMass;
  }

  private void sink(int from, int size) {
    int item = heap[from];
    int i = from;
    while (2 * i + 1 < size) {
      int child = 2 * i + 1;
      if (child + 1 < size && before(heap[child + 1], heap[child])) {
        child++;
      }
      if (!before(heap[child], item)) {
        break;
      }
      heap[i] = heap[child];
      i = child;
    }
    if (size > 0) {
      heap[i] = item;
    }
  }

  private boolean before(int a, int b) {
    float x = values[base + a];
    float y = values[base + b];
    return x > y || (x == y && a < b);
  }

  /** SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every JVM. */
  private double nextDouble() {
    state += 0x9e3779b97f4a7c15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    z ^= z >>> 31;
    return (z >>> 11) * 0x1.0p-53;
  }
}
