package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.MoeCombine;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** {@code MoeCombine}: docs/spec/moe.md. */
public final class MoeCombineCases implements OperatorSource {
  private static final int[] TOKENS = {1, 2, 5, 33, 0};
  private static final int[] WIDTHS = {1, 7, 64, 129};

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(Epilogue.NONE, Epilogue.RESIDUAL)
        .flatMap(
            epilogue ->
                IntStream.rangeClosed(1, 8)
                    .boxed()
                    .flatMap(
                        k ->
                            IntStream.range(0, 20)
                                .filter(i -> (i + k) % 2 == 0)
                                .mapToObj(
                                    i -> combine(epilogue, k, TOKENS[i / 4], WIDTHS[i % 4]))));
  }

  private static OperatorDefinition combine(Epilogue epilogue, int k, int tokens, int n) {
    List<TensorType> types =
        new ArrayList<>(
            List.of(
                TensorType.of(DType.F32, (long) tokens * k, n),
                TensorType.of(DType.I32, (long) tokens * k),
                TensorType.of(DType.F32, tokens, k)));
    TensorType out = TensorType.of(DType.F32, tokens, n);
    if (epilogue == Epilogue.RESIDUAL) {
      types.add(out);
    }
    types.add(out);
    return new OperatorDefinition(
        CaseId.of("hal:op/MoeCombine")
            .with("epilogue", epilogue.name().toLowerCase(Locale.ROOT))
            .with("k", k)
            .with("tokens", tokens)
            .with("n", n),
        "Rows in any order; each token gets its own, weighted.",
        Set.of("OP-COMBINE-1", "OP-COMBINE-2"),
        new MoeCombine(epilogue),
        types,
        java.util.Collections.nCopies(types.size(), Freedom.ANY),
        d -> contents(d, epilogue, k, tokens, n),
        MoeCombineCases::expect,
        tokens == 5 ? OperatorDefinition.Extent.QUICK : OperatorDefinition.Extent.LAYOUTS);
  }

  private static Contents contents(Draw d, Epilogue epilogue, int k, int tokens, int n) {
    HostTensor h = d.normal(DType.F32, 1, (long) tokens * k, n);
    HostTensor slots =
        HostTensor.of(
            DType.I32,
            Shape.of((long) tokens * k),
            Arrays.stream(d.permutation(tokens * k)).asDoubleStream().toArray());
    HostTensor weights = d.uniform(DType.F32, 1, tokens, k);
    return epilogue == Epilogue.RESIDUAL
        ? Contents.of(1, h, slots, weights, d.normal(DType.F32, 1, tokens, n))
        : Contents.of(1, h, slots, weights);
  }

  static List<Expected> expect(Contents c) {
    Real h = c.real(0);
    HostTensor weights = c.get(2);
    int tokens = (int) weights.shape().dim(0);
    int k = (int) weights.shape().dim(1);
    WeightedRows sum = new WeightedRows(tokens, (int) h.shape().dim(1));
    for (int row = 0; row < tokens * k; row++) {
      int slot = (int) c.get(1).stored()[row];
      sum.add(slot / k, weights.stored()[slot], h, row);
    }
    boolean residual = c.operands().size() == 5;
    if (residual) {
      for (int t = 0; t < tokens; t++) {
        sum.add(t, 1, c.real(3), t);
      }
    }
    Real out = sum.real();
    if (k == 1 && !residual) {
      // a single product has one correct rounding
      return List.of(
          Expected.exactly(HostTensor.of(DType.F32, out.shape(), out.values()).stored()));
    }
    Expected expected = Expected.of(out);
    return List.of(k + (residual ? 1 : 0) == 2 ? expected.near() : expected);
  }
}
