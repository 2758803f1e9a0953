package dev.halcyon.conformance;

import dev.halcyon.conformance.operator.AttentionCases;
import dev.halcyon.conformance.operator.BinaryCases;
import dev.halcyon.conformance.operator.CastCases;
import dev.halcyon.conformance.operator.CopyCases;
import dev.halcyon.conformance.operator.FillCases;
import dev.halcyon.conformance.operator.GatedMlpCases;
import dev.halcyon.conformance.operator.GatherCases;
import dev.halcyon.conformance.operator.GroupedMatMulCases;
import dev.halcyon.conformance.operator.HeadMatMulCases;
import dev.halcyon.conformance.operator.KvCacheAppendCases;
import dev.halcyon.conformance.operator.LinearCases;
import dev.halcyon.conformance.operator.MaskedSoftmaxCases;
import dev.halcyon.conformance.operator.MatMulCases;
import dev.halcyon.conformance.operator.MlaAttentionCases;
import dev.halcyon.conformance.operator.MlaExpandedAttentionCases;
import dev.halcyon.conformance.operator.MoeCombineCases;
import dev.halcyon.conformance.operator.MoeDispatchCases;
import dev.halcyon.conformance.operator.MoeFfnCases;
import dev.halcyon.conformance.operator.MoeGatingCases;
import dev.halcyon.conformance.operator.NormCases;
import dev.halcyon.conformance.operator.QuantizeCases;
import dev.halcyon.conformance.operator.ReduceCases;
import dev.halcyon.conformance.operator.RotaryEmbeddingCases;
import dev.halcyon.conformance.operator.ScatterCases;
import dev.halcyon.conformance.operator.SelectCases;
import dev.halcyon.conformance.operator.TopKCases;
import dev.halcyon.conformance.operator.UnaryCases;
import dev.halcyon.conformance.runtime.RuntimeCases;
import java.util.List;

/** The families of cases that ship with Halcyon, in the order of reports. */
final class StandardSources {
  private StandardSources() {}

  static List<CaseSource> all() {
    return List.of(
        new FillCases(),
        new CopyCases(),
        new CastCases(),
        new UnaryCases(),
        new BinaryCases(),
        new SelectCases(),
        new GatherCases(),
        new ScatterCases(),
        new ReduceCases(),
        new TopKCases(),
        new QuantizeCases(),
        new LinearCases(),
        new HeadMatMulCases(),
        new RotaryEmbeddingCases(),
        new MaskedSoftmaxCases(),
        new GatedMlpCases(),
        new MatMulCases(),
        new NormCases(),
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
