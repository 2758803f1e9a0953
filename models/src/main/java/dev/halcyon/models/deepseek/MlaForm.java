package dev.halcyon.models.deepseek;

/** Which of the two equal forms of latent attention a step uses. */
enum MlaForm {
  /** Queries go into the latent space: cheap for few tokens over a long context. */
  ABSORBED,
  /** Keys and values are rebuilt from the latent: cheap for many tokens over one context. */
  EXPANDED;

  /**
   * The form of fewer multiplications for {@code tokens} new tokens that see {@code context}
   * positions in all. Per head, with latent C, key parts n + r and value v: absorbed T (C (n + v) +
   * ctx (2 C + r)), expanded ctx C (n + v) + T ctx (n + r + v).
   */
  static MlaForm cheaper(long tokens, long context, int latent, int nope, int rope, int value) {
    double seen = context - tokens / 2.0;
    double absorbed = tokens * ((double) latent * (nope + value) + seen * (2.0 * latent + rope));
    double expanded =
        (double) context * latent * (nope + value) + tokens * seen * (nope + rope + value);
    return expanded < absorbed ? EXPANDED : ABSORBED;
  }
}
