package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.MoeGating;
import java.util.Arrays;

/** The kernel of MoeGating: one token after the other. */
final class Gating {
  private Gating() {}

  static Kernel kernel(MoeGating spec) {
    return t -> {
      Elements logits = t[0];
      Elements weights = t[t.length - 2];
      Elements ids = t[t.length - 1];
      float[] scores = new float[logits.dim(1)];
      float[] bias = new float[scores.length];
      if (spec.choice() == MoeGating.Choice.BIASED) {
        t[1].load(0, t[1].stride(0), bias);
      }
      for (int i = 0; i < logits.dim(0); i++) {
        logits.load(i * logits.stride(0), logits.stride(1), scores);
        score(spec.scoring(), scores);
        int[] chosen = choose(spec, scores, bias);
        float[] picked = weights(spec, scores, chosen);
        for (int j = 0; j < chosen.length; j++) {
          weights.setFloat(i * weights.stride(0) + j * weights.stride(1), picked[j]);
          ids.setInt(i * ids.stride(0) + j * ids.stride(1), chosen[j]);
        }
      }
    };
  }

  /** Replaces logits by scores. */
  private static void score(MoeGating.Scoring scoring, float[] s) {
    switch (scoring) {
      case SIGMOID -> {
        for (int e = 0; e < s.length; e++) {
          s[e] = Elementwise.sigmoid(s[e]);
        }
      }
      case SOFTMAX -> {
        float max = -Float.MAX_VALUE;
        for (float v : s) {
          max = Math.max(max, v);
        }
        for (int e = 0; e < s.length; e++) {
          s[e] = (float) Math.exp(s[e] - max);
        }
        float sum = Reductions.sum(s);
        for (int e = 0; e < s.length; e++) {
          s[e] /= sum;
        }
      }
    }
  }

  private static int[] choose(MoeGating spec, float[] scores, float[] bias) {
    float[] by = scores.clone();
    if (spec.choice() == MoeGating.Choice.BIASED) {
      for (int e = 0; e < by.length; e++) {
        by[e] += bias[e];
      }
    }
    if (spec.groups() > 1) {
      dropGroups(spec, by);
    }
    return Reductions.largest(by, spec.topK());
  }

  /** Sets the choice scores of all but the best groups to -inf. */
  private static void dropGroups(MoeGating spec, float[] by) {
    int size = by.length / spec.groups();
    float[] groups = new float[spec.groups()];
    for (int g = 0; g < groups.length; g++) {
      groups[g] = groupScore(spec, Arrays.copyOfRange(by, g * size, (g + 1) * size));
    }
    boolean[] kept = new boolean[groups.length];
    for (int g : Reductions.largest(groups, spec.groupTopK())) {
      kept[g] = true;
    }
    for (int e = 0; e < by.length; e++) {
      by[e] = kept[e / size] ? by[e] : Float.NEGATIVE_INFINITY;
    }
  }

  private static float groupScore(MoeGating spec, float[] group) {
    return switch (spec.groupRule()) {
      case MAX -> {
        float max = Float.NEGATIVE_INFINITY;
        for (float v : group) {
          max = Math.max(max, v);
        }
        yield max;
      }
      case SUM_TOP2 -> {
        float sum = 0;
        for (int e : Reductions.largest(group, Math.min(2, group.length))) {
          sum += Float.isNaN(group[e]) ? Float.NEGATIVE_INFINITY : group[e];
        }
        yield sum;
      }
    };
  }

  /** The scores, without bias, of the chosen experts. */
  private static float[] weights(MoeGating spec, float[] scores, int[] chosen) {
    float[] w = new float[chosen.length];
    for (int j = 0; j < w.length; j++) {
      w[j] = scores[chosen[j]];
    }
    if (spec.normalization() == MoeGating.Normalization.SUM) {
      float sum = Reductions.sum(w) + 1e-20f;
      for (int j = 0; j < w.length; j++) {
        w[j] /= sum;
      }
    }
    for (int j = 0; j < w.length; j++) {
      w[j] *= (float) spec.scale();
    }
    return w;
  }
}
