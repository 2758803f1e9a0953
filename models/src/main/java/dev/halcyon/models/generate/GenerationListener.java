package dev.halcyon.models.generate;

/**
 * Hears a generation as it happens, on the thread that generates. An exception it throws ends the
 * generation and reaches the caller.
 */
public interface GenerationListener {
  /** Hears nothing. */
  GenerationListener NONE = new GenerationListener() {};

  /** A token was chosen, the one that ends the generation included. */
  default void onToken(int id) {}

  /**
   * More text became final. Pieces joined are the text of the {@link Generation}; a piece is never
   * empty and may come several tokens late.
   */
  default void onText(String piece) {}
}
