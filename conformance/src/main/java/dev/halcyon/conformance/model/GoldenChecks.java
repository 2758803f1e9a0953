package dev.halcyon.conformance.model;

import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.models.deepseek.RouterChoices;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** A model against the recorded outputs of a reference implementation. */
final class GoldenChecks {
  /**
   * Router scores are sigmoids or softmax of f32 sums: implementations of the reference differ by
   * less than this.
   */
  static final double ROUTER_BOUND = 1e-4;

  private static final int LISTED = 5;

  private final LoadedModel loaded;
  private final GoldenFile golden;

  GoldenChecks(LoadedModel loaded, GoldenFile golden) {
    this.loaded = loaded;
    this.golden = golden;
  }

  private float[][] recorded(GoldenPrompt p) {
    float[] flat = golden.logits(p);
    int vocab = flat.length / p.tokenIds().length;
    float[][] rows = new float[p.tokenIds().length][];
    for (int t = 0; t < rows.length; t++) {
      rows[t] = Arrays.copyOfRange(flat, t * vocab, (t + 1) * vocab);
    }
    return rows;
  }

  Outcome logits() {
    LogitComparison comparison = new LogitComparison();
    int positions = 0;
    for (GoldenPrompt p : golden.prompts()) {
      comparison.add(
          p.name(), loaded.prefill(loaded.options(p.tokenIds().length), p.tokenIds()), recorded(p));
      positions += p.tokenIds().length;
    }
    comparison.fact("prompts", golden.prompts().size());
    comparison.fact("positions", positions);
    return comparison.outcome();
  }

  Outcome top1() {
    int positions = 0;
    int agreed = 0;
    List<String> failures = new ArrayList<>();
    for (GoldenPrompt p : golden.prompts()) {
      float[][] expected = recorded(p);
      double bound = 2 * LogitComparison.bound(expected);
      try (Session session = loaded.model().newSession(loaded.options(p.tokenIds().length))) {
        session.step(
            List.of(new Session.Chunk(session.openSequence(), p.tokenIds())), Session.Logits.ALL);
        for (int t = 0; t < expected.length; t++) {
          int found = session.argmax(t);
          int own = LoadedModel.argmax(LoadedModel.logits(session, t));
          int best = LoadedModel.argmax(expected[t]);
          double gap = expected[t][best] - expected[t][found];
          positions++;
          agreed += found == best ? 1 : 0;
          if (found != own) {
            failures.add(at(p, t) + "the device found " + found + ", its own logits say " + own);
          } else if (gap > bound) {
            failures.add(at(p, t) + found + " instead of " + best + " which is ahead by " + gap);
          }
        }
      }
    }
    return verdict(
        failures, positions - agreed, Map.of("positions", positions + "", "agreed", agreed + ""));
  }

  private static String at(GoldenPrompt p, int position) {
    return p.name() + "[" + position + "]: ";
  }

  /** Fails if there are failures; warns if something differed within its margin. */
  private static Outcome verdict(List<String> failures, int differing, Map<String, String> facts) {
    Evidence evidence =
        new Evidence(
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            failures.isEmpty() ? Optional.empty() : Optional.of(failures.getFirst()),
            "",
            "",
            0,
            facts);
    if (!failures.isEmpty()) {
      return new Outcome.Fail(
          failures.size()
              + " differ: "
              + String.join("; ", failures.subList(0, Math.min(LISTED, failures.size()))),
          evidence);
    }
    return differing > 0
        ? new Outcome.Warn(differing + " differ, all within the recorded margin", evidence)
        : new Outcome.Pass(evidence);
  }

  Outcome greedy() {
    List<String> failures = new ArrayList<>();
    int differing = 0;
    int tokens = 0;
    for (GoldenPrompt p : golden.prompts()) {
      double bound = 2 * LogitComparison.bound(recorded(p));
      int[] expected = p.greedyIds();
      int context = p.tokenIds().length + expected.length + 1;
      try (Session session = loaded.model().newSession(loaded.options(context))) {
        int sequence = session.openSequence();
        session.prefill(sequence, p.tokenIds());
        int next = session.argmax(0);
        for (int i = 0; i < expected.length; i++) {
          tokens++;
          if (next != expected[i]) {
            if (p.minGreedyGap() > bound) {
              failures.add(
                  p.name() + " continues at " + i + " with " + next + " instead of " + expected[i]);
            } else {
              differing++;
            }
            break;
          }
          session.decode(new int[] {sequence}, new int[] {next});
          next = session.argmax(0);
        }
      }
    }
    return verdict(failures, differing, Map.of("tokens", tokens + ""));
  }

  Outcome router() {
    List<String> failures = new ArrayList<>();
    Map<String, String> facts = new LinkedHashMap<>();
    int decisions = 0;
    int divergent = 0;
    int compared = 0;
    for (GoldenPrompt p : golden.prompts()) {
      RouterChoices choices =
          RouterChoices.of(loaded.model(), p.tokenIds(), loaded.options(p.tokenIds().length));
      facts.put("choices." + p.name(), text(choices, p.tokenIds().length));
      double margin = golden.routerMargin(p).orElse(Double.POSITIVE_INFINITY);
      for (Map.Entry<Integer, RouterChoices.Layer> e : choices.layers().entrySet()) {
        String tensor = "trace." + p.name() + ".layer" + e.getKey() + ".gate_indices";
        if (!golden.hasTensor(tensor)) {
          continue;
        }
        compared++;
        RouterChoices.Layer reference =
            new RouterChoices.Layer(e.getValue().topK(), golden.ints(tensor), new float[0]);
        for (int t = 0; t < p.tokenIds().length; t++) {
          int[] own = e.getValue().experts(t);
          int[] expected = reference.experts(t);
          decisions++;
          if (!Arrays.equals(own, expected)) {
            divergent++;
            if (margin > ROUTER_BOUND) {
              failures.add(
                  at(p, t)
                      + "layer "
                      + e.getKey()
                      + " chose "
                      + Arrays.toString(own)
                      + ", recorded "
                      + Arrays.toString(expected)
                      + " with margin "
                      + margin);
            }
          }
        }
      }
    }
    facts.put("decisions", decisions + "");
    facts.put("divergent", divergent + "");
    if (compared == 0) {
      return new Outcome.NotRun("the golden file records no choices of experts");
    }
    return verdict(failures, divergent, facts);
  }

  /** Layers separated by semicolons, tokens by commas, experts ascending by dots. */
  private static String text(RouterChoices choices, int tokens) {
    StringBuilder s = new StringBuilder();
    choices
        .layers()
        .forEach(
            (number, layer) -> {
              s.append(s.isEmpty() ? "" : ";").append(number).append(':');
              for (int t = 0; t < tokens; t++) {
                s.append(t == 0 ? "" : ",");
                int[] experts = layer.experts(t);
                for (int i = 0; i < experts.length; i++) {
                  s.append(i == 0 ? "" : ".").append(experts[i]);
                }
              }
            });
    return s.toString();
  }
}
