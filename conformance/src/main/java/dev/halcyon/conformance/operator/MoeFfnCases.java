package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.MoeFfn.Shared;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** {@code MoeFfn}: docs/spec/moe.md. */
public final class MoeFfnCases implements OperatorSource {
  /**
   * The extents of a case; even ones for nibbles.
   *
   * @param tokens T
   * @param k experts of a token
   * @param experts E
   * @param hidden H
   * @param inter I
   * @param wide J, of the shared expert
   * @param ids how they are chosen
   */
  private record Size(
      int tokens,
      int k,
      int experts,
      int hidden,
      int inter,
      int wide,
      MoeDispatchCases.Pattern ids) {}

  private static final Size[] SMALL = {
    new Size(1, 2, 5, 34, 6, 10, MoeDispatchCases.Pattern.DISTINCT),
    new Size(1, 3, 4, 16, 20, 8, MoeDispatchCases.Pattern.ONE),
    new Size(7, 2, 3, 10, 34, 22, MoeDispatchCases.Pattern.REPEATED),
    new Size(12, 4, 8, 20, 8, 2, MoeDispatchCases.Pattern.LAST),
    new Size(35, 2, 3, 36, 18, 4, MoeDispatchCases.Pattern.DISTINCT)
  };

  private static final Size[] LARGE = {
    new Size(0, 2, 3, 16, 8, 4, MoeDispatchCases.Pattern.DISTINCT),
    new Size(70, 3, 6, 32, 16, 8, MoeDispatchCases.Pattern.DISTINCT),
    new Size(1, 6, 16, 256, 96, 192, MoeDispatchCases.Pattern.DISTINCT),
    new Size(9, 2, 4, 130, 258, 140, MoeDispatchCases.Pattern.DISTINCT)
  };

  @Override
  public Stream<OperatorDefinition> definitions() {
    return Stream.of(WeightFormat.all())
        .flatMap(
            w ->
                Stream.of(Shared.values())
                    .flatMap(
                        shared ->
                            Stream.of(Epilogue.NONE, Epilogue.RESIDUAL)
                                .flatMap(e -> sized(w, shared, e))));
  }

  private static Stream<OperatorDefinition> sized(WeightFormat w, Shared shared, Epilogue e) {
    Stream<OperatorDefinition> small =
        Stream.of(SMALL)
            .map(
                s ->
                    ffn(
                        w,
                        shared,
                        e,
                        s,
                        s.tokens == 7
                            ? OperatorDefinition.Extent.QUICK
                            : OperatorDefinition.Extent.LAYOUTS));
    Stream<OperatorDefinition> large =
        Stream.of(LARGE).map(s -> ffn(w, shared, e, s, OperatorDefinition.Extent.DENSE));
    return Stream.concat(small, large);
  }

  private static OperatorDefinition ffn(
      WeightFormat w, Shared shared, Epilogue epilogue, Size s, OperatorDefinition.Extent extent) {
    List<TensorType> types =
        new ArrayList<>(
            List.of(
                TensorType.of(DType.F32, s.tokens, s.hidden),
                TensorType.of(DType.F32, s.tokens, s.k),
                TensorType.of(DType.I32, s.tokens, s.k),
                w.type(s.experts, s.inter, s.hidden),
                w.type(s.experts, s.inter, s.hidden),
                w.type(s.experts, s.hidden, s.inter)));
    List<Freedom> freedoms =
        new ArrayList<>(
            List.of(
                Freedom.ANY,
                Freedom.ANY,
                Freedom.ANY,
                Freedom.PARTS,
                Freedom.PARTS,
                Freedom.PARTS));
    if (shared == Shared.SHARED) {
      types.add(w.type(s.wide, s.hidden));
      types.add(w.type(s.wide, s.hidden));
      types.add(w.type(s.hidden, s.wide));
      freedoms.addAll(List.of(Freedom.ROWS, Freedom.ROWS, Freedom.ROWS));
    }
    TensorType out = TensorType.of(DType.F32, s.tokens, s.hidden);
    if (epilogue == Epilogue.RESIDUAL) {
      types.add(out);
      freedoms.add(Freedom.ANY);
    }
    types.add(out);
    freedoms.add(Freedom.ANY);
    MoeFfn spec = new MoeFfn(shared, epilogue);
    return new OperatorDefinition(
        w.in(CaseId.of("hal:op/MoeFfn"))
            .with("shared", shared.name().toLowerCase(Locale.ROOT))
            .with("epilogue", epilogue.name().toLowerCase(Locale.ROOT))
            .with("tokens", s.tokens)
            .with("k", s.k)
            .with("experts", s.experts)
            .with("hidden", s.hidden)
            .with("inter", s.inter)
            .with("ids", s.ids.name().toLowerCase(Locale.ROOT)),
        "Chosen experts, weighted, with what is shared and what was there; others hold NaN.",
        Set.of("OP-MOEFFN-1", "OP-MOEFFN-2", "OP-MOEFFN-3"),
        spec,
        types,
        freedoms,
        d -> contents(d, w, spec, s),
        c -> expect(spec, c),
        extent);
  }

  private static Contents contents(Draw d, WeightFormat w, MoeFfn spec, Size s) {
    List<HostTensor> inputs = new ArrayList<>();
    inputs.add(d.normal(DType.F32, 1, s.tokens, s.hidden));
    inputs.add(d.uniform(DType.F32, 1, s.tokens, s.k));
    HostTensor ids = MoeDispatchCases.ids(d, s.ids, s.experts, s.k, s.tokens);
    inputs.add(ids);
    boolean[] used = new boolean[s.experts];
    for (double e : ids.stored()) {
      used[(int) e] = true;
    }
    double in = 3 / Math.sqrt(s.hidden);
    inputs.add(WeightFormat.withoutUnused(w.draw(d, in, s.experts, s.inter, s.hidden), used));
    inputs.add(WeightFormat.withoutUnused(w.draw(d, in, s.experts, s.inter, s.hidden), used));
    inputs.add(
        WeightFormat.withoutUnused(
            w.draw(d, 3 / Math.sqrt(s.inter), s.experts, s.hidden, s.inter), used));
    if (spec.shared() == Shared.SHARED) {
      inputs.add(w.draw(d, in, s.wide, s.hidden));
      inputs.add(w.draw(d, in, s.wide, s.hidden));
      inputs.add(w.draw(d, 3 / Math.sqrt(s.wide), s.hidden, s.wide));
    }
    if (spec.epilogue() == Epilogue.RESIDUAL) {
      inputs.add(d.normal(DType.F32, 1, s.tokens, s.hidden));
    }
    return Contents.of(1, inputs.toArray(HostTensor[]::new));
  }

  /** What {@code spec} gives. */
  static List<Expected> expect(MoeFfn spec, Contents c) {
    HostTensor x = c.get(0);
    HostTensor weights = c.get(1);
    int tokens = (int) x.shape().dim(0);
    int hidden = (int) x.shape().dim(1);
    int k = (int) weights.shape().dim(1);
    Real gate = WeightFormat.real(c.get(3));
    Real up = WeightFormat.real(c.get(4));
    Real down = WeightFormat.real(c.get(5));
    WeightedRows sum = new WeightedRows(tokens, hidden);
    for (int t = 0; t < tokens; t++) {
      Real row =
          Real.exact(
              Shape.of(1, hidden), Arrays.copyOfRange(x.stored(), t * hidden, (t + 1) * hidden));
      for (int j = 0; j < k; j++) {
        int e = (int) c.get(2).stored()[t * k + j];
        Real y =
            mlp(
                row,
                WeightFormat.expert(gate, e),
                WeightFormat.expert(up, e),
                WeightFormat.expert(down, e));
        sum.add(t, weights.stored()[t * k + j], y, 0);
      }
    }
    int next = 6;
    if (spec.shared() == Shared.SHARED) {
      Real y =
          mlp(
              c.real(0),
              WeightFormat.real(c.get(6)),
              WeightFormat.real(c.get(7)),
              WeightFormat.real(c.get(8)));
      addAll(sum, tokens, y);
      next = 9;
    }
    if (spec.epilogue() == Epilogue.RESIDUAL) {
      addAll(sum, tokens, c.real(next));
    }
    return List.of(Expected.of(sum.real()));
  }

  private static void addAll(WeightedRows sum, int tokens, Real rows) {
    for (int t = 0; t < tokens; t++) {
      sum.add(t, 1, rows, t);
    }
  }

  /** {@code D (silu(G x) * U x)}. */
  static Real mlp(Real x, Real gate, Real up, Real down) {
    Real silu = x.timesTransposed(gate).silu();
    return silu.times(x.timesTransposed(up)).timesTransposed(down);
  }
}
