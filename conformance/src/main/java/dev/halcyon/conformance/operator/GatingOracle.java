package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.Expected;
import dev.halcyon.conformance.oracle.Real;
import dev.halcyon.conformance.oracle.Softmax;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.tensor.Shape;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The router: docs/spec/moe.md. What is chosen follows from comparisons of computed scores; a
 * comparison is decided if the scores differ by more than both their bounds, or come from equal
 * inputs, where the lower index wins. The choice of a token with an undecided comparison is open.
 */
class GatingOracle {
  private final MoeGating spec;

  GatingOracle(MoeGating spec) {
    this.spec = spec;
  }

  /** Weights and ids of {@code logits} [T, E] and {@code bias} [E], zeros where there is none. */
  final List<Expected> expect(Real logits, double[] bias) {
    int tokens = (int) logits.shape().dim(0);
    int experts = (int) logits.shape().dim(1);
    int k = spec.topK();
    double[] weights = new double[tokens * k];
    double[] weightBounds = new double[tokens * k];
    double[] ids = new double[tokens * k];
    double[] idBounds = new double[tokens * k];
    for (int t = 0; t < tokens; t++) {
      double[] row = Arrays.copyOfRange(logits.values(), t * experts, (t + 1) * experts);
      Real scores = scores(Real.exact(Shape.of(1, experts), row));
      Token token = new Token(row, bias, scores, choice(scores, bias));
      int[] chosen = token.choose();
      Real w = weights(scores, token.choice, chosen);
      for (int j = 0; j < k; j++) {
        ids[t * k + j] = chosen[j];
        weights[t * k + j] = w.value(j);
        weightBounds[t * k + j] = token.open ? Double.POSITIVE_INFINITY : w.bound(j);
        idBounds[t * k + j] = token.open ? Double.POSITIVE_INFINITY : 0;
      }
    }
    return List.of(
        new Expected(weights, weightBounds, Expected.Zeros.EQUAL),
        new Expected(ids, idBounds, Expected.Zeros.EQUAL));
  }

  private Real scores(Real logits) {
    return switch (spec.scoring()) {
      case SIGMOID -> logits.sigmoid();
      case SOFTMAX -> {
        Softmax softmax = Softmax.of(logits.values(), logits.bounds(), 1);
        int n = softmax.size();
        yield Real.bounded(
            logits.shape(),
            IntStream.range(0, n).mapToDouble(softmax::value).toArray(),
            IntStream.range(0, n).mapToDouble(softmax::bound).toArray());
      }
    };
  }

  private Real choice(Real scores, double[] bias) {
    return spec.choice() == MoeGating.Choice.BIASED
        ? scores.plus(Real.exact(scores.shape(), bias))
        : scores;
  }

  /** What an expert of a dropped group counts as. */
  double dropped() {
    return Double.NEGATIVE_INFINITY;
  }

  /** The weights of the chosen experts. */
  Real weights(Real scores, Real choice, int[] chosen) {
    Real picked = pick(scores, chosen);
    if (spec.normalization() == MoeGating.Normalization.SUM) {
      picked = picked.dividedByColumn(picked.sumRows().plus(1e-20));
    }
    return picked.times(spec.scale());
  }

  /** Some of the scores. */
  static Real pick(Real scores, int[] chosen) {
    return Real.bounded(
        Shape.of(1, chosen.length),
        IntStream.of(chosen).mapToDouble(scores::value).toArray(),
        IntStream.of(chosen).mapToDouble(scores::bound).toArray());
  }

  /** The choice of one token. */
  private final class Token {
    private final double[] logits;
    private final double[] bias;
    private final Real scores;
    private final Real choice;
    private boolean open;

    Token(double[] logits, double[] bias, Real scores, Real choice) {
      this.logits = logits;
      this.bias = bias;
      this.scores = scores;
      this.choice = choice;
    }

    int[] choose() {
      int experts = logits.length;
      boolean[] kept = spec.groups() == 1 ? all(experts) : keptGroups();
      double[] c = choice.values().clone();
      int perGroup = experts / spec.groups();
      for (int e = 0; e < experts; e++) {
        if (spec.groups() > 1 && !kept[e / perGroup]) {
          c[e] = dropped();
        }
      }
      int[] order = descending(c);
      for (int i = 0; i < spec.topK(); i++) {
        for (int j = i + 1; j < experts; j++) {
          if (c[order[j]] > Double.NEGATIVE_INFINITY) {
            compare(
                c[order[i]] - c[order[j]],
                choice.bound(order[i]) + choice.bound(order[j]),
                sameInputs(order[i], order[j])
                    || c[order[i]] == dropped() && c[order[j]] == dropped());
          }
        }
      }
      return Arrays.copyOf(order, spec.topK());
    }

    private boolean[] all(int n) {
      boolean[] all = new boolean[n];
      Arrays.fill(all, true);
      return all;
    }

    private void compare(double gap, double bounds, boolean same) {
      if (!same && gap <= bounds) {
        open = true;
      }
    }

    private boolean sameInputs(int a, int b) {
      return logits[a] == logits[b] && bias[a] == bias[b];
    }

    private boolean[] keptGroups() {
      int groups = spec.groups();
      int perGroup = logits.length / groups;
      double[] score = new double[groups];
      double[] bound = new double[groups];
      int[][] best = new int[groups][];
      for (int g = 0; g < groups; g++) {
        int first = g * perGroup;
        double[] members = Arrays.copyOfRange(choice.values(), first, first + perGroup);
        int used = spec.groupRule() == MoeGating.GroupRule.MAX ? 1 : Math.min(2, perGroup);
        best[g] = IntStream.of(descending(members)).limit(used).map(i -> first + i).toArray();
        double widest =
            IntStream.range(first, first + perGroup).mapToDouble(choice::bound).max().orElse(0);
        score[g] = IntStream.of(best[g]).mapToDouble(choice::value).sum();
        bound[g] = used * widest + (used > 1 ? Real.rounding(score[g]) : 0);
      }
      int[] order = descending(score);
      boolean[] kept = new boolean[groups];
      for (int i = 0; i < spec.groupTopK(); i++) {
        kept[order[i]] = true;
        for (int j = spec.groupTopK(); j < groups; j++) {
          int a = order[i];
          int b = order[j];
          compare(score[a] - score[b], bound[a] + bound[b], sameBest(best[a], best[b]));
        }
      }
      return kept;
    }

    private boolean sameBest(int[] a, int[] b) {
      for (int i = 0; i < a.length; i++) {
        if (!sameInputs(a[i], b[i])) {
          return false;
        }
      }
      return true;
    }

    private int[] descending(double[] values) {
      return IntStream.range(0, values.length)
          .boxed()
          .sorted(Comparator.comparingDouble((Integer i) -> -values[i]))
          .mapToInt(Integer::intValue)
          .toArray();
    }
  }
}
