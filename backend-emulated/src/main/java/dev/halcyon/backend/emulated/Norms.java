package dev.halcyon.backend.emulated;

/** The kernel of RmsNorm. */
final class Norms {
  private Norms() {}

  static Kernel rmsNorm(double epsilon) {
    return t -> {
      int n = t[0].dim(1);
      float[] x = new float[n];
      float[] weight = new float[n];
      t[1].load(0, t[1].stride(0), weight);
      for (int i = 0; i < t[0].dim(0); i++) {
        t[0].load(i * t[0].stride(0), t[0].stride(1), x);
        float squares = 0;
        for (float v : x) {
          squares += v * v;
        }
        float scale = (float) (1 / Math.sqrt(squares / n + (float) epsilon));
        for (int j = 0; j < n; j++) {
          t[2].setFloat(i * t[2].stride(0) + j * t[2].stride(1), x[j] * scale * weight[j]);
        }
      }
    };
  }
}
