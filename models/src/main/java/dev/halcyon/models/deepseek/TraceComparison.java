package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.golden.GoldenPrompt;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Holds the activations of one prompt against a traced reference, layer by layer. */
final class TraceComparison {
  /** Allowed difference, relative to the largest magnitude of the reference tensor. */
  private static final double TOLERANCE = 2e-4;

  private TraceComparison() {}

  /** The first tensor, in the order of execution, that deviates; empty if none does. */
  static Optional<String> firstDeviation(
      DeepSeekModel model, GoldenFile golden, GoldenPrompt prompt, ParityOptions options) {
    int tokens = prompt.tokenIds().length;
    Map<String, float[]> seen = new LinkedHashMap<>();
    Map<String, int[]> routed = new LinkedHashMap<>();
    try (Session session = model.newSession(options.session(1, tokens, tokens))) {
      int sequence = session.openSequence();
      session.step(
          List.of(new Session.Chunk(sequence, prompt.tokenIds())),
          Session.Logits.ALL,
          (name, tensor) -> {
            if (tensor.dtype() == DType.I32) {
              routed.put(name, ints(session.stream(), tensor));
            } else {
              seen.put(name, floats(session.stream(), tensor));
            }
          });
      collectCache(model.config(), session, sequence, tokens, seen);
    }
    return compare(model.config(), golden, "trace." + prompt.name() + ".", seen, routed);
  }

  private static void collectCache(
      DeepSeekConfig config, Session session, int sequence, int tokens, Map<String, float[]> seen) {
    int latent = config.kvLoraRank();
    int width = config.latentCacheWidth();
    for (int layer = 0; layer < config.layers(); layer++) {
      if (session.options().cacheDtype() != DType.F32) {
        return;
      }
      float[] all = floats(session.stream(), session.cacheLayer(layer));
      float[] c = new float[tokens * latent];
      float[] k = new float[tokens * (width - latent)];
      for (int t = 0; t < tokens; t++) {
        int row = session.cacheRow(sequence, t);
        System.arraycopy(all, row * width, c, t * latent, latent);
        System.arraycopy(all, row * width + latent, k, t * (width - latent), width - latent);
      }
      seen.put("layer" + layer + ".kv_latent", c);
      seen.put("layer" + layer + ".k_rope_cache", k);
    }
  }

  private static Optional<String> compare(
      DeepSeekConfig config,
      GoldenFile golden,
      String prefix,
      Map<String, float[]> seen,
      Map<String, int[]> routed) {
    Optional<String> found = check(golden, prefix, "embed", seen.get("embed"));
    float[] before = seen.get("embed");
    for (int i = 0; i < config.layers() && found.isEmpty(); i++) {
      String layer = "layer" + i + ".";
      float[] middle = seen.get(layer + "after_attn");
      float[] out = seen.get(layer + "out");
      float[] x = before;
      found =
          check(golden, prefix, layer + "attn_in", seen.get(layer + "attn_in"))
              .or(() -> check(golden, prefix, layer + "kv_latent", seen.get(layer + "kv_latent")))
              .or(
                  () ->
                      check(
                          golden, prefix, layer + "k_rope_cache", seen.get(layer + "k_rope_cache")))
              .or(() -> check(golden, prefix, layer + "attn_out", minus(middle, x)))
              .or(() -> routing(golden, prefix, layer, seen, routed))
              .or(() -> check(golden, prefix, layer + "ffn_out", minus(out, middle)))
              .or(() -> check(golden, prefix, layer + "out", out));
      before = out;
    }
    return found.or(() -> check(golden, prefix, "final_norm", seen.get("final_norm")));
  }

  private static Optional<String> check(
      GoldenFile golden, String prefix, String name, float[] actual) {
    if (actual == null || !golden.hasTensor(prefix + name)) {
      return Optional.empty();
    }
    float[] expected = golden.floats(prefix + name);
    if (expected.length != actual.length) {
      return Optional.of(name + ": " + actual.length + " elements, expected " + expected.length);
    }
    double largest = 1e-3;
    double worst = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      worst = ParityCheck.worse(worst, Math.abs((double) actual[i] - expected[i]));
    }
    return worst <= TOLERANCE * largest
        ? Optional.empty()
        : Optional.of(String.format(Locale.ROOT, "%s: |delta| %.3g of %.3g", name, worst, largest));
  }

  /** Compares experts as (id, weight) pairs: their order within a token carries no meaning. */
  private static Optional<String> routing(
      GoldenFile golden,
      String prefix,
      String layer,
      Map<String, float[]> seen,
      Map<String, int[]> routed) {
    int[] ids = routed.get(layer + "gate_indices");
    if (ids == null || !golden.hasTensor(prefix + layer + "gate_indices")) {
      return Optional.empty();
    }
    float[] weights = seen.get(layer + "gate_weights");
    int[] expectedIds = golden.ints(prefix + layer + "gate_indices");
    float[] expectedWeights = golden.floats(prefix + layer + "gate_weights");
    int k = Math.toIntExact(golden.shape(prefix + layer + "gate_indices")[1]);
    for (int i = 0; i < ids.length; i++) {
      int match = -1;
      for (int j = i / k * k; j < i / k * k + k; j++) {
        match = expectedIds[j] == ids[i] ? j : match;
      }
      if (match < 0) {
        return Optional.of(layer + "gate_indices: token " + i / k + " chose expert " + ids[i]);
      }
      double difference = Math.abs((double) weights[i] - expectedWeights[match]);
      if (!(difference <= TOLERANCE * Math.max(1, Math.abs(expectedWeights[match])))) {
        return Optional.of(layer + "gate_weights: token " + i / k + " differs by " + difference);
      }
    }
    return Optional.empty();
  }

  private static float[] minus(float[] a, float[] b) {
    float[] out = new float[a.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = a[i] - b[i];
    }
    return out;
  }

  private static float[] floats(CommandStream stream, Tensor t) {
    float[] out = new float[Math.toIntExact(t.type().elementCount())];
    stream.download(t, MemorySegment.ofArray(out));
    return out;
  }

  private static int[] ints(CommandStream stream, Tensor t) {
    int[] out = new int[Math.toIntExact(t.type().elementCount())];
    stream.download(t, MemorySegment.ofArray(out));
    return out;
  }
}
