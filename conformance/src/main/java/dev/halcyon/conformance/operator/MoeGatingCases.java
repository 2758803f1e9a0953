package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.MoeGating.Choice;
import dev.halcyon.hal.op.MoeGating.GroupRule;
import dev.halcyon.hal.op.MoeGating.Normalization;
import dev.halcyon.hal.op.MoeGating.Scoring;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** {@code MoeGating}: docs/spec/moe.md. */
public final class MoeGatingCases implements OperatorSource {
  /**
   * How many experts in which groups.
   *
   * @param experts E
   * @param groups equal runs of experts
   * @param kept groups kept
   * @param topK experts chosen
   */
  private record Geometry(int experts, int groups, int kept, int topK) {}

  private static final Geometry[] GEOMETRIES = {
    new Geometry(1, 1, 1, 1),
    new Geometry(7, 1, 1, 3),
    new Geometry(15, 5, 2, 4),
    new Geometry(5, 5, 3, 2),
    new Geometry(16, 4, 4, 16),
    new Geometry(33, 3, 1, 11),
    new Geometry(64, 1, 1, 6),
    new Geometry(64, 8, 3, 6)
  };

  private static final Geometry V2 = new Geometry(160, 8, 3, 6);
  private static final Geometry V3 = new Geometry(256, 8, 4, 8);
  private static final Geometry KIMI = new Geometry(384, 1, 1, 8);
  private static final Geometry LONGCAT = new Geometry(768, 1, 1, 12);

  /** What is particular about the logits and the bias. */
  private enum Data {
    /** Distinct logits. */
    SPREAD,
    /** Experts with equal inputs, inside the choice and at its edge. */
    TIED_EXPERTS,
    /** Groups whose members have equal inputs. */
    TIED_GROUPS,
    /** Everything equal: the lowest indices win. */
    ALL_EQUAL,
    /** Choice scores all negative: what is dropped must count as -inf, not as 0. */
    NEGATIVE,
    /** A bias that decides nearly alone: it must not show in the weights. */
    STRONG_BIAS,
    /** Scores so small that the addend of the normalisation counts. */
    TINY,
    /** Logits far apart: most scores are almost 0. */
    LARGE
  }

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(rules(), data(), models(), none()).flatMap(s -> s);
  }

  /** Every combination of the attributes on every geometry. */
  private static Stream<OperatorDefinition> rules() {
    return Stream.of(GEOMETRIES)
        .flatMap(
            g ->
                attributes(g)
                    .map(
                        s ->
                            gating(
                                g,
                                s,
                                Data.SPREAD,
                                3,
                                g.experts == 15
                                    ? OperatorDefinition.Extent.QUICK
                                    : OperatorDefinition.Extent.LAYOUTS)));
  }

  private static Stream<MoeGating> attributes(Geometry g) {
    List<MoeGating> all = new ArrayList<>();
    for (GroupRule rule : GroupRule.values()) {
      for (Scoring scoring : Scoring.values()) {
        for (Choice choice : Choice.values()) {
          for (Normalization n : Normalization.values()) {
            if (g.groups > 1 || rule == GroupRule.MAX) {
              double scale = n == Normalization.SUM ? 2.5 : 16;
              all.add(new MoeGating(g.topK, g.groups, g.kept, rule, scoring, choice, n, scale));
            }
          }
        }
      }
    }
    return all.stream();
  }

  private static Stream<OperatorDefinition> data() {
    return Stream.of(GEOMETRIES)
        .filter(g -> g.experts > 1)
        .flatMap(
            g ->
                Stream.of(Data.values())
                    .filter(d -> d != Data.SPREAD)
                    .flatMap(
                        d ->
                            attributes(g)
                                .filter(s -> fits(d, s))
                                .map(s -> gating(g, s, d, 5, OperatorDefinition.Extent.DENSE))));
  }

  private static boolean fits(Data data, MoeGating s) {
    boolean biased = s.choice() == Choice.BIASED;
    return switch (data) {
      case NEGATIVE, STRONG_BIAS -> biased;
      case TINY -> s.scoring() == Scoring.SIGMOID && !biased;
      default -> true;
    };
  }

  /** The routers of DeepSeek-V2-Lite, V2, V3, Kimi-K2 and LongCat, one token and many. */
  private static Stream<OperatorDefinition> models() {
    MoeGating lite = spec(GEOMETRIES[6], GroupRule.MAX, Scoring.SOFTMAX, Choice.SCORES, 1);
    MoeGating v2 = spec(V2, GroupRule.MAX, Scoring.SOFTMAX, Choice.SCORES, 16);
    MoeGating v3 = spec(V3, GroupRule.SUM_TOP2, Scoring.SIGMOID, Choice.BIASED, 2.5);
    MoeGating kimi = spec(KIMI, GroupRule.SUM_TOP2, Scoring.SIGMOID, Choice.BIASED, 2.827);
    MoeGating longcat = spec(LONGCAT, GroupRule.MAX, Scoring.SOFTMAX, Choice.BIASED, 6);
    return Stream.of(Data.values())
        .flatMap(
            d ->
                Stream.of(1, 17)
                    .flatMap(
                        t ->
                            Stream.of(
                                    new Model(GEOMETRIES[6], lite),
                                    new Model(V2, v2),
                                    new Model(V3, v3),
                                    new Model(KIMI, kimi),
                                    new Model(LONGCAT, longcat))
                                .filter(m -> fits(d, m.spec))
                                .map(
                                    m ->
                                        gating(
                                            m.geometry,
                                            m.spec,
                                            d,
                                            t,
                                            OperatorDefinition.Extent.LAYOUTS))));
  }

  private static Stream<OperatorDefinition> none() {
    Geometry g = GEOMETRIES[2];
    return attributes(g).map(s -> gating(g, s, Data.SPREAD, 0, OperatorDefinition.Extent.DENSE));
  }

  private record Model(Geometry geometry, MoeGating spec) {}

  private static MoeGating spec(
      Geometry g, GroupRule rule, Scoring scoring, Choice choice, double scale) {
    Normalization n = scoring == Scoring.SIGMOID ? Normalization.SUM : Normalization.NONE;
    return new MoeGating(g.topK, g.groups, g.kept, rule, scoring, choice, n, scale);
  }

  private static OperatorDefinition gating(
      Geometry g, MoeGating s, Data data, int tokens, OperatorDefinition.Extent extent) {
    List<TensorType> types = new ArrayList<>(List.of(TensorType.of(DType.F32, tokens, g.experts)));
    if (s.choice() == Choice.BIASED) {
      types.add(TensorType.of(DType.F32, g.experts));
    }
    types.add(TensorType.of(DType.F32, tokens, g.topK));
    types.add(TensorType.of(DType.I32, tokens, g.topK));
    return new OperatorDefinition(
        CaseId.of("hal:op/MoeGating")
            .with("data", word(data))
            .with("tokens", tokens)
            .with("experts", g.experts)
            .with("groups", g.groups)
            .with("kept", g.kept)
            .with("k", g.topK)
            .with("rule", word(s.groupRule()))
            .with("scoring", word(s.scoring()))
            .with("choice", word(s.choice()))
            .with("normalization", word(s.normalization())),
        "Ids are exact where the scores decide; weights belong to the ids beside them.",
        requirements(s, data),
        s,
        types,
        java.util.Collections.nCopies(types.size(), Freedom.ANY),
        d -> contents(d, g, s, data, tokens),
        c -> expect(new GatingOracle(s), c),
        extent);
  }

  private static Set<String> requirements(MoeGating s, Data data) {
    List<String> ids = new ArrayList<>(List.of("OP-GATING-1", "OP-GATING-3", "OP-GATING-6"));
    if (s.choice() == Choice.BIASED) {
      ids.add("OP-GATING-2");
      ids.add("OP-GATING-7");
    }
    if (s.groups() > 1) {
      ids.add("OP-GATING-4");
      ids.add("OP-GATING-5");
    }
    if (s.normalization() == Normalization.SUM) {
      ids.add("OP-GATING-8");
    }
    switch (data) {
      case TIED_EXPERTS, TIED_GROUPS, ALL_EQUAL -> ids.add("OP-GATING-9");
      default -> {}
    }
    return Set.copyOf(ids);
  }

  private static String word(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** The oracle on the contents of a case. */
  static List<Expected> expect(GatingOracle oracle, Contents c) {
    double[] bias =
        c.operands().size() == 4 ? c.get(1).stored() : new double[(int) c.get(0).shape().dim(1)];
    return oracle.expect(c.real(0), bias);
  }

  private static Contents contents(Draw d, Geometry g, MoeGating s, Data data, int tokens) {
    double[] logits = new double[tokens * g.experts];
    double[] bias = new double[g.experts];
    int[] biasOrder = d.permutation(g.experts);
    for (int e = 0; e < g.experts; e++) {
      double spaced = spaced(d, biasOrder[e], g.experts);
      bias[e] =
          switch (data) {
            case NEGATIVE -> -3 + 0.05 * spaced;
            case STRONG_BIAS -> 4 * spaced;
            case ALL_EQUAL -> -0.25;
            default -> 0.1 * spaced;
          };
    }
    for (int t = 0; t < tokens; t++) {
      int[] order = d.permutation(g.experts);
      for (int e = 0; e < g.experts; e++) {
        double spaced = spaced(d, order[e], g.experts);
        logits[t * g.experts + e] =
            switch (data) {
              case ALL_EQUAL -> 0.75;
              case TINY -> -43 + 2 * spaced;
              case LARGE -> 16 * spaced - 8;
              default -> 3 * spaced;
            };
      }
    }
    tie(d, g, data, logits, bias);
    HostTensor l = HostTensor.of(DType.F32, Shape.of(tokens, g.experts), logits);
    return s.choice() == Choice.BIASED
        ? Contents.of(2, l, HostTensor.of(DType.F32, Shape.of(g.experts), bias))
        : Contents.of(2, l);
  }

  /** Member {@code rank} of {@code n} numbers spread evenly over (-1, 1), moved a little. */
  private static double spaced(Draw d, int rank, int n) {
    return (2 * rank + 0.75 + 0.5 * d.random().nextDouble()) / n - 1;
  }

  /** Plants equal inputs. */
  private static void tie(Draw d, Geometry g, Data data, double[] logits, double[] bias) {
    int perGroup = g.experts / g.groups;
    if (data == Data.TIED_EXPERTS) {
      // pairs all over, some of them at the edge of the choice
      int[] twin = d.permutation(g.experts);
      for (int i = 0; i + 1 < g.experts; i += 2) {
        bias[twin[i]] = bias[twin[i + 1]];
        for (int t = 0; t < logits.length; t += g.experts) {
          logits[t + twin[i]] = logits[t + twin[i + 1]];
        }
      }
    } else if (data == Data.TIED_GROUPS) {
      // every group holds the members of group 0, turned by its number
      for (int e = 0; e < g.experts; e++) {
        int from = (e + e / perGroup) % perGroup;
        bias[e] = bias[from];
        for (int t = 0; t < logits.length; t += g.experts) {
          logits[t + e] = logits[t + from];
        }
      }
    }
  }

  /** The number of tokens whose choice the oracle leaves open. */
  static long open(List<Expected> expected) {
    return Arrays.stream(expected.get(1).bound()).filter(Double::isInfinite).count();
  }
}
