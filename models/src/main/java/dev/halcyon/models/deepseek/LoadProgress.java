package dev.halcyon.models.deepseek;

/** Hears how much of a model has been loaded. Called on the loading thread. */
@FunctionalInterface
public interface LoadProgress {
  /** Hears nothing. */
  LoadProgress NONE = bytes -> {};

  /**
   * Another tensor was placed.
   *
   * @param bytes its bytes in the checkpoint
   */
  void advance(long bytes);
}
