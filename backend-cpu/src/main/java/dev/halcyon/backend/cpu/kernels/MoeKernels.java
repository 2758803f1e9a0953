package dev.halcyon.backend.cpu.kernels;

/**
 * MOE_ROUTE, MOE_GATE_UP and MOE_DOWN. Slots are sorted by expert, so that an expert's weights are
 * read once for all of its tokens.
 */
final class MoeKernels {
  /** Tokens of an expert done at a time by GATE_UP: with 256 columns they fill half the scratch. */
  private static final long UP_TOKENS = 1024;

  /** Tokens and columns done at a time by DOWN. */
  private static final long DOWN_TOKENS = 512;

  private static final long DOWN_COLUMNS = 480;

  private final KernelMath math;

  MoeKernels(KernelMath math) {
    this.math = math;
  }

  /** A word of an entry of the expert table. */
  private static long word(long experts, long entry, int i) {
    return Raw.i64(experts + 8 * (entry * Kernels.EXPERT_WORDS + i));
  }

  private static void increment(long address) {
    Raw.i32(address, Raw.i32(address) + 1);
  }

  static void route(long slots, long begin, long end) {
    if (begin > 0 || end < 1) {
      return;
    }
    long ids = Raw.slot(slots, 1);
    long gate = Raw.slot(slots, 2);
    long tokens = Raw.slot(slots, 3);
    long k = Raw.slot(slots, 4);
    long routed = Raw.slot(slots, 5);
    long entries = routed + Raw.slot(slots, 6);
    long offsets = Raw.slot(slots, 7);
    long rows = Raw.slot(slots, 8);
    long weights = Raw.slot(slots, 9);

    // counts, then starts; offsets[e] serves as the cursor of e while slots are dealt
    Raw.zero(offsets, entries + 1);
    for (long i = 0; i < tokens * k; i++) {
      int id = Raw.i32(ids + 4 * i);
      if (id >= 0 && id < routed) {
        increment(offsets + 4L * (id + 1));
      }
    }
    for (long e = 0; e < entries; e++) {
      int count = e < routed ? Raw.i32(offsets + 4 * (e + 1)) : (int) tokens;
      Raw.i32(offsets + 4 * (e + 1), Raw.i32(offsets + 4 * e) + count);
    }
    for (long i = 0; i < tokens * k; i++) {
      int id = Raw.i32(ids + 4 * i);
      if (id >= 0 && id < routed) {
        long slot = Raw.i32(offsets + 4L * id);
        increment(offsets + 4L * id);
        Raw.i32(rows + 4 * slot, (int) (i / k));
        Raw.f32(weights + 4 * slot, Raw.f32(gate + 4 * i));
      }
    }
    for (long e = routed; e > 0; e--) {
      Raw.i32(offsets + 4 * e, Raw.i32(offsets + 4 * (e - 1)));
    }
    Raw.i32(offsets, 0);
    for (long e = routed; e < entries; e++) {
      for (long t = 0; t < tokens; t++) {
        long slot = Raw.i32(offsets + 4 * e) + t;
        Raw.i32(rows + 4 * slot, (int) t);
        Raw.f32(weights + 4 * slot, 1);
      }
    }
    tasks(slots, entries, offsets);
  }

  /** One task for each block of intermediate columns of every entry that has slots. */
  private static void tasks(long slots, long entries, long offsets) {
    long experts = Raw.slot(slots, 10);
    long block = Raw.slot(slots, 11);
    long tasks = Raw.slot(slots, 12);
    int count = 0;
    for (long e = 0; e < entries; e++) {
      if (Raw.i32(offsets + 4 * (e + 1)) == Raw.i32(offsets + 4 * e)) {
        continue;
      }
      for (long b = 0; b * block < word(experts, e, 6); b++) {
        Raw.i32(tasks + 8L * count, (int) e);
        Raw.i32(tasks + 8L * count + 4, (int) b);
        count++;
      }
    }
    Raw.i32(Raw.slot(slots, 13), count);
  }

  void gateUp(long slots, long begin, long end) {
    long up = Raw.slot(slots, 0);
    long x = Raw.slot(slots, 1);
    long ldx = Raw.slot(slots, 2);
    long hidden = Raw.slot(slots, 3);
    long experts = Raw.slot(slots, 4);
    long offsets = Raw.slot(slots, 5);
    long rows = Raw.slot(slots, 6);
    long tasks = Raw.slot(slots, 7);
    long block = Raw.slot(slots, 9);
    long ldh = Raw.slot(slots, 11);
    long last = Math.min(end, Raw.i32(Raw.slot(slots, 8)));
    for (long task = begin; task < last; task++) {
      long entry = Raw.i32(tasks + 8 * task);
      long n0 = Raw.i32(tasks + 8 * task + 4) * block;
      long n1 = Math.min(n0 + block, word(experts, entry, 6));
      long width = n1 - n0;
      WeightMatrix gateW = upWeights(slots, experts, entry, 0);
      WeightMatrix upW = upWeights(slots, experts, entry, 2);
      long stop = Raw.i32(offsets + 4 * (entry + 1));
      for (long at = Raw.i32(offsets + 4 * entry); at < stop; at += UP_TOKENS) {
        long m = Math.min(UP_TOKENS, stop - at);
        long h = Raw.slot(slots, 10) + 4 * (at * ldh + n0);
        for (long i = 0; i < m; i++) {
          Raw.zero(h + 4 * i * ldh, width);
        }
        Raw.zero(up, m * width);
        math.linear(gateW, n0, n1, x, ldx, rows + 4 * at, m, hidden, h, ldh);
        math.linear(upW, n0, n1, x, ldx, rows + 4 * at, m, hidden, up, width);
        for (long i = 0; i < m; i++) {
          math.siluTimes(h + 4 * i * ldh, up + 4 * i * width, h + 4 * i * ldh, width);
        }
      }
    }
  }

  /** Gate (word 0) or up (word 2) matrix of an entry. */
  private static WeightMatrix upWeights(long slots, long experts, long entry, int word) {
    return new WeightMatrix(
        word(experts, entry, word),
        Raw.slot(slots, 13),
        (int) Raw.slot(slots, 12),
        word(experts, entry, word + 1),
        (int) Raw.slot(slots, 14),
        Raw.slot(slots, 15),
        Raw.slot(slots, 16),
        Raw.slot(slots, 17),
        0);
  }

  void down(long slots, long begin, long end) {
    long part = Raw.slot(slots, 0);
    long h = Raw.slot(slots, 1);
    long ldh = Raw.slot(slots, 2);
    long tokens = Raw.slot(slots, 3);
    long experts = Raw.slot(slots, 5);
    long entries = Raw.slot(slots, 6);
    long offsets = Raw.slot(slots, 7);
    long rows = Raw.slot(slots, 8);
    long weights = Raw.slot(slots, 9);
    long y = Raw.slot(slots, 10);
    long ldy = Raw.slot(slots, 11);
    long base = Raw.slot(slots, 12);
    long ldb = Raw.slot(slots, 13);
    for (long n0 = begin; n0 < end; n0 += DOWN_COLUMNS) {
      long n1 = Math.min(n0 + DOWN_COLUMNS, end);
      long width = n1 - n0;
      for (long t = 0; t < tokens; t++) {
        if (base == 0) {
          Raw.zero(y + 4 * (t * ldy + n0), width);
        } else {
          Raw.copy(base + 4 * (t * ldb + n0), y + 4 * (t * ldy + n0), width);
        }
      }
      for (long entry = 0; entry < entries; entry++) {
        long stop = Raw.i32(offsets + 4 * (entry + 1));
        long at = Raw.i32(offsets + 4 * entry);
        if (at == stop) {
          continue;
        }
        WeightMatrix w = downWeights(slots, experts, entry);
        for (; at < stop; at += DOWN_TOKENS) {
          long m = Math.min(DOWN_TOKENS, stop - at);
          Raw.zero(part, m * width);
          long inter = word(experts, entry, 6);
          math.linear(w, n0, n1, h + 4 * at * ldh, ldh, 0, m, inter, part, width);
          for (long i = 0; i < m; i++) {
            long out = y + 4 * (Raw.i32(rows + 4 * (at + i)) * ldy + n0);
            math.addScaled(Raw.f32(weights + 4 * (at + i)), part + 4 * i * width, out, width);
          }
        }
      }
    }
  }

  private static WeightMatrix downWeights(long slots, long experts, long entry) {
    return new WeightMatrix(
        word(experts, entry, 4),
        word(experts, entry, 7),
        (int) Raw.slot(slots, 14),
        word(experts, entry, 5),
        (int) Raw.slot(slots, 15),
        Raw.slot(slots, 16),
        Raw.slot(slots, 17),
        word(experts, entry, 8),
        0);
  }
}
