package dev.halcyon.backend.cpu.kernels;

/**
 * MLA_DECODE, MLA_MERGE and MLA_PREFILL. Tiles of cache rows are decoded to f32 once and shared by
 * all heads (decode) or all queries (prefill); the softmax is the online form.
 */
final class MlaKernels {
  /** Bytes of decoded cache rows in a tile, and the bounds on its rows. */
  private static final long TILE_BYTES = 80 << 10;

  private static final long MIN_TILE = 4;
  private static final long MAX_TILE = 32;

  /** Heads whose scores are held at a time. */
  private static final long HEADS = 512;

  /** Positions of a tile and queries at a time in prefill. */
  private static final long PREFILL_TILE = 96;

  private static final long QUERIES = 48;

  private final KernelMath math;

  MlaKernels(KernelMath math) {
    this.math = math;
  }

  /** The paged latent cache. */
  private record Cache(long base, long rowBytes, int type, long table, long blocks, long size) {
    /** From six slots in a row. */
    static Cache of(long slots, int first) {
      return new Cache(
          Raw.slot(slots, first),
          Raw.slot(slots, first + 1),
          (int) Raw.slot(slots, first + 2),
          Raw.slot(slots, first + 3),
          Raw.slot(slots, first + 4),
          Raw.slot(slots, first + 5));
    }

    /** Decodes positions p to p+n of the sequence in row {@code seq} of the block table. */
    void decode(KernelMath math, long seq, long p, long n, long width, long out) {
      for (long i = 0; i < n; i++) {
        long block = Raw.i32(table + 4 * (seq * blocks + (p + i) / size));
        long row = block * size + (p + i) % size;
        WeightMatrix w = WeightMatrix.plain(base + row * rowBytes, 0, type);
        math.decode(w, 0, 0, width, out + 4 * i * width);
      }
    }
  }

  void decode(long slots, long begin, long end) {
    long q = Raw.slot(slots, 1);
    long qToken = Raw.slot(slots, 2);
    long qHead = Raw.slot(slots, 3);
    long heads = Raw.slot(slots, 4);
    long latent = Raw.slot(slots, 5);
    long width = latent + Raw.slot(slots, 6);
    Cache cache = Cache.of(slots, 7);
    long seqOf = Raw.slot(slots, 13);
    long positions = Raw.slot(slots, 14);
    float scale = (float) Raw.real(slots, 15);
    long splits = Raw.slot(slots, 16);
    long splitLength = Raw.slot(slots, 17);
    long partial = Raw.slot(slots, 18);
    long parts = Raw.slot(slots, 19);
    long perPart = ((heads + parts - 1) / parts + 3) / 4 * 4;
    long tile = Math.clamp(TILE_BYTES / (4 * width), MIN_TILE, MAX_TILE);
    long panel = Raw.slot(slots, 0);
    long scores = panel + 4 * tile * width;
    for (long task = begin; task < end; task++) {
      long piece = task / parts;
      long t = piece / splits;
      long first = Math.min(task % parts * perPart, heads);
      long last = Math.min(first + perPart, heads);
      long p0 = piece % splits * splitLength;
      long p1 = Math.min(p0 + splitLength, Raw.i32(positions + 4 * t) + 1L);
      long piecePartial = partial + 4 * piece * heads * (latent + 2);
      long max = piecePartial + 4 * heads * latent;
      long sum = max + 4 * heads;
      boolean whole = splits == 1;
      long acc = whole ? Raw.slot(slots, 20) + 4 * t * Raw.slot(slots, 21) : piecePartial;
      long accStride = whole ? Raw.slot(slots, 22) : latent;
      for (long h = first; h < last; h++) {
        Raw.zero(acc + 4 * h * accStride, latent);
        Raw.f32(max + 4 * h, Float.NEGATIVE_INFINITY);
        Raw.f32(sum + 4 * h, 0);
      }
      for (long p = p0; p < p1; p += tile) {
        long n = Math.min(tile, p1 - p);
        cache.decode(math, Raw.i32(seqOf + 4 * t), p, n, width, panel);
        for (long h0 = first; h0 < last; h0 += HEADS) {
          long count = Math.min(HEADS, last - h0);
          long qh = q + 4 * (t * qToken + h0 * qHead);
          long acch = acc + 4 * h0 * accStride;
          Raw.zero(scores, count * tile);
          math.timesTransposed(qh, qHead, count, panel, width, n, width, scores, tile);
          for (long h = 0; h < count; h++) {
            long at = 4 * (h0 + h);
            long row = acch + 4 * h * accStride;
            math.onlineSoftmax(scores + 4 * h * tile, n, scale, max + at, sum + at, row, latent);
          }
          math.times(scores, tile, count, panel, width, n, latent, acch, accStride);
        }
      }
      if (whole) {
        for (long h = first; h < last; h++) {
          math.scale(1 / Raw.f32(sum + 4 * h), acc + 4 * h * accStride, latent);
        }
      }
    }
  }

  void merge(long slots, long begin, long end) {
    long partial = Raw.slot(slots, 1);
    long splits = Raw.slot(slots, 2);
    long heads = Raw.slot(slots, 3);
    long latent = Raw.slot(slots, 4);
    long size = 4 * heads * (latent + 2);
    for (long i = begin; i < end; i++) {
      long t = i / heads;
      long h = i % heads;
      long first = partial + t * splits * size;
      long maxAt = 4 * (heads * latent + h);
      long out = Raw.slot(slots, 5) + 4 * (t * Raw.slot(slots, 6) + h * Raw.slot(slots, 7));
      float max = Float.NEGATIVE_INFINITY;
      for (long s = 0; s < splits; s++) {
        max = Math.max(max, Raw.f32(first + s * size + maxAt));
      }
      float sum = 0;
      Raw.zero(out, latent);
      for (long s = 0; s < splits; s++) {
        long part = first + s * size;
        float m = Raw.f32(part + maxAt);
        float f = m == Float.NEGATIVE_INFINITY ? 0 : (float) Math.exp(m - max);
        if (f != 0) { // a split without positions holds nothing
          sum += f * Raw.f32(part + maxAt + 4 * heads);
          math.addScaled(f, part + 4 * h * latent, out, latent);
        }
      }
      math.scale(1 / sum, out, latent);
    }
  }

  void prefill(long slots, long begin, long end) {
    new Prefill(slots).run(begin, end);
  }

  /** The arguments of one call of MLA_PREFILL and its layout of the scratch. */
  private final class Prefill {
    final long q;
    final long qToken;
    final long qHead;
    final long heads;
    final long nope;
    final long rope;
    final long vDim;
    final long latent;
    final Cache cache;
    final long seqStart;
    final long seqRow;
    final long positions;
    final float scale;
    final long out;
    final long outToken;
    final long outHead;
    final long queryBlock;
    final long queryBlocks;
    final WeightMatrix kvb;
    final long keyWidth;
    final long tile;
    final long latents;
    final long keys;
    final long values;
    final long scores;
    final long max;
    final long sum;

    Prefill(long slots) {
      q = Raw.slot(slots, 1);
      qToken = Raw.slot(slots, 2);
      qHead = Raw.slot(slots, 3);
      heads = Raw.slot(slots, 4);
      nope = Raw.slot(slots, 5);
      rope = Raw.slot(slots, 6);
      vDim = Raw.slot(slots, 7);
      latent = Raw.slot(slots, 8);
      cache = Cache.of(slots, 9);
      seqStart = Raw.slot(slots, 15);
      seqRow = Raw.slot(slots, 16);
      positions = Raw.slot(slots, 17);
      scale = (float) Raw.real(slots, 18);
      out = Raw.slot(slots, 19);
      outToken = Raw.slot(slots, 20);
      outHead = Raw.slot(slots, 21);
      queryBlock = Raw.slot(slots, 22);
      queryBlocks = Raw.slot(slots, 23);
      kvb = WeightMatrix.of(slots, 24);
      keyWidth = nope + rope;
      long queries = Math.min(queryBlock, 16384);
      long room = Kernels.SCRATCH_BYTES / 4 - 2 * queries;
      long each = latent + rope + keyWidth + vDim + QUERIES;
      tile = Math.clamp(room / each, 1, PREFILL_TILE);
      latents = Raw.slot(slots, 0);
      keys = latents + 4 * tile * (latent + rope);
      values = keys + 4 * tile * keyWidth;
      scores = values + 4 * tile * vDim;
      max = scores + 4 * tile * QUERIES;
      sum = max + 4 * queries;
    }

    int position(long token) {
      return Raw.i32(positions + 4 * token);
    }

    void run(long begin, long end) {
      for (long task = begin; task < end; task++) {
        long head = task / queryBlocks % heads;
        long seq = task / queryBlocks / heads;
        long t0 = Raw.i32(seqStart + 4 * seq) + task % queryBlocks * queryBlock;
        long t1 = Math.min(t0 + queryBlock, Raw.i32(seqStart + 4 * (seq + 1)));
        if (t0 < t1) {
          block(seqRow == 0 ? seq : Raw.i32(seqRow + 4 * seq), head, t0, t1);
        }
      }
    }

    /** Tokens t0 to t1 of a sequence for one head. */
    void block(long tableRow, long head, long t0, long t1) {
      WeightMatrix keyW = kvb.from(head * (nope + vDim));
      WeightMatrix valueW = keyW.from(nope);
      long qh = q + 4 * head * qHead;
      long outh = out + 4 * head * outHead;
      for (long t = t0; t < t1; t++) {
        Raw.zero(outh + 4 * t * outToken, vDim);
        Raw.f32(max + 4 * (t - t0), Float.NEGATIVE_INFINITY);
        Raw.f32(sum + 4 * (t - t0), 0);
      }
      long context = position(t1 - 1) + 1L;
      long first = t0; // the first query that sees the tile
      for (long p = 0; p < context; p += tile) {
        long n = Math.min(tile, context - p);
        while (position(first) < p) {
          first++;
        }
        expand(tableRow, p, n, keyW, valueW);
        for (long t = first; t < t1; t += QUERIES) {
          attend(qh, outh, p, n, t0, t, Math.min(QUERIES, t1 - t));
        }
      }
      for (long t = t0; t < t1; t++) {
        math.scale(1 / Raw.f32(sum + 4 * (t - t0)), outh + 4 * t * outToken, vDim);
      }
    }

    /** Rebuilds keys and values of n positions. */
    void expand(long tableRow, long p, long n, WeightMatrix keyW, WeightMatrix valueW) {
      long width = latent + rope;
      cache.decode(math, tableRow, p, n, width, latents);
      for (long i = 0; i < n; i++) {
        long key = keys + 4 * i * keyWidth;
        Raw.zero(key, nope);
        Raw.copy(latents + 4 * (i * width + latent), key + 4 * nope, rope);
      }
      Raw.zero(values, n * vDim);
      math.linear(keyW, 0, nope, latents, width, 0, n, latent, keys, keyWidth);
      math.linear(valueW, 0, vDim, latents, width, 0, n, latent, values, vDim);
    }

    /** Adds the tile of n positions from p on to the queries t to t+count. */
    void attend(long qh, long outh, long p, long n, long t0, long t, long count) {
      long seen = Math.min(n, position(t + count - 1) - p + 1);
      Raw.zero(scores, count * tile);
      math.timesTransposed(
          qh + 4 * t * qToken, qToken, count, keys, keyWidth, seen, keyWidth, scores, tile);
      for (long i = 0; i < count; i++) {
        long row = scores + 4 * i * tile;
        long visible = Math.min(seen, position(t + i) - p + 1);
        Raw.zero(row + 4 * visible, seen - visible);
        long at = 4 * (t + i - t0);
        long acc = outh + 4 * (t + i) * outToken;
        math.onlineSoftmax(row, visible, scale, max + at, sum + at, acc, vDim);
      }
      math.times(scores, tile, count, values, vDim, seen, vDim, outh + 4 * t * outToken, outToken);
    }
  }
}
