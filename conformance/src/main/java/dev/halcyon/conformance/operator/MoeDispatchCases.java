package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code MoeDispatch}: docs/spec/moe.md. */
public final class MoeDispatchCases implements OperatorSource {
  /** Experts, choices per token, tokens. */
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 1, 5},
    {2, 1, 7},
    {2, 2, 1},
    {3, 3, 4},
    {5, 2, 33},
    {8, 4, 9},
    {8, 8, 17},
    {16, 5, 3},
    {64, 6, 1},
    {64, 6, 13},
    {160, 6, 11},
    {256, 8, 1},
    {256, 8, 16},
    {64, 7, 40}
  };

  /** How experts are chosen. */
  enum Pattern {
    /** Any experts, each at most once per token. */
    DISTINCT,
    /** Any experts, the same one perhaps more than once for a token. */
    REPEATED,
    /** One expert takes all. */
    ONE,
    /** The last experts only: all others are empty. */
    LAST,
    /** Descending over the whole batch: a sort that is not stable shows. */
    DESCENDING
  }

  @Override
  public Stream<OperatorDefinition> definitions() {
    Stream<OperatorDefinition> patterns =
        Stream.of(SIZES)
            .flatMap(
                s ->
                    Stream.of(Pattern.values())
                        .map(
                            p ->
                                dispatch(
                                    s,
                                    p,
                                    p == Pattern.DISTINCT
                                        ? OperatorDefinition.Extent.QUICK
                                        : OperatorDefinition.Extent.LAYOUTS)));
    Stream<OperatorDefinition> long1 =
        Stream.of(Pattern.values())
            .map(p -> dispatch(new int[] {256, 8, 300}, p, OperatorDefinition.Extent.DENSE));
    Stream<OperatorDefinition> none =
        Stream.of(dispatch(new int[] {7, 3, 0}, Pattern.ONE, OperatorDefinition.Extent.DENSE));
    return Stream.of(patterns, long1, none).flatMap(s -> s);
  }

  private static OperatorDefinition dispatch(
      int[] size, Pattern pattern, OperatorDefinition.Extent extent) {
    int experts = size[0];
    int k = size[1];
    int tokens = size[2];
    return new OperatorDefinition(
        CaseId.of("hal:op/MoeDispatch")
            .with("experts", experts)
            .with("k", k)
            .with("tokens", tokens)
            .with("ids", pattern.name().toLowerCase(Locale.ROOT)),
        "Exact: offsets of every expert, empty ones included, and the stable order.",
        Set.of("OP-DISPATCH-1", "OP-DISPATCH-2"),
        new MoeDispatch(experts),
        List.of(
            TensorType.of(DType.I32, tokens, k),
            TensorType.of(DType.I32, experts + 1),
            TensorType.of(DType.I32, (long) tokens * k)),
        List.of(Freedom.ANY, Freedom.ANY, Freedom.ANY),
        d -> Contents.of(2, ids(d, pattern, experts, k, tokens)),
        c -> expect(experts, c.get(0)),
        extent);
  }

  /** A routing I32 [tokens, k]. */
  static HostTensor ids(Draw d, Pattern pattern, int experts, int k, int tokens) {
    double[] ids = new double[tokens * k];
    int one = d.random().nextInt(experts);
    for (int t = 0; t < tokens; t++) {
      int[] order = d.permutation(experts);
      for (int j = 0; j < k; j++) {
        int i = t * k + j;
        ids[i] =
            switch (pattern) {
              case DISTINCT -> order[j % experts];
              case REPEATED -> d.random().nextInt(experts);
              case ONE -> one;
              case LAST -> experts - 1 - d.random().nextInt(Math.min(experts, 2));
              case DESCENDING -> experts - 1 - (long) i * experts / ids.length;
            };
      }
    }
    return HostTensor.of(DType.I32, Shape.of(tokens, k), ids);
  }

  /** Offsets and slots: a counting sort. */
  static List<Expected> expect(int experts, HostTensor ids) {
    double[] offsets = new double[experts + 1];
    double[] slots = new double[ids.size()];
    int next = 0;
    for (int e = 0; e < experts; e++) {
      offsets[e] = next;
      int expert = e;
      for (int i :
          IntStream.range(0, ids.size()).filter(i -> ids.stored()[i] == expert).toArray()) {
        slots[next++] = i;
      }
    }
    offsets[experts] = next;
    return List.of(Expected.exactly(offsets), Expected.exactly(slots));
  }
}
