package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.RotaryEmbedding;
import java.util.Arrays;

/** The kernel of RotaryEmbedding. */
final class Rotary {
  private Rotary() {}

  static Kernel kernel(RotaryEmbedding spec) {
    return t -> {
      Elements x = t[0];
      Elements positions = t[1];
      Elements out = t[4];
      int pairs = spec.rotaryDim() / 2;
      float[] head = new float[x.dim(2)];
      float[] cos = new float[pairs];
      float[] sin = new float[pairs];
      for (int i = 0; i < x.dim(0); i++) {
        int position = IndexedRows.row(positions, i * positions.stride(0), t[2].dim(0));
        loadAngles(t[2], position, cos);
        loadAngles(t[3], position, sin);
        for (int h = 0; h < x.dim(1); h++) {
          x.load(i * x.stride(0) + h * x.stride(1), x.stride(2), head);
          for (int p = 0; p < pairs; p++) {
            rotate(head, first(spec, p), second(spec, p), cos[p], sin[p]);
          }
          for (int d = 0; d < head.length; d++) {
            out.setFloat(i * out.stride(0) + h * out.stride(1) + d * out.stride(2), head[d]);
          }
        }
      }
    };
  }

  /** A negative position has no angles: zeros, like the rows that a gather does not find. */
  private static void loadAngles(Elements table, int position, float[] into) {
    if (position < 0) {
      Arrays.fill(into, 0);
    } else {
      table.load(position * table.stride(0), table.stride(1), into);
    }
  }

  private static void rotate(float[] head, int i, int j, float cos, float sin) {
    float a = head[i];
    float b = head[j];
    head[i] = a * cos - b * sin;
    head[j] = a * sin + b * cos;
  }

  private static int first(RotaryEmbedding spec, int pair) {
    return spec.rotaryOffset()
        + switch (spec.layout()) {
          case INTERLEAVED -> 2 * pair;
          case HALF_SPLIT -> pair;
        };
  }

  private static int second(RotaryEmbedding spec, int pair) {
    return spec.rotaryOffset()
        + switch (spec.layout()) {
          case INTERLEAVED -> 2 * pair + 1;
          case HALF_SPLIT -> pair + spec.rotaryDim() / 2;
        };
  }
}
