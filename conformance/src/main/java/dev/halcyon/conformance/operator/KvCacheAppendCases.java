package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.Rounded;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.RotaryEmbedding.Layout;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** {@code KvCacheAppend}: docs/spec/attention.md. */
public final class KvCacheAppendCases implements OperatorSource {
  private static final DType[] FLOATS = {DType.F32, DType.F16, DType.BF16};
  private static final int POSITIONS = 23;

  /** Tokens, latent, rotated dims, cache rows. */
  private static final int[][] SIZES = {
    {1, 1, 2, 1}, {1, 16, 8, 5}, {5, 33, 6, 9}, {9, 64, 16, 40}, {3, 5, 32, 64}, {0, 16, 8, 5}
  };

  /** Which tokens have a cache row. */
  enum Slots {
    ALL,
    SOME,
    NONE
  }

  /** What the new rows are like. */
  private enum Raw {
    NORMAL,
    /** So small that epsilon decides the norm; f16 results become subnormal. */
    SMALL,
    /** Rotated by nothing: halfway between numbers of the cache, a tie to even. */
    TIES,
    /** Beyond what f16 holds. */
    LARGE
  }

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(FLOATS)
        .flatMap(
            cache ->
                Stream.of(FLOATS)
                    .flatMap(
                        weight ->
                            Stream.of(Layout.values())
                                .flatMap(layout -> sized(cache, weight, layout))));
  }

  private static Stream<OperatorDefinition> sized(DType cache, DType weight, Layout layout) {
    Stream<OperatorDefinition> real =
        Stream.of(
            append(
                cache,
                weight,
                layout,
                new int[] {7, 512, 64, 192},
                Slots.SOME,
                Raw.NORMAL,
                OperatorDefinition.Extent.DENSE));
    Stream<OperatorDefinition> small =
        Stream.of(SIZES)
            .flatMap(
                s ->
                    Stream.of(Slots.values())
                        .filter(k -> s[0] == 5 || k == (s[0] == 1 ? Slots.ALL : Slots.SOME))
                        .map(
                            k ->
                                append(
                                    cache,
                                    weight,
                                    layout,
                                    s,
                                    k,
                                    Raw.NORMAL,
                                    s[0] == 5 && k == Slots.SOME && weight == DType.BF16
                                        ? OperatorDefinition.Extent.QUICK
                                        : OperatorDefinition.Extent.LAYOUTS)));
    Stream<OperatorDefinition> raws =
        Stream.of(Raw.SMALL, Raw.TIES, Raw.LARGE)
            .map(
                r ->
                    append(
                        cache,
                        weight,
                        layout,
                        SIZES[3],
                        Slots.SOME,
                        r,
                        OperatorDefinition.Extent.LAYOUTS));
    return Stream.of(small, raws, real).flatMap(s -> s);
  }

  private static OperatorDefinition append(
      DType cache,
      DType weight,
      Layout layout,
      int[] size,
      Slots slots,
      Raw raw,
      OperatorDefinition.Extent extent) {
    int tokens = size[0];
    int latent = size[1];
    int rope = size[2];
    int rows = size[3];
    KvCacheAppend spec = new KvCacheAppend(latent % 2 == 0 ? 1e-6 : 1e-5, layout);
    return new OperatorDefinition(
        CaseId.of("hal:op/KvCacheAppend")
            .with("cache", cache.name().toLowerCase(Locale.ROOT))
            .with("weight", weight.name().toLowerCase(Locale.ROOT))
            .with("pairs", layout.name().toLowerCase(Locale.ROOT))
            .with("tokens", tokens)
            .with("latent", latent)
            .with("rope", rope)
            .with("rows", rows)
            .with("raw", raw.name().toLowerCase(Locale.ROOT))
            .with("slots", slots.name().toLowerCase(Locale.ROOT)),
        "Rows that no slot names must keep every bit.",
        Set.of("OP-KVAPPEND-1", "OP-KVAPPEND-2", "OP-KVAPPEND-3", "OP-KVAPPEND-4"),
        spec,
        List.of(
            TensorType.of(DType.F32, tokens, latent + rope),
            TensorType.of(weight, latent),
            TensorType.of(DType.F32, POSITIONS, rope / 2),
            TensorType.of(DType.F32, POSITIONS, rope / 2),
            TensorType.of(DType.I32, tokens),
            TensorType.of(DType.I32, tokens),
            TensorType.of(cache, rows, latent + rope)),
        List.of(
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY,
            Freedom.ANY),
        d -> {
          double most = raw == Raw.TIES ? 0 : Math.PI;
          HostTensor angles = d.uniform(DType.F32, most, POSITIONS, rope / 2);
          return Contents.of(
              0,
              raw(d, raw, cache, tokens, latent + rope),
              d.uniform(weight, 2, latent),
              map(angles, Math::cos),
              map(angles, Math::sin),
              d.integers(DType.I32, 0, POSITIONS - 1, tokens),
              slots(d, slots, tokens, rows),
              d.normal(cache, 1, rows, latent + rope));
        },
        c -> expect(spec, c),
        extent);
  }

  private static HostTensor map(HostTensor t, java.util.function.DoubleUnaryOperator f) {
    return HostTensor.of(t.dtype(), t.shape(), Arrays.stream(t.stored()).map(f).toArray());
  }

  private static HostTensor raw(Draw d, Raw raw, DType cache, int tokens, int width) {
    StorageFormat format = StorageFormat.of(cache);
    return switch (raw) {
      case NORMAL -> d.normal(DType.F32, 1, tokens, width);
      case SMALL -> d.wide(DType.F32, -22, -8, tokens, width);
      case LARGE -> d.wide(DType.F32, 10, 20, tokens, width);
      case TIES ->
          d.fill(
              DType.F32,
              () -> {
                double near = format.round(d.random().nextGaussian());
                return near + Math.scalb(format.unitRoundoff(), Math.getExponent(near));
              },
              tokens,
              width);
    };
  }

  private static HostTensor slots(Draw d, Slots which, int tokens, int rows) {
    int[] order = d.permutation(rows);
    double[] slots = new double[tokens];
    for (int t = 0; t < tokens; t++) {
      boolean skipped =
          switch (which) {
            case ALL -> false;
            case SOME -> t % 3 == 1;
            case NONE -> true;
          };
      slots[t] = skipped ? -1 - t : order[t];
    }
    return HostTensor.of(DType.I32, Shape.of(tokens), slots);
  }

  /** What {@code spec} leaves in the cache. */
  static List<Expected> expect(KvCacheAppend spec, Contents c) {
    HostTensor raw = c.get(0);
    HostTensor cache = c.get(6);
    int tokens = (int) raw.shape().dim(0);
    int width = (int) raw.shape().dim(1);
    int latent = c.get(1).size();
    int rope = width - latent;
    Expected norm =
        Rounded.to(
            StorageFormat.of(cache.dtype()),
            NormCases.norm(part(raw, 0, latent), c.real(1), spec.epsilon()));
    Expected rotated =
        Rounded.to(
            StorageFormat.of(cache.dtype()), rotate(spec.layout(), part(raw, latent, rope), c));
    double[] value = cache.stored().clone();
    double[] bound = new double[value.length];
    for (int t = 0; t < tokens; t++) {
      int slot = (int) c.get(5).stored()[t];
      if (slot >= 0) {
        copy(norm, t, latent, value, bound, slot * width);
        copy(rotated, t, rope, value, bound, slot * width + latent);
      }
    }
    // a rotated number has two products and a sum
    return List.of(new Expected(value, bound, Expected.Zeros.EQUAL).near());
  }

  private static void copy(Expected from, int row, int n, double[] value, double[] bound, int at) {
    System.arraycopy(from.value(), row * n, value, at, n);
    System.arraycopy(from.bound(), row * n, bound, at, n);
  }

  private static Real part(HostTensor raw, int begin, int n) {
    int tokens = (int) raw.shape().dim(0);
    int width = (int) raw.shape().dim(1);
    double[] part = new double[tokens * n];
    for (int t = 0; t < tokens; t++) {
      System.arraycopy(raw.stored(), t * width + begin, part, t * n, n);
    }
    return Real.exact(Shape.of(tokens, n), part);
  }

  /** {@code (a, b) -> (a cos - b sin, a sin + b cos)}: two products, fused or not, and a sum. */
  private static Real rotate(Layout layout, Real x, Contents c) {
    int tokens = (int) x.shape().dim(0);
    int n = (int) x.shape().dim(1);
    int pairs = n / 2;
    double[] value = new double[tokens * n];
    double[] bound = new double[tokens * n];
    for (int t = 0; t < tokens; t++) {
      int angle = (int) c.get(4).stored()[t] * pairs;
      for (int i = 0; i < pairs; i++) {
        int first = t * n + (layout == Layout.INTERLEAVED ? 2 * i : i);
        int second = t * n + (layout == Layout.INTERLEAVED ? 2 * i + 1 : i + pairs);
        double cos = c.get(2).stored()[angle + i];
        double sin = c.get(3).stored()[angle + i];
        double a = x.value(first);
        double b = x.value(second);
        value[first] = a * cos - b * sin;
        bound[first] = bound(a * cos, b * sin, value[first]);
        value[second] = a * sin + b * cos;
        bound[second] = bound(a * sin, b * cos, value[second]);
      }
    }
    return Real.bounded(x.shape(), value, bound);
  }

  /** What two products and their sum may be off by: nothing if f32 holds all three exactly. */
  private static double bound(double p, double q, double sum) {
    boolean exact = (float) p == p && (float) q == q && (float) sum == sum;
    return exact ? 0 : Real.gamma(2) * (Math.abs(p) + Math.abs(q)) + 3 * Real.TINY;
  }
}
