package dev.halcyon.conformance;

import dev.halcyon.conformance.operator.AttentionCases;
import dev.halcyon.conformance.operator.GroupedMatMulCases;
import dev.halcyon.conformance.operator.KvCacheAppendCases;
import dev.halcyon.conformance.operator.MatMulCases;
import dev.halcyon.conformance.operator.MlaAttentionCases;
import dev.halcyon.conformance.operator.MlaExpandedAttentionCases;
import dev.halcyon.conformance.operator.MoeCombineCases;
import dev.halcyon.conformance.operator.MoeDispatchCases;
import dev.halcyon.conformance.operator.MoeFfnCases;
import dev.halcyon.conformance.operator.MoeGatingCases;
import dev.halcyon.conformance.operator.RmsNormCases;
import dev.halcyon.conformance.runtime.RuntimeCases;
import java.util.List;

/** The families of cases that ship with Halcyon, in the order of reports. */
final class StandardSources {
  private StandardSources() {}

  static List<CaseSource> all() {
    return List.of(
        new MatMulCases(),
        new RmsNormCases(),
        new AttentionCases(),
        new MlaAttentionCases(),
        new MlaExpandedAttentionCases(),
        new KvCacheAppendCases(),
        new MoeGatingCases(),
        new MoeDispatchCases(),
        new GroupedMatMulCases(),
        new MoeCombineCases(),
        new MoeFfnCases(),
        new RuntimeCases());
  }
}
