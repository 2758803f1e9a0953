package dev.halcyon.conformance.operator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.hal.op.Operand;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the oracle demands of attention and of mixtures of experts is worth demanding. */
class ExpectationTest {
  static Stream<OperatorSource> sources() {
    return Stream.of(
        new AttentionCases(),
        new MlaAttentionCases(),
        new MlaExpandedAttentionCases(),
        new KvCacheAppendCases(),
        new MoeGatingCases(),
        new MoeDispatchCases(),
        new GroupedMatMulCases(),
        new MoeCombineCases(),
        new MoeFfnCases());
  }

  private static List<Expected> expected(OperatorDefinition d) {
    return d.oracle().expect(contents(d));
  }

  private static Contents contents(OperatorDefinition d) {
    return d.contentsFor(Collections.nCopies(d.types().size(), Layout.DENSE));
  }

  /** The generators keep scores further apart than their bounds, so that choices are decided. */
  @ParameterizedTest
  @MethodSource("sources")
  void hardlyAnythingIsLeftOpen(OperatorSource source) {
    long[] all = new long[2];
    source
        .definitions()
        .forEach(
            d -> {
              for (Expected e : expected(d)) {
                all[0] += e.bound().length;
                all[1] += Arrays.stream(e.bound()).filter(b -> !Double.isFinite(b)).count();
              }
            });
    assertTrue(all[1] <= all[0] * 1e-3, () -> all[1] + " of " + all[0] + " elements are open");
  }

  /** Neither an operator that does nothing nor one that writes zeros meets a definition. */
  @ParameterizedTest
  @MethodSource("sources")
  void everyDefinitionRejectsIdleDevices(OperatorSource source) {
    List<String> accepted = new ArrayList<>();
    source
        .definitions()
        .filter(d -> !writesNothing(d))
        .forEach(
            d -> {
              Contents before = contents(d);
              List<Expected> expected = d.oracle().expect(before);
              if (!rejects(expected, 0) || !rejectsUnchanged(d, before, expected)) {
                accepted.add(d.id().toString());
              }
            });
    assertEquals(List.of(), accepted);
  }

  private static boolean writesNothing(OperatorDefinition d) {
    CaseId id = d.id();
    return id.parameter("slots").equals("none")
        || id.parameter("tokens").equals("0")
        || id.parameter("batch").equals("none")
        || id.parameter("runs").equals("all_empty");
  }

  private static boolean rejects(List<Expected> expected, double value) {
    return expected.stream()
        .anyMatch(
            e -> {
              for (int i = 0; i < e.value().length; i++) {
                if (Math.abs(e.value()[i] - value) > 2 * e.bound()[i]) {
                  return true;
                }
              }
              return false;
            });
  }

  private static boolean rejectsUnchanged(
      OperatorDefinition d, Contents before, List<Expected> expected) {
    int last = d.types().size() - 1;
    if (d.spec().operands().get(last).role() != Operand.Role.INOUT) {
      return true;
    }
    double[] value = expected.getFirst().value();
    double[] bound = expected.getFirst().bound();
    for (int i = 0; i < value.length; i++) {
      if (Math.abs(before.get(last).stored()[i] - value[i]) > 2 * bound[i]) {
        return true;
      }
    }
    return false;
  }
}
