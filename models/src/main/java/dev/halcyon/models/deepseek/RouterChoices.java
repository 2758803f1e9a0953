package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The experts that a model chooses for every token, layer by layer.
 *
 * @param layers by number of the layer, those with experts only
 */
public record RouterChoices(Map<Integer, Layer> layers) {
  /**
   * The choices of one layer. Arrays are the record's own: do not change them.
   *
   * @param topK experts a token chooses
   * @param ids [tokens, topK] row-major; the order within a token carries no meaning
   * @param weights of the chosen experts, in the same order
   */
  public record Layer(int topK, int[] ids, float[] weights) {
    /** The experts of a token, ascending. */
    public int[] experts(int token) {
      int[] chosen = Arrays.copyOfRange(ids, token * topK, (token + 1) * topK);
      Arrays.sort(chosen);
      return chosen;
    }
  }

  /** Runs {@code tokens} as one prefill step in a session of its own and notes the choices. */
  public static RouterChoices of(DeepSeekModel model, int[] tokens, SessionOptions options) {
    Map<Integer, int[]> ids = new TreeMap<>();
    Map<Integer, float[]> weights = new TreeMap<>();
    int[] topK = {1};
    try (Session session = model.newSession(options)) {
      int sequence = session.openSequence();
      session.step(
          List.of(new Session.Chunk(sequence, tokens)),
          Session.Logits.LAST,
          (name, tensor) -> {
            if (name.endsWith(".gate_indices")) {
              topK[0] = Math.toIntExact(tensor.dim(-1));
              ids.put(layer(name), download(session, tensor, new int[size(tensor)]));
            } else if (name.endsWith(".gate_weights")) {
              weights.put(layer(name), download(session, tensor, new float[size(tensor)]));
            }
          });
    }
    Map<Integer, Layer> layers = new TreeMap<>();
    ids.forEach(
        (layer, chosen) -> layers.put(layer, new Layer(topK[0], chosen, weights.get(layer))));
    return new RouterChoices(layers);
  }

  private static int layer(String name) {
    return Integer.parseInt(name.substring("layer".length(), name.indexOf('.')));
  }

  private static int size(Tensor t) {
    return Math.toIntExact(t.type().elementCount());
  }

  private static int[] download(Session session, Tensor t, int[] to) {
    session.stream().download(t, MemorySegment.ofArray(to));
    return to;
  }

  private static float[] download(Session session, Tensor t, float[] to) {
    session.stream().download(t, MemorySegment.ofArray(to));
    return to;
  }
}
