package dev.halcyon.conformance.operator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Subject;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.KvCacheAppend;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MlaExpandedAttention;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.RotaryEmbedding.Layout;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Cases notice: an oracle with a mistake that implementations are known to make disagrees with a
 * right device on every case where the mistake shows.
 */
class MutationTest {
  private static Subject subject;

  @BeforeAll
  static void open() {
    subject =
        Subject.open(HalRegistry.discover(), DeviceUri.parse("cpu://"), DeviceOptions.DEFAULT);
  }

  @AfterAll
  static void close() {
    subject.close();
  }

  /**
   * A mistake.
   *
   * @param name what is done wrong
   * @param source the operator's cases
   * @param query the definitions on which it shows
   * @param wrong the mistaken oracle of a definition
   */
  record Mistake(
      String name,
      OperatorSource source,
      String query,
      Function<OperatorDefinition, Oracle> wrong) {
    @Override
    public String toString() {
      return source.getClass().getSimpleName() + ": " + name;
    }
  }

  private static Mistake attention(String name, String query, Function<Attention, Oracle> wrong) {
    return new Mistake(name, new AttentionCases(), query, d -> wrong.apply((Attention) d.spec()));
  }

  private static Mistake contents(
      String name, OperatorSource source, String query, Function<Contents, Contents> wrong) {
    return new Mistake(name, source, query, d -> c -> d.oracle().expect(wrong.apply(c)));
  }

  private static Mistake gating(
      String name, String query, Function<MoeGating, GatingOracle> wrong) {
    return new Mistake(
        name,
        new MoeGatingCases(),
        query,
        d -> c -> MoeGatingCases.expect(wrong.apply((MoeGating) d.spec()), c));
  }

  static Stream<Mistake> mistakes() {
    return Stream.of(attentions(), appends(), gatings(), experts()).flatMap(s -> s);
  }

  private static Stream<Mistake> attentions() {
    String ragged = "hal:op/*:batch=ragged,scores=plain";
    return Stream.of(
        attention(
            "scores are not scaled",
            "hal:op/*:batch=chunk,scores=plain,dim=16",
            s -> c -> AttentionCases.expect(new Attention(1, s.blockSize()), c)),
        attention(
            "query heads take key heads in turn",
            "hal:op/*:batch=pair,heads=14,groups=2",
            s -> c -> headsInTurn(s, c)),
        contents(
            "a token sees the position after its own",
            new AttentionCases(),
            "hal:op/*:batch=prompt21,scores=plain",
            c ->
                c.with(
                    5,
                    map(c.get(5), i -> Math.min(c.get(5).stored()[i] + 1, c.get(5).size() - 1)))),
        contents(
            "a token does not see its own position",
            new AttentionCases(),
            ragged,
            c -> c.with(5, map(c.get(5), i -> c.get(5).stored()[i] - 1))),
        contents(
            "blocks lie in order",
            new AttentionCases(),
            "hal:op/*:batch=ragged,scores=plain,block=16",
            c -> c.with(3, map(c.get(3), i -> i % (c.get(1).shape().dim(0) / 16)))),
        contents(
            "all tokens belong to sequence 0",
            new AttentionCases(),
            ragged,
            c -> c.with(4, map(c.get(4), i -> 0))),
        new Mistake(
            "scores are not scaled",
            new MlaAttentionCases(),
            "hal:op/*:batch=chunk,scores=plain,block=16",
            d ->
                c -> {
                  MlaAttention s = (MlaAttention) d.spec();
                  return MlaAttentionCases.expect(
                      new MlaAttention(1, s.latentDim(), s.blockSize()), c);
                }),
        new Mistake(
            "the rotated part takes no part in scores",
            new MlaAttentionCases(),
            "hal:op/*:batch=ragged,scores=plain,rope=8",
            d -> c -> d.oracle().expect(c.with(0, withoutTail(c.get(0), 8)))),
        contents(
            "all tokens belong to sequence 0",
            new MlaAttentionCases(),
            ragged,
            c -> c.with(3, map(c.get(3), i -> 0))),
        new Mistake(
            "scores are not scaled",
            new MlaExpandedAttentionCases(),
            "hal:op/*:batch=chunk",
            d ->
                c -> {
                  MlaExpandedAttention s = (MlaExpandedAttention) d.spec();
                  return MlaExpandedAttentionCases.expect(
                      new MlaExpandedAttention(1, s.nopeDim(), s.valueDim(), s.blockSize()), c);
                }),
        new Mistake(
            "values lie before keys",
            new MlaExpandedAttentionCases(),
            "hal:op/*:batch=chunk,weight=*f*",
            d ->
                c -> {
                  MlaExpandedAttention s = (MlaExpandedAttention) d.spec();
                  int rows = s.nopeDim() + s.valueDim();
                  return d.oracle().expect(c.with(5, turned(c.get(5), rows, s.nopeDim())));
                }),
        contents(
            "elements take the scales of the next block",
            new MlaExpandedAttentionCases(),
            "hal:op/*:weight=i*",
            c -> c.with(5, neighboursScales(c.get(5)))));
  }

  private static List<Expected> headsInTurn(Attention spec, Contents c) {
    AttentionOracle oracle =
        new AttentionOracle(c.get(3), c.get(4), c.get(5), spec.blockSize()) {
          @Override
          int group(int head, int heads, int groups) {
            return head % groups;
          }
        };
    int values = (int) c.get(2).shape().dim(2);
    return List.of(
        Expected.of(oracle.attend(c.real(0), c.real(1), c.real(2), values, spec.scale())));
  }

  private static Stream<Mistake> appends() {
    OperatorSource source = new KvCacheAppendCases();
    return Stream.of(
        new Mistake(
            "other elements form pairs",
            source,
            "hal:op/*:tokens=9,raw=normal",
            d ->
                c -> {
                  KvCacheAppend s = (KvCacheAppend) d.spec();
                  Layout other =
                      s.layout() == Layout.INTERLEAVED ? Layout.HALF_SPLIT : Layout.INTERLEAVED;
                  return KvCacheAppendCases.expect(new KvCacheAppend(s.epsilon(), other), c);
                }),
        new Mistake(
            "epsilon is ten times as large",
            source,
            "hal:op/*:raw=small",
            d ->
                c -> {
                  KvCacheAppend s = (KvCacheAppend) d.spec();
                  return KvCacheAppendCases.expect(
                      new KvCacheAppend(10 * s.epsilon(), s.layout()), c);
                }),
        contents(
            "the cache keeps more digits than it can",
            source,
            "hal:op/*:cache=*16,raw=normal,tokens=9",
            c -> c.with(6, HostTensor.of(DType.F32, c.get(6).shape(), c.get(6).stored()))),
        contents(
            "ties go upwards",
            source,
            "hal:op/*:cache=*16,raw=ties",
            c -> c.with(0, map(c.get(0), i -> c.get(0).stored()[i] * (1 + 1e-6)))),
        contents(
            "negative slots count from the end",
            source,
            "hal:op/*:slots=some,raw=normal,rows=40",
            c -> c.with(5, map(c.get(5), i -> (c.get(5).stored()[i] + 40) % 40))),
        contents(
            "angles of position 0",
            source,
            "hal:op/*:raw=normal,tokens=9",
            c -> c.with(4, map(c.get(4), i -> 0))));
  }

  private static Stream<Mistake> gatings() {
    return Stream.of(
        gating(
            "weights contain the bias",
            "hal:op/*:data=spread,choice=biased,experts=256",
            s ->
                new GatingOracle(s) {
                  @Override
                  Real weights(Real scores, Real choice, int[] chosen) {
                    return super.weights(choice, choice, chosen);
                  }
                }),
        gating(
            "experts of dropped groups count as 0",
            "hal:op/*:data=negative,experts=256",
            s ->
                new GatingOracle(s) {
                  @Override
                  double dropped() {
                    return 0;
                  }
                }),
        gating(
            "a group counts by its best expert",
            "hal:op/*:data=spread,experts=256,tokens=17,rule=sum_top2",
            s -> new GatingOracle(with(s, MoeGating.GroupRule.MAX, s.normalization(), s.scale()))),
        gating(
            "weights are not normalised",
            "hal:op/*:data=spread,normalization=sum,experts=256",
            s -> new GatingOracle(with(s, s.groupRule(), MoeGating.Normalization.NONE, s.scale()))),
        gating(
            "weights are not scaled",
            "hal:op/*:data=spread",
            s -> new GatingOracle(with(s, s.groupRule(), s.normalization(), 1.25))),
        gating(
            "nothing is added to the sum of the weights",
            "hal:op/*:data=tiny,normalization=sum",
            s ->
                new GatingOracle(s) {
                  @Override
                  Real weights(Real scores, Real choice, int[] chosen) {
                    Real picked = pick(scores, chosen);
                    return picked.dividedByColumn(picked.sumRows()).times(s.scale());
                  }
                }),
        new Mistake(
            "the highest index wins ties",
            new MoeGatingCases(),
            "hal:op/*:data=all_equal,groups=1",
            d ->
                c -> {
                  List<Expected> right = d.oracle().expect(c);
                  double last = c.get(0).shape().dim(1) - 1;
                  double[] ids = Arrays.stream(right.get(1).value()).map(id -> last - id).toArray();
                  return List.of(right.get(0), Expected.exactly(ids));
                }),
        new Mistake(
            "weights do not follow their ids",
            new MoeGatingCases(),
            "hal:op/*:data=spread,k=8",
            d ->
                c -> {
                  List<Expected> right = d.oracle().expect(c);
                  double[] w = right.get(0).value().clone();
                  for (int i = 0; i < w.length; i += 2) {
                    w[i] = right.get(0).value()[i + 1];
                    w[i + 1] = right.get(0).value()[i];
                  }
                  return List.of(
                      new Expected(w, right.get(0).bound(), Expected.Zeros.EQUAL), right.get(1));
                }));
  }

  private static MoeGating with(
      MoeGating s, MoeGating.GroupRule rule, MoeGating.Normalization n, double scale) {
    return new MoeGating(
        s.topK(), s.groups(), s.groupTopK(), rule, s.scoring(), s.choice(), n, scale);
  }

  private static Stream<Mistake> experts() {
    OperatorSource dispatch = new MoeDispatchCases();
    OperatorSource combine = new MoeCombineCases();
    OperatorSource grouped = new GroupedMatMulCases();
    OperatorSource ffn = new MoeFfnCases();
    return Stream.of(
        new Mistake(
            "equal ids are not kept in order",
            dispatch,
            "hal:op/*:ids=one,tokens=13",
            d ->
                c -> {
                  List<Expected> right = d.oracle().expect(c);
                  double[] slots = right.get(1).value();
                  double[] back = new double[slots.length];
                  Arrays.setAll(back, i -> slots[slots.length - 1 - i]);
                  return List.of(right.get(0), Expected.exactly(back));
                }),
        new Mistake(
            "offsets are where experts end",
            dispatch,
            "hal:op/*:ids=distinct,experts=64",
            d ->
                c -> {
                  List<Expected> right = d.oracle().expect(c);
                  double[] offsets = right.get(0).value();
                  double[] ends = new double[offsets.length];
                  Arrays.setAll(ends, i -> offsets[Math.min(i + 1, ends.length - 1)]);
                  return List.of(Expected.exactly(ends), right.get(1));
                }),
        contents(
            "runs end one row early",
            grouped,
            "hal:op/*:runs=many",
            c ->
                c.with(
                    1,
                    map(c.get(1), i -> i == 2 ? c.get(1).stored()[i] - 1 : c.get(1).stored()[i]))),
        contents(
            "elements take the scales of the next block",
            grouped,
            "hal:op/*:weight=i*,runs=ragged",
            c -> c.with(2, neighboursScales(c.get(2)))),
        contents(
            "rows are taken in their order",
            combine,
            "hal:op/*:tokens=33",
            c -> c.with(1, map(c.get(1), i -> i))),
        contents(
            "weights are 1", combine, "hal:op/*:tokens=5", c -> c.with(2, map(c.get(2), i -> 1))),
        contents(
            "the residual is forgotten",
            combine,
            "hal:op/*:epilogue=residual",
            c -> c.with(3, map(c.get(3), i -> 0))),
        contents(
            "gate and up change places",
            ffn,
            "hal:op/*:shared=none",
            c -> c.with(3, c.get(4)).with(4, c.get(3))),
        new Mistake(
            "the shared expert is forgotten",
            ffn,
            "hal:op/*:shared=shared,epilogue=none",
            d -> c -> MoeFfnCases.expect(new MoeFfn(MoeFfn.Shared.NONE, Epilogue.NONE), c)),
        new Mistake(
            "the residual is forgotten",
            ffn,
            "hal:op/*:shared=none,epilogue=residual",
            d -> c -> MoeFfnCases.expect(new MoeFfn(MoeFfn.Shared.NONE, Epilogue.NONE), c)),
        contents(
            "an expert named twice counts once",
            ffn,
            "hal:op/*:ids=one",
            c -> c.with(1, map(c.get(1), i -> i == 0 ? c.get(1).stored()[0] : 0))),
        contents(
            "elements take the scales of the next block",
            ffn,
            "hal:op/*:weight=i*",
            c -> c.with(5, neighboursScales(c.get(5)))));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void mistakesAreNoticed(Mistake mistake) {
    CaseQuery query = CaseQuery.parse(mistake.query);
    List<OperatorDefinition> definitions =
        mistake
            .source
            .definitions()
            .filter(d -> query.matches(d.id()) && d.types().getLast().elementCount() > 0)
            .map(d -> with(d, mistake.wrong.apply(d)))
            .toList();
    assertFalse(definitions.isEmpty(), "no definition matches");
    assertEquals(
        List.of(),
        definitions.stream()
            .map(d -> d.cases().findFirst().orElseThrow())
            .filter(c -> !(run(c) instanceof Outcome.Fail))
            .map(c -> c.id().toString())
            .toList());
  }

  private static Outcome run(dev.halcyon.conformance.ConformanceCase c) {
    Outcome outcome = c.run(subject);
    subject.settle();
    return outcome;
  }

  private static OperatorDefinition with(OperatorDefinition d, Oracle wrong) {
    return new OperatorDefinition(
        d.id(),
        d.description(),
        d.requirements(),
        d.spec(),
        d.types(),
        d.freedoms(),
        d.contents(),
        wrong,
        d.extent());
  }

  private static HostTensor map(HostTensor t, IntToDoubleFunction f) {
    double[] values = new double[t.size()];
    Arrays.setAll(values, f);
    return HostTensor.of(t.dtype(), t.shape(), values);
  }

  private static HostTensor neighboursScales(HostTensor t) {
    HostTensor scales = t.scales().orElseThrow();
    double[] wrong = new double[scales.size()];
    Arrays.setAll(wrong, i -> scales.stored()[(i + 1) % wrong.length]);
    return new HostTensor(
        t.type(),
        t.stored(),
        java.util.Optional.of(HostTensor.of(scales.dtype(), scales.shape(), wrong)));
  }

  /** The last {@code n} elements of each row are 0. */
  private static HostTensor withoutTail(HostTensor t, int n) {
    int width = (int) t.shape().dim(-1);
    return map(t, i -> i % width < width - n ? t.stored()[i] : 0);
  }

  /** The rows of each head turned by {@code by}; an unquantised weight. */
  private static HostTensor turned(HostTensor t, int rowsPerHead, int by) {
    int width = (int) t.shape().dim(1);
    double[] values = new double[t.size()];
    for (int i = 0; i < values.length; i++) {
      int row = i / width;
      int head = row / rowsPerHead;
      int from = head * rowsPerHead + (row + by) % rowsPerHead;
      values[i] = t.values()[from * width + i % width];
    }
    return HostTensor.of(DType.F32, Shape.of(t.shape().dims()), values);
  }
}
